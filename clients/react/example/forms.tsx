import { useUser } from "@gatepost/react";
import type { ComponentProps } from "react";
import { Form } from "./Form.js";

function Field({ label, ...input }: { label: string } & ComponentProps<"input">) {
  return (
    <label>
      {label}
      <input required {...input} />
    </label>
  );
}

const Email = () => <Field label="Email" name="email" type="email" autoComplete="email" />;

const Code = () => (
  <Field
    label="Code"
    name="otp"
    inputMode="numeric"
    pattern="[0-9]{6}"
    autoComplete="one-time-code"
  />
);

const NewPassword = ({ name }: { name: string }) => (
  <Field label="New password" name={name} type="password" autoComplete="new-password" />
);

export function LoginForm() {
  const { login, busy, error } = useUser();
  return (
    <Form<"email" | "password"> title="Log in" onSubmit={login} busy={busy} error={error}>
      <Email />
      <Field label="Password" name="password" type="password" autoComplete="current-password" />
    </Form>
  );
}

export function RegisterForm() {
  const { register, busy, error } = useUser();
  return (
    <Form<"name" | "email" | "password">
      title="Register"
      onSubmit={register}
      busy={busy}
      error={error}
    >
      <Field label="Name" name="name" autoComplete="name" />
      <Email />
      <NewPassword name="password" />
    </Form>
  );
}

export function CodeForm({ email }: { email: string }) {
  const { verify, resend, startOver, busy, error } = useUser();
  return (
    <>
      <p>A code is on its way to {email}.</p>
      <Form<"otp"> title="Verify" onSubmit={verify} busy={busy} error={error}>
        <Code />
      </Form>
      <button type="button" onClick={resend} disabled={busy}>
        Another code
      </button>
      <button type="button" onClick={startOver}>
        Begin again
      </button>
    </>
  );
}

export function RecoverForm() {
  const { recover, busy, error } = useUser();
  return (
    <Form<"email"> title="Forgot it" onSubmit={recover} busy={busy} error={error}>
      <Email />
    </Form>
  );
}

export function ResetForm({ email }: { email: string }) {
  const { reset, startOver, busy, error } = useUser();
  return (
    <>
      <p>If {email} has an account, a code is on its way.</p>
      <Form<"otp" | "new_password"> title="Set password" onSubmit={reset} busy={busy} error={error}>
        <Code />
        <NewPassword name="new_password" />
      </Form>
      <button type="button" onClick={startOver}>
        Begin again
      </button>
    </>
  );
}
