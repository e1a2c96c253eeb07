import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Seen {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: Record<string, string>;
}

/** `lost`: the request is worked on, and its answer never arrives. */
export type Answer = { status: number; body?: object; headers?: Record<string, string> } | "lost";
type Rule = (seen: Seen) => Answer | undefined | Promise<Answer | undefined>;

export const ANN = user("ann");
export const BOB = user("bob");

/**
 * A Gatepost of one process, for what the client does: it rotates refresh tokens, repeats a lost
 * answer, and ends a session whose token is replayed. `rule` may answer before it.
 */
export class StandIn {
  readonly requests: Seen[] = [];
  url = "";
  rule: Rule = () => undefined;
  expiresIn = 900;
  /** Access tokens by what they are worth: a session that may have ended. */
  readonly access = new Map<string, Login>();
  readonly #refresh = new Map<string, Login>();
  readonly #server: Server = createServer(
    (request, response) => void this.#serve(request, response),
  );
  #issued = 0;

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  seen(path: string): Seen[] {
    return this.requests.filter((each) => each.path === path);
  }

  /** What an answer to a login holds. */
  tokens(who: typeof ANN, login: Login = { who, live: true, newest: "" }) {
    this.#issued += 1;
    const [access, refresh] = [`access-${this.#issued}`, `refresh-${this.#issued}`];
    login.newest = refresh;
    this.access.set(access, login);
    this.#refresh.set(refresh, login);
    const lives = { token_type: "Bearer", expires_in: this.expiresIn };
    return { token: access, refresh_token: refresh, user: login.who, ...lives };
  }

  /** Every access token that lives now is refused from now on; sessions go on. */
  expireAccess(): void {
    this.access.clear();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const { method = "", url: path = "", headers } = request;
    const seen: Seen = { method, path, headers, body: text === "" ? {} : JSON.parse(text) };
    this.requests.push(seen);
    const answer = (await this.rule(seen)) ?? this.#answer(seen);
    if (answer === "lost") return void request.socket.destroy();
    const type = answer.status < 400 ? "application/json" : "application/problem+json";
    response.writeHead(answer.status, { "content-type": type, ...answer.headers });
    response.end(JSON.stringify(answer.body ?? {}));
  }

  #answer({ path, body, headers }: Seen): Answer {
    if (path === "/api/auth/refresh") return this.#refreshed(body["refresh_token"] ?? "");
    if (path === "/api/auth/login") return success(this.tokens(nameOf(body["email"])));
    if (path === "/api/auth/register") return success(mailed("registration_id"), 202);
    if (path === "/api/auth/resend-otp") return success(mailed("registration_id"), 202);
    if (path === "/api/auth/verify-otp") return success({ user: nameOf(body["email"]) }, 201);
    if (path === "/api/auth/password-recovery") return success(mailed("recovery_id"), 202);
    if (path === "/api/auth/reset-password") return success(null);
    const login = this.access.get(headers.authorization?.replace("Bearer ", "") ?? "");
    if (!login?.live) return refusal(401, "token_rejected");
    if (path === "/api/auth/logout") login.live = false;
    return success({ user: login.who });
  }

  #refreshed(token: string): Answer {
    const login = this.#refresh.get(token);
    if (!login?.live) return refusal(401, "refresh_token_rejected");
    if (login.newest === token) return success(this.tokens(login.who, login));
    login.live = false; // a replay
    return refusal(401, "refresh_token_rejected");
  }
}

export interface Login {
  who: typeof ANN;
  live: boolean;
  newest: string;
}

export function success(data: unknown, status = 200): Answer {
  return { status, body: { status: "success", message: "Done.", data } };
}

export function refusal(
  status: number,
  code: string,
  headers: Record<string, string> = {},
): Answer {
  return { status, body: { status, code, detail: `Sorry: ${code}.`, request_id: "r1" }, headers };
}

function mailed(id: string) {
  return { [id]: "a".repeat(32), expires_in: 600, resend_in: 60 };
}

function nameOf(email = ""): typeof ANN {
  return email.startsWith("bob") ? BOB : ANN;
}

function user(name: string) {
  const [id, email] = [`id-of-${name}`, `${name}@example.org`];
  return { id, name, email, username: null, created_at: "2026-11-21T08:00:00Z" };
}
