import { GatepostError, unanswered } from "./error.js";
import { refusalOf, unexpected } from "./problem.js";

export type Fetch = typeof globalThis.fetch;

/** `token` goes into the Authorization header, `timeout` is in milliseconds. */
export interface Call {
  method: "GET" | "POST";
  path: string;
  body?: object;
  token?: string;
  signal?: AbortSignal | undefined;
  timeout?: number;
}

// No cookies: what a registration is bound by travels in the body. No redirects: one would carry a
// password or a token to wherever it points.
const CAREFUL: RequestInit = {
  cache: "no-store",
  credentials: "omit",
  redirect: "error",
  referrerPolicy: "no-referrer",
};

/** Requests to one service; answers are unwrapped, everything else is thrown as GatepostError. */
export class Http {
  readonly #baseUrl: string;
  readonly #fetch: Fetch;
  readonly #timeout: number;

  constructor(baseUrl: string, fetch: Fetch | undefined, timeout: number) {
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
    this.#fetch = fetch ?? ((...request) => globalThis.fetch(...request));
    this.#timeout = timeout;
  }

  /** The answer's `data`. If `call.signal` aborts it, its reason is thrown, as fetch does. */
  async call<T>(call: Call): Promise<T> {
    const limit = AbortSignal.timeout(call.timeout ?? this.#timeout);
    const signal = call.signal ? AbortSignal.any([call.signal, limit]) : limit;
    try {
      const answer = await this.#fetch(this.#baseUrl + call.path, requestOf(call, signal));
      if (!answer.ok) throw await refusalOf(answer);
      return await dataOf<T>(answer);
    } catch (cause) {
      if (cause instanceof GatepostError) throw cause;
      call.signal?.throwIfAborted();
      throw unanswered(limit.aborted, cause);
    }
  }
}

function requestOf({ method, body, token }: Call, signal: AbortSignal): RequestInit {
  const headers: Record<string, string> = { accept: "application/json" };
  if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
  if (body === undefined) return { ...CAREFUL, method, headers, signal };
  headers["content-type"] = "application/json";
  return { ...CAREFUL, method, headers, signal, body: JSON.stringify(body) };
}

async function dataOf<T>(answer: Response): Promise<T> {
  const text = await answer.text();
  const body = parsed(text);
  if (typeof body !== "object" || body === null || !("data" in body)) {
    throw unexpected(answer.status);
  }
  return body.data as T;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
