import { createContext, type ReactNode, useContext, useMemo } from "react";
import type { GatepostClient } from "../client/GatepostClient.js";
import type { ClerkHooks, ClerkUser } from "./clerk.js";

interface Given {
  client: GatepostClient;
  clerk: ClerkHooks | undefined;
}

const Context = createContext<Given | null>(null);

/** `client` is made once, outside of components. `clerk` holds Clerk's own hooks, where it is used. */
export function GatepostProvider<U extends ClerkUser>({
  client,
  clerk,
  children,
}: {
  client: GatepostClient;
  clerk?: ClerkHooks<U>;
  children?: ReactNode;
}): ReactNode {
  const useAuth = clerk?.useAuth;
  const useUser = clerk?.useUser;
  const given = useMemo(
    () => ({ client, clerk: useAuth && useUser && { useAuth, useUser } }),
    [client, useAuth, useUser],
  );
  return <Context.Provider value={given}>{children}</Context.Provider>;
}

export function useClient(): GatepostClient {
  return useGiven().client;
}

export function useClerkHooks(): ClerkHooks {
  const { clerk } = useGiven();
  if (clerk === undefined) {
    throw new Error("useBackendUser needs <GatepostProvider clerk={{ useAuth, useUser }}>.");
  }
  return clerk;
}

function useGiven(): Given {
  const given = useContext(Context);
  if (given === null) throw new Error("This hook needs a <GatepostProvider> above it.");
  return given;
}
