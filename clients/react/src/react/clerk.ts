/** As much of Clerk's React package as is used here, so that nothing of it has to be installed. */

export interface ClerkUser {
  id: string;
  updatedAt?: Date | null;
}

export interface ClerkHooks<U extends ClerkUser = ClerkUser> {
  useAuth: () => {
    sessionId?: string | null | undefined;
    getToken: (options?: { skipCache?: boolean }) => Promise<string | null>;
  };
  useUser: () => { isLoaded: boolean; user?: U | null | undefined };
}
