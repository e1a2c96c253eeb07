import { useEffect, useRef, useState } from "react";
import type { User } from "../client/answers.js";
import { backendUserOf } from "./backendUser.js";
import type { ClerkUser } from "./clerk.js";
import { useClerkHooks, useClient } from "./GatepostProvider.js";

/** Without error when nobody is signed in: both users are null then. */
export interface UseBackendUser<U extends ClerkUser = ClerkUser> {
  backendUser: User | null;
  clerkUser: U | null;
  loading: boolean;
  error: Error | null;
}

interface Found {
  about: string | null;
  user: User | null;
  error: Error | null;
}

const NOTHING: Found = { about: null, user: null, error: null };

/** Who the person that is signed in at Clerk is here; read again when that person changes. */
export function useBackendUser<U extends ClerkUser = ClerkUser>(): UseBackendUser<U> {
  const client = useClient();
  const clerk = useClerkHooks();
  const { getToken, sessionId } = clerk.useAuth();
  const { isLoaded, user } = clerk.useUser();
  const [found, setFound] = useState(NOTHING);
  const id = user?.id ?? null;
  const version = user?.updatedAt?.getTime();

  // Clerk hands out another function at each render, which must not begin another read.
  const newestGetToken = useRef(getToken);
  useEffect(() => {
    newestGetToken.current = getToken;
  });

  // biome-ignore lint/correctness/useExhaustiveDependencies: another session or version is another read
  useEffect(() => {
    if (id === null) return setFound(NOTHING);
    const gone = new AbortController();
    const tell = (user: User | null, error: Error | null) => {
      if (!gone.signal.aborted) setFound({ about: id, user, error });
    };
    backendUserOf(client, (options) => newestGetToken.current(options), gone.signal).then(
      (user) => tell(user, null),
      (error) => tell(null, error),
    );
    return () => gone.abort();
  }, [client, id, sessionId, version]);

  // Never one person's Clerk user beside another person's account.
  const { user: backendUser, error } = found.about === id ? found : NOTHING;
  const loading = !isLoaded || (id !== null && found.about !== id);
  return { backendUser, clerkUser: (user as U | null | undefined) ?? null, loading, error };
}
