import type { User } from "./answers.js";
import type { Attempt } from "./attempt.js";
import type { GatepostError } from "./error.js";

/**
 * What a client knows. `loading` until it is known whether somebody is logged in; `error` tells why
 * that could not be found out. `registration` and `recovery` are waiting for their mailed code.
 */
export interface State {
  readonly user: User | null;
  readonly loading: boolean;
  readonly error: GatepostError | null;
  readonly registration: Attempt | null;
  readonly recovery: Attempt | null;
}

export const UNKNOWN: State = {
  user: null,
  loading: true,
  error: null,
  registration: null,
  recovery: null,
};

/** A State that tells of its changes; it is another object exactly when something in it has changed. */
export class ObservableState {
  #state: State = UNKNOWN;
  readonly #listeners = new Set<() => void>();

  get state(): State {
    return this.#state;
  }

  change(changes: Partial<State>): void {
    const next = { ...this.#state, ...changes };
    const keys = Object.keys(next) as (keyof State)[];
    if (keys.every((key) => Object.is(next[key], this.#state[key]))) return;
    this.#state = next;
    for (const listener of this.#listeners) listener();
  }

  /** Returns what ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
