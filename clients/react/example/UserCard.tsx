import type { User } from "@gatepost/react";

export function UserCard({ user }: { user: User }) {
  return (
    <dl aria-label="Profile">
      <dt>Name</dt>
      <dd>{user.name}</dd>
      <dt>Email</dt>
      <dd>{user.email}</dd>
      <dt>Since</dt>
      <dd>{new Date(user.created_at).toLocaleDateString()}</dd>
    </dl>
  );
}
