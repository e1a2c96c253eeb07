type Awaitable<T> = T | Promise<T>;

/** `registration` and `recovery` are what is under way, as JSON: not secret, but personal. */
export type Kept = "refresh_token" | "registration" | "recovery";

/**
 * Where a client keeps what must outlive a page. Access tokens are never given to it. Tabs that
 * share one share its session: the client then refreshes under a Web Lock.
 */
export interface TokenStore {
  get(what: Kept): Awaitable<string | null>;
  set(what: Kept, value: string | null): Awaitable<void>;
}

/** Forgets with the page: nothing on disk, and a reload logs out. */
export function memoryStore(): TokenStore {
  const kept = new Map<Kept, string>();
  return {
    get: (what) => kept.get(what) ?? null,
    set: (what, value) => void (value === null ? kept.delete(what) : kept.set(what, value)),
  };
}
