import { GatepostClient, GatepostProvider, tabStore, useUser } from "@gatepost/react";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { CodeForm, LoginForm, RecoverForm, RegisterForm, ResetForm } from "./forms.js";
import { Refusal } from "./Refusal.js";
import { readSettings } from "./settings.js";
import { UserCard } from "./UserCard.js";

function Account() {
  const { user, loading, error, busy, registration, recovery, logout, reload } = useUser();
  if (loading) return <p>One moment …</p>;
  if (registration) return <CodeForm email={registration.email} />;
  if (recovery) return <ResetForm email={recovery.email} />;
  if (user === null) {
    return (
      <>
        <Refusal error={error} />
        <LoginForm />
        <RegisterForm />
        <RecoverForm />
      </>
    );
  }
  return (
    <>
      <UserCard user={user} />
      <Refusal error={error} />
      <button type="button" onClick={reload}>
        Read again
      </button>
      <button type="button" onClick={logout} disabled={busy}>
        Log out
      </button>
    </>
  );
}

const { gatepost } = await readSettings();
const client = new GatepostClient({ baseUrl: gatepost, store: tabStore() });

createRoot(document.getElementById("root") as HTMLElement).render(
  <StrictMode>
    <GatepostProvider client={client}>
      <Account />
    </GatepostProvider>
  </StrictMode>,
);
