import type { ClerkHooks } from "@gatepost/react";
import { useSyncExternalStore } from "react";

/** As much of Clerk's user as this page needs. */
export interface LocalUser {
  id: string;
  updatedAt: Date;
}

/**
 * Stands in for Clerk's package: hooks of the same names and shapes, over an issuer on this machine
 * that signs session tokens as Clerk does.
 */
export class LocalClerk {
  readonly #issuer: string;
  readonly #listeners = new Set<() => void>();
  #user: LocalUser | null = null;

  constructor(issuer: string) {
    this.#issuer = issuer;
  }

  signIn(id: string): void {
    this.#become({ id, updatedAt: new Date() });
  }

  signOut(): void {
    this.#become(null);
  }

  readonly hooks: ClerkHooks<LocalUser> = {
    useAuth: () => {
      const user = useSyncExternalStore(this.#watch, this.#current);
      // Another function at each render, as Clerk's is.
      return { sessionId: user && `sess_${user.id}`, getToken: () => this.#tokenOf(user) };
    },
    useUser: () => ({ isLoaded: true, user: useSyncExternalStore(this.#watch, this.#current) }),
  };

  readonly #current = (): LocalUser | null => this.#user;

  readonly #watch = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  async #tokenOf(user: LocalUser | null): Promise<string | null> {
    if (user === null) return null;
    const answer = await fetch(`${this.#issuer}/token?user=${encodeURIComponent(user.id)}`);
    return (await answer.json()).token;
  }

  #become(user: LocalUser | null): void {
    this.#user = user;
    for (const listener of this.#listeners) listener();
  }
}
