import type { Tokens, User } from "./answers.js";
import { hasStatus, mayPass, notLoggedIn, somebodyElse } from "./error.js";
import type { Call, Http } from "./http.js";
import { oneTabAtATime } from "./locks.js";
import { pause } from "./pause.js";
import type { TokenStore } from "./store.js";

// An access token is renewed this long before it expires, or in the last quarter of a short life.
const EARLY_MS = 30_000;
// A refresh token that is dead, or was never one.
const DEAD = new Set(["refresh_token_rejected", "invalid_request"]);
// The service answers within 3 s, and repeats a lost answer for 10 s after the token was spent.
const ATTEMPT_MS = 3_000;
const PAUSES_MS = [200, 800];

interface Access {
  token: string;
  user: User;
  renewAt: number;
}

/**
 * One login: an access token in this page's memory, and a refresh token in the store, which is read
 * anew each time because another tab may have spent the last one.
 */
export class Session {
  readonly #http: Http;
  readonly #store: TokenStore;
  readonly #lock: string;
  readonly #onUser: (user: User | null) => void;
  #access: Access | null = null;
  #renewing: Promise<Access | null> | null = null;

  constructor(http: Http, store: TokenStore, lock: string, onUser: (user: User | null) => void) {
    this.#http = http;
    this.#store = store;
    this.#lock = lock;
    this.#onUser = onUser;
  }

  /** Begin with what a login answered. */
  async open(tokens: Tokens, askedAt: number): Promise<void> {
    this.#become(accessOf(tokens, askedAt));
    await this.#store.set("refresh_token", tokens.refresh_token);
  }

  /** Forget it here. The service ends it by POST /api/auth/logout, or when it has idled long. */
  async forget(): Promise<void> {
    this.#become(null);
    await this.#store.set("refresh_token", null);
  }

  /** An access token that lives for a while yet; null if nobody is logged in. */
  async token(): Promise<string | null> {
    return (await this.#fresh())?.token ?? null;
  }

  /** Who is logged in, by a new access token; null if nobody is, or not any more. */
  async refresh(): Promise<User | null> {
    return (await this.#renewed())?.user ?? null;
  }

  /** A request as the person who is logged in, repeated once if the service wants a newer token. */
  async call<T>(call: Call): Promise<T> {
    const access = sameAs(this.#access, await this.#fresh());
    try {
      return await this.#http.call<T>({ ...call, token: access.token });
    } catch (error) {
      if (!hasStatus(error, 401)) throw error;
      const newer = this.#access === access ? await this.#renewed() : this.#access;
      if (newer === null) throw error;
      return this.#http.call<T>({ ...call, token: sameAs(access, newer).token });
    }
  }

  async #fresh(): Promise<Access | null> {
    if (this.#access !== null && Date.now() < this.#access.renewAt) return this.#access;
    return this.#renewed();
  }

  #renewed(): Promise<Access | null> {
    this.#renewing ??= oneTabAtATime(this.#lock, () => this.#spend()).finally(() => {
      this.#renewing = null;
    });
    return this.#renewing;
  }

  async #spend(): Promise<Access | null> {
    const before = this.#access;
    const spent = await this.#store.get("refresh_token");
    const askedAt = Date.now();
    const tokens = spent === null ? null : await this.#successorOf(spent);
    const kept = await this.#store.get("refresh_token");
    // Somebody logged in or out meanwhile: that counts, and this answer is about the past.
    if (kept !== spent || this.#access !== before) return this.#access;
    const access = this.#become(tokens && accessOf(tokens, askedAt));
    if (spent !== null) await this.#store.set("refresh_token", tokens?.refresh_token ?? null);
    return access;
  }

  /** What a refresh token buys, asked for again while answers get lost; null if it is dead. */
  async #successorOf(spent: string): Promise<Tokens | null> {
    const body = { refresh_token: spent };
    const call: Call = { method: "POST", path: "/api/auth/refresh", body, timeout: ATTEMPT_MS };
    for (let tries = 0; ; tries++) {
      try {
        return await this.#http.call<Tokens>(call);
      } catch (error) {
        if (isDead(error)) return null;
        const wait = PAUSES_MS[tries];
        if (wait === undefined || !mayPass(error)) throw error;
        await pause(wait);
      }
    }
  }

  #become(access: Access | null): Access | null {
    this.#access = access;
    this.#onUser(access?.user ?? null);
    return access;
  }
}

/** By the service's own words: whatever stands in front of it may refuse a request as well. */
function isDead(error: unknown): boolean {
  return hasStatus(error, 400, 401) && DEAD.has(error.code);
}

/** Another tab may have logged somebody else in, who must not do what this person asked for. */
function sameAs(before: Access | null, now: Access | null): Access {
  if (now === null) throw notLoggedIn();
  if (before !== null && before.user.id !== now.user.id) throw somebodyElse();
  return now;
}

function accessOf({ token, user, expires_in }: Tokens, askedAt: number): Access {
  const lifetime = expires_in * 1_000;
  return { token, user, renewAt: askedAt + lifetime - Math.min(EARLY_MS, lifetime / 4) };
}
