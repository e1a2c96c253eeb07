import type {
  Credentials,
  NewUser,
  RecoveryStarted,
  RegistrationStarted,
  Reset,
  Tokens,
  User,
} from "./answers.js";
import { type Attempt, begun, PendingAttempt } from "./attempt.js";
import { GatepostError, hasStatus } from "./error.js";
import { type Call, type Fetch, Http } from "./http.js";
import { Session } from "./session.js";
import { ObservableState, type State } from "./state.js";
import { memoryStore, type TokenStore } from "./store.js";

const TIMEOUT_MS = 5_000;

/** `baseUrl` is the service as pages reach it, `""` for their own origin; `timeout` is in ms. */
export interface Options {
  baseUrl: string;
  store?: TokenStore;
  fetch?: Fetch;
  timeout?: number;
}

type Abortable = { signal?: AbortSignal | undefined };

/**
 * One person's way to one Gatepost. Every call throws GatepostError when it is refused or not
 * answered. Nothing secret can be read from the object: tokens are private fields.
 */
export class GatepostClient {
  readonly #http: Http;
  readonly #session: Session;
  readonly #registration: PendingAttempt;
  readonly #recovery: PendingAttempt;
  readonly #observable = new ObservableState();
  #restoring: Promise<void> | null = null;

  constructor({ baseUrl, store = memoryStore(), fetch, timeout = TIMEOUT_MS }: Options) {
    this.#http = new Http(baseUrl, fetch, timeout);
    this.#registration = new PendingAttempt(store, "registration", (registration) =>
      this.#observable.change({ registration }),
    );
    this.#recovery = new PendingAttempt(store, "recovery", (recovery) =>
      this.#observable.change({ recovery }),
    );
    this.#session = new Session(this.#http, store, `gatepost.refresh.${baseUrl}`, (user) =>
      this.#observable.change({ user }),
    );
  }

  /** Mails a code to the address. A taken address is answered alike, and its owner told. */
  async register(user: NewUser): Promise<Attempt> {
    const { registration_id, ...mailed } = await this.#post<RegistrationStarted>(
      "/api/auth/register",
      user,
    );
    return this.#registration.keep(begun(registration_id, user.email, mailed));
  }

  /** Mails another code for the registration under way. */
  async resend(): Promise<Attempt> {
    const { id, email, begunAt } = await this.#registration.get();
    const body = { registration_id: id };
    const mailed = await this.#post<RegistrationStarted>("/api/auth/resend-otp", body);
    return this.#registration.keep(begun(id, email, mailed, begunAt));
  }

  /** Creates the account of the registration under way. It still has to log in. */
  async verify({ otp }: { otp: string }): Promise<User> {
    const { id, email } = await this.#registration.get();
    const body = { email, otp, registration_id: id };
    const { user } = await this.#post<{ user: User }>("/api/auth/verify-otp", body);
    await this.#registration.forget();
    return user;
  }

  async login(credentials: Credentials): Promise<User> {
    const askedAt = Date.now();
    const tokens = await this.#post<Tokens>("/api/auth/login", credentials);
    await this.#session.open(tokens, askedAt);
    this.#observable.change({ error: null });
    return tokens.user;
  }

  /** Logs out here whatever happens; throws if the service could not be told. */
  async logout(): Promise<void> {
    try {
      await this.#session.call({ method: "POST", path: "/api/auth/logout" });
    } catch (error) {
      if (!hasStatus(error, 401)) throw error; // the session had ended before
    } finally {
      await this.#session.forget();
    }
  }

  /** A new access token now, and whose it is; null if nobody is logged in any more. */
  refresh(): Promise<User | null> {
    return this.#session.refresh();
  }

  /** An access token to call other services with: ask for it each time, and never keep it. */
  token(): Promise<string | null> {
    return this.#session.token();
  }

  async profile({ signal }: Abortable = {}): Promise<User> {
    const call: Call = { method: "GET", path: "/api/auth/profile", signal };
    const { user } = await this.#session.call<{ user: User }>(call);
    this.#observable.change({ user });
    return user;
  }

  /** Mails a code and a link with which another password can be set, if there is an account. */
  async recover({ email }: { email: string }): Promise<Attempt> {
    const { recovery_id, ...mailed } = await this.#post<RecoveryStarted>(
      "/api/auth/password-recovery",
      { email },
    );
    return this.#recovery.keep(begun(recovery_id, email, mailed));
  }

  /** Sets another password, by the code of the recovery under way or by its link's token. */
  async reset(reset: Reset): Promise<void> {
    let body: object = reset;
    if ("otp" in reset) {
      const { id, email } = await this.#recovery.get();
      body = { ...reset, email, recovery_id: id };
    }
    await this.#post("/api/auth/reset-password", body);
    await this.#recovery.forget();
  }

  /** Forgets the registration and the recovery under way. */
  async startOver(): Promise<void> {
    await this.#registration.forget();
    await this.#recovery.forget();
  }

  /** Who a token of another issuer (Clerk) is here. The token is used once and not kept. */
  async backendUser(token: string, { signal }: Abortable = {}): Promise<User> {
    const call: Call = { method: "GET", path: "/v1/me", token, signal };
    return (await this.#http.call<{ user: User }>(call)).user;
  }

  /** Finds out who is logged in, or reads them anew; what goes wrong is in the state. */
  reload(): Promise<void> {
    this.#restoring ??= this.#restore().finally(() => {
      this.#restoring = null;
    });
    return this.#restoring;
  }

  readonly getSnapshot = (): State => this.#observable.state;

  /** Calls `listener` after each change of state; whoever subscribes first makes it be found out. */
  readonly subscribe = (listener: () => void): (() => void) => {
    if (this.#observable.state.loading) void this.reload();
    return this.#observable.subscribe(listener);
  };

  async #restore(): Promise<void> {
    try {
      await this.#registration.find();
      await this.#recovery.find();
      if (this.#observable.state.user === null) await this.#session.refresh();
      else await this.profile();
      this.#observable.change({ error: null });
    } catch (error) {
      if (!(error instanceof GatepostError)) throw error;
      this.#observable.change({ error });
    } finally {
      this.#observable.change({ loading: false });
    }
  }

  #post<T>(path: string, body: object): Promise<T> {
    return this.#http.call<T>({ method: "POST", path, body });
  }
}
