/** What a GatepostError is made of. */
export interface Told {
  status: number;
  code: string;
  detail: string;
  fields?: Readonly<Record<string, string>>;
  retryAfter?: number | null;
  requestId?: string | null;
}

/**
 * A call did not do what it was asked. `code` is stable, `detail` is a sentence for people, `fields`
 * maps refused fields to sentences, `retryAfter` is in seconds. `status` is 0 when no answer came:
 * `unreachable`, or `timeout`. The client itself refuses with `not_logged_in` (401), `somebody_else`
 * (409), `no_registration` and `no_recovery` (410).
 */
export class GatepostError extends Error {
  override readonly name = "GatepostError";
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly retryAfter: number | null;
  readonly requestId: string | null;

  constructor(told: Told, options?: ErrorOptions) {
    super(told.detail, options);
    this.status = told.status;
    this.code = told.code;
    this.detail = told.detail;
    this.fields = told.fields ?? {};
    this.retryAfter = told.retryAfter ?? null;
    this.requestId = told.requestId ?? null;
  }
}

/** Whether the same call may succeed in a moment: no answer came, or one that says so. */
export function mayPass(error: unknown): error is GatepostError {
  return error instanceof GatepostError && (error.status === 0 || error.status >= 500);
}

export function hasStatus(error: unknown, ...statuses: number[]): error is GatepostError {
  return error instanceof GatepostError && statuses.includes(error.status);
}

export function unanswered(timedOut: boolean, cause: unknown): GatepostError {
  const told = timedOut
    ? { code: "timeout", detail: "The service did not answer in time. Try again in a moment." }
    : { code: "unreachable", detail: "The service cannot be reached. Are you online?" };
  return new GatepostError({ status: 0, ...told }, { cause });
}

export function notLoggedIn(): GatepostError {
  return new GatepostError({ status: 401, code: "not_logged_in", detail: "Log in first." });
}

export function somebodyElse(): GatepostError {
  const detail = "Somebody else has logged in meanwhile. Nothing was done.";
  return new GatepostError({ status: 409, code: "somebody_else", detail });
}

export function nothingBegun(what: "registration" | "recovery"): GatepostError {
  const detail = `There is no ${what} under way. Begin again, and a new code is mailed.`;
  return new GatepostError({ status: 410, code: `no_${what}`, detail });
}
