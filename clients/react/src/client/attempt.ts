import type { Mailed } from "./answers.js";
import { nothingBegun } from "./error.js";
import type { TokenStore } from "./store.js";

// As long as the service keeps an attempt; a code lives shorter, and can be asked for again.
const ATTEMPT_MS = 30 * 60_000;

/** A registration or recovery whose code was mailed; all moments are milliseconds since 1970. */
export interface Attempt {
  readonly id: string;
  readonly email: string;
  readonly begunAt: number;
  readonly expiresAt: number;
  readonly resendAt: number;
}

export function begun(id: string, email: string, mailed: Mailed, begunAt = Date.now()): Attempt {
  const now = Date.now();
  const expiresAt = now + mailed.expires_in * 1_000;
  return { id, email, begunAt, expiresAt, resendAt: now + mailed.resend_in * 1_000 };
}

/** The attempt whose code a person is about to type, carried for them from its beginning. */
export class PendingAttempt {
  readonly #store: TokenStore;
  readonly #what: "registration" | "recovery";
  readonly #onChange: (attempt: Attempt | null) => void;

  constructor(
    store: TokenStore,
    what: "registration" | "recovery",
    onChange: (attempt: Attempt | null) => void,
  ) {
    this.#store = store;
    this.#what = what;
    this.#onChange = onChange;
  }

  async keep(attempt: Attempt): Promise<Attempt> {
    await this.#store.set(this.#what, JSON.stringify(attempt));
    this.#onChange(attempt);
    return attempt;
  }

  async forget(): Promise<void> {
    await this.#store.set(this.#what, null);
    this.#onChange(null);
  }

  /** Null where the service has forgotten it too. */
  async find(): Promise<Attempt | null> {
    const kept = parsed((await this.#store.get(this.#what)) ?? "null");
    const attempt = kept !== null && Date.now() - kept.begunAt < ATTEMPT_MS ? kept : null;
    this.#onChange(attempt);
    return attempt;
  }

  /** Throws GatepostError if there is none. */
  async get(): Promise<Attempt> {
    const attempt = await this.find();
    if (attempt === null) throw nothingBegun(this.#what);
    return attempt;
  }
}

function parsed(text: string): Attempt | null {
  try {
    return JSON.parse(text);
  } catch {
    return null; // another program has written into our entry
  }
}
