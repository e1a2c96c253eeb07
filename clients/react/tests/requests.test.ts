import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GatepostClient, GatepostError } from "../src/client/index.js";
import { refusal, StandIn, success } from "./standIn.js";

const ANN = { email: "ann@example.org", password: "plum kettle orbit" };
let service: StandIn;
let client: GatepostClient;

beforeEach(async () => {
  service = await new StandIn().start();
  client = new GatepostClient({ baseUrl: `${service.url}/` });
});
afterEach(() => service.stop());

async function refused(call: Promise<unknown>): Promise<GatepostError> {
  const error = await call.then(
    () => null,
    (error) => error,
  );
  expect(error).toBeInstanceOf(GatepostError);
  return error;
}

describe("a refusal", () => {
  test("tells its status, code, sentence, fields and when to come back", async () => {
    service.rule = () => ({
      status: 429,
      headers: { "retry-after": "17" },
      body: {
        code: "too_many_requests",
        detail: "Wait.",
        request_id: "r7",
        errors: [
          { field: "email", detail: "Not an address." },
          { field: "__proto__", detail: "A name." },
        ],
      },
    });
    const error = await refused(client.login(ANN));
    expect(error).toMatchObject({ status: 429, code: "too_many_requests", detail: "Wait." });
    expect(error).toMatchObject({ message: "Wait.", retryAfter: 17, requestId: "r7" });
    expect(Object.keys(error.fields)).toEqual(["email", "__proto__"]);
  });

  test.each([
    ["a proxy's page", { status: 502, headers: { "content-type": "text/html" } }, 502],
    ["a problem of another kind", { status: 400, body: { title: "No" } }, 400],
    ["a problem that is no sentence", { status: 400, body: { code: "no", detail: 17 } }, 400],
    ["a problem without a list", { status: 400, body: { code: "", detail: "", errors: 1 } }, 400],
    ["a success of another service", { status: 200, body: { ok: true } }, 200],
  ])("of %s is called unexpected", async (_what, answer, status) => {
    service.rule = () => answer;
    const error = await refused(client.login(ANN));
    expect(error).toMatchObject({ status, code: "unexpected_answer" });
  });

  test("holds neither the password nor a token", async () => {
    service.rule = () => "lost";
    const error = await refused(client.login(ANN));
    expect(JSON.stringify([error, error.stack, String(error.cause)])).not.toContain("plum");
  });
});

describe("without an answer", () => {
  test("a service that cannot be reached has status 0", async () => {
    await service.stop();
    expect(await refused(client.login(ANN))).toMatchObject({ status: 0, code: "unreachable" });
  });

  test("a service that hangs is given up", async () => {
    service.rule = () => new Promise(() => {});
    const hasty = new GatepostClient({ baseUrl: service.url, timeout: 20 });
    expect(await refused(hasty.login(ANN))).toMatchObject({ status: 0, code: "timeout" });
  });

  test("whoever aborts gets their own reason back", async () => {
    service.rule = () => new Promise(() => {});
    const abort = new AbortController();
    const reading = client.backendUser("token", { signal: abort.signal });
    abort.abort(new Error("gone"));
    await expect(reading).rejects.toThrow("gone");
  });
});

describe("a request", () => {
  test("is never redirected, with a password least of all", async () => {
    const elsewhere = await new StandIn().start();
    service.rule = ({ path }) => ({ status: 307, headers: { location: elsewhere.url + path } });
    expect(await refused(client.login(ANN))).toMatchObject({ status: 0 });
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.stop();
  });

  test("goes through the given fetch, without cookies, caches or referrer", async () => {
    const asked: RequestInit[] = [];
    const fetch: typeof globalThis.fetch = (url, init = {}) => {
      asked.push(init);
      return globalThis.fetch(url, init);
    };
    await new GatepostClient({ baseUrl: service.url, fetch }).login(ANN);
    expect(asked).toMatchObject([
      { credentials: "omit", cache: "no-store", referrerPolicy: "no-referrer", redirect: "error" },
    ]);
  });

  test("puts no token and no address into its URL", async () => {
    await client.register({ name: "Ann", ...ANN });
    await client.verify({ otp: "123456" });
    await client.login(ANN);
    await client.profile();
    await client.refresh();
    await client.logout();
    expect(service.requests.map(({ method, path }) => `${method} ${path}`)).toEqual([
      "POST /api/auth/register",
      "POST /api/auth/verify-otp",
      "POST /api/auth/login",
      "GET /api/auth/profile",
      "POST /api/auth/refresh",
      "POST /api/auth/logout",
    ]);
  });
});

describe("a registration", () => {
  test("is verified by its own id, which nobody has to carry", async () => {
    await client.register({ name: "Ann", ...ANN });
    expect(client.getSnapshot().registration).toMatchObject({ email: ANN.email });
    const user = await client.verify({ otp: "123456" });
    expect(user.email).toBe(ANN.email);
    const registration_id = "a".repeat(32);
    expect(service.seen("/api/auth/verify-otp")[0]?.body).toEqual({
      email: ANN.email,
      otp: "123456",
      registration_id,
    });
    expect(client.getSnapshot().registration).toBeNull();
  });

  test("gets another code for the same attempt", async () => {
    const first = await client.register({ name: "Ann", ...ANN });
    const second = await client.resend();
    expect(service.seen("/api/auth/resend-otp")[0]?.body).toEqual({ registration_id: first.id });
    expect(second.begunAt).toBe(first.begunAt);
  });

  test("keeps no password", async () => {
    const store = new Map<string, string | null>();
    const keeping = {
      get: (what: string) => store.get(what) ?? null,
      set: (what: string, value: string | null) => void store.set(what, value),
    };
    client = new GatepostClient({ baseUrl: service.url, store: keeping });
    await client.register({ name: "Ann", ...ANN });
    expect(JSON.stringify([...store])).not.toContain(ANN.password);
  });

  test("that was not begun cannot be verified", async () => {
    expect(await refused(client.verify({ otp: "123456" }))).toMatchObject({
      status: 410,
      code: "no_registration",
    });
    expect(service.requests).toEqual([]);
  });

  test("is forgotten with the service, after half an hour", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    await client.register({ name: "Ann", ...ANN });
    vi.advanceTimersByTime(30 * 60_000 - 1);
    await client.resend();
    vi.advanceTimersByTime(1);
    expect(await refused(client.resend())).toMatchObject({ code: "no_registration" });
    expect(client.getSnapshot().registration).toBeNull();
    vi.useRealTimers();
  });

  test("is forgotten on demand", async () => {
    await client.register({ name: "Ann", ...ANN });
    await client.startOver();
    expect(await refused(client.resend())).toMatchObject({ code: "no_registration" });
  });

  test("stays under way after a wrong code", async () => {
    await client.register({ name: "Ann", ...ANN });
    service.rule = () => refusal(400, "wrong_code");
    expect(await refused(client.verify({ otp: "000000" }))).toMatchObject({ code: "wrong_code" });
    expect(client.getSnapshot().registration).not.toBeNull();
  });
});

describe("a recovery", () => {
  const renewed = { new_password: "quince lantern dune" };

  test("by code sends the id and the address it was begun with", async () => {
    const { id } = await client.recover({ email: ANN.email });
    await client.reset({ otp: "123456", ...renewed });
    const body = { otp: "123456", email: ANN.email, recovery_id: id, ...renewed };
    expect(service.seen("/api/auth/reset-password")[0]?.body).toEqual(body);
    expect(client.getSnapshot().recovery).toBeNull();
  });

  test("by link sends its token alone", async () => {
    service.rule = () => success(null);
    await client.reset({ token: "id.mac", ...renewed });
    expect(service.requests[0]?.body).toEqual({ token: "id.mac", ...renewed });
  });
});
