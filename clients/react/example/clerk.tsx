import { GatepostClient, GatepostProvider, useBackendUser } from "@gatepost/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Form } from "./Form.js";
import { LocalClerk, type LocalUser } from "./localClerk.js";
import { Refusal } from "./Refusal.js";
import { readSettings } from "./settings.js";
import { UserCard } from "./UserCard.js";

const { gatepost, clerk: issuer } = await readSettings();
const clerk = new LocalClerk(issuer);
const client = new GatepostClient({ baseUrl: gatepost });

function Page() {
  const { backendUser, clerkUser, loading, error } = useBackendUser<LocalUser>();
  if (clerkUser === null) return <SignIn />;
  return (
    <>
      <p>Signed in at Clerk as {clerkUser.id}.</p>
      {loading && <p>One moment …</p>}
      {backendUser && <UserCard user={backendUser} />}
      <Refusal error={error} />
      <button type="button" onClick={() => clerk.signOut()}>
        Sign out
      </button>
    </>
  );
}

function SignIn() {
  return (
    <Form<"id">
      title="Sign in at Clerk"
      onSubmit={({ id }) => clerk.signIn(id)}
      busy={false}
      error={null}
    >
      <label>
        Clerk user id
        <input required name="id" pattern="user_.+" />
      </label>
    </Form>
  );
}

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <GatepostProvider client={client} clerk={clerk.hooks}>
      <Page />
    </GatepostProvider>
  </StrictMode>,
);
