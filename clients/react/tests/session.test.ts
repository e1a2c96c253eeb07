import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  GatepostClient,
  GatepostError,
  memoryStore,
  type TokenStore,
} from "../src/client/index.js";
import { pauses } from "./haste.js";
import { refusal, StandIn } from "./standIn.js";

const ANN = { email: "ann@example.org", password: "plum kettle orbit" };
const BOB = { ...ANN, email: "bob@example.org" };
let service: StandIn;
let store: TokenStore;
let client: GatepostClient;

beforeEach(async () => {
  service = await new StandIn().start();
  store = memoryStore();
  client = new GatepostClient({ baseUrl: service.url, store });
});
afterEach(() => service.stop());

const refreshed = () => service.seen("/api/auth/refresh").map(({ body }) => body["refresh_token"]);

/** Answers are withheld until `release`. */
function held(path: string) {
  let release = () => {};
  const gate = new Promise<void>((resolve) => {
    release = resolve;
  });
  service.rule = async (seen) => {
    if (seen.path === path) await gate;
    return undefined;
  };
  return release;
}

describe("tokens", () => {
  test("are not to be seen: not in the store, not in the object, not in the console", async () => {
    const printed = (["log", "info", "debug", "warn", "error"] as const).map((name) =>
      vi.spyOn(console, name),
    );
    await client.login(ANN);
    service.expireAccess();
    await client.profile();
    await client.logout();
    await client.login(ANN);
    expect(await store.get("refresh_token")).toMatch(/^refresh-/);
    const visible = JSON.stringify([client, Object.entries(client), client.getSnapshot()]);
    expect(visible).not.toMatch(/(access|refresh)-\d/);
    for (const spy of printed) expect(spy).not.toHaveBeenCalled();
  });

  test("live on in the store: another page of it is logged in", async () => {
    await client.login(ANN);
    const reloaded = new GatepostClient({ baseUrl: service.url, store });
    await reloaded.reload();
    expect(reloaded.getSnapshot()).toMatchObject({
      user: { name: "ann" },
      loading: false,
      error: null,
    });
  });
});

describe("an access token", () => {
  test("is used as long as it lives", async () => {
    await client.login(ANN);
    await client.profile();
    await client.profile();
    expect(refreshed()).toEqual([]);
  });

  test("is renewed half a minute before it expires, and not earlier", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    await client.login(ANN);
    vi.advanceTimersByTime(869_000);
    const first = await client.token();
    vi.advanceTimersByTime(1_000);
    expect(await client.token()).not.toBe(first);
    expect(refreshed()).toEqual(["refresh-1"]);
    vi.useRealTimers();
  });

  test("that is refused is renewed once, and the request repeated", async () => {
    await client.login(ANN);
    service.expireAccess();
    expect((await client.profile()).name).toBe("ann");
    expect(refreshed()).toEqual(["refresh-1"]);
  });

  test("that is refused again is not renewed again", async () => {
    await client.login(ANN);
    service.rule = ({ path }) =>
      path === "/api/auth/profile" ? refusal(401, "token_rejected") : undefined;
    await expect(client.profile()).rejects.toMatchObject({ code: "token_rejected" });
    expect(service.seen("/api/auth/profile")).toHaveLength(2);
    expect(refreshed()).toEqual(["refresh-1"]);
  });

  test.each([
    ["refused", () => service.expireAccess()],
    ["about to expire", () => vi.advanceTimersByTime(880_000)],
  ])("that is %s is not replaced by that of somebody else", async (_how, age) => {
    vi.useFakeTimers({ toFake: ["Date"] });
    await client.login(ANN);
    await new GatepostClient({ baseUrl: service.url, store }).login(BOB);
    age();
    await expect(client.profile()).rejects.toMatchObject({ code: "somebody_else" });
    const asking = service.seen("/api/auth/profile").map(({ headers }) => headers.authorization);
    expect(asking).not.toContain("Bearer access-3"); // Bob's, in this tab
    expect(client.getSnapshot().user?.name).toBe("bob");
    expect((await client.profile()).name).toBe("bob");
    vi.useRealTimers();
  });
});

describe("a refresh", () => {
  test("happens once for everybody who waits for it", async () => {
    await client.login(ANN);
    service.expireAccess();
    const users = await Promise.all(Array.from({ length: 20 }, () => client.profile()));
    expect(users).toHaveLength(20);
    expect(refreshed()).toEqual(["refresh-1"]);
  });

  test("spends what another tab has left in the store", async () => {
    const other = new GatepostClient({ baseUrl: service.url, store });
    await client.login(ANN);
    await client.refresh();
    await other.refresh();
    await client.refresh();
    expect(refreshed()).toEqual(["refresh-1", "refresh-2", "refresh-3"]);
  });

  test.each(["lost", refusal(503, "unavailable")] as const)(
    "whose answer is %s is asked for again with the same token",
    async (answer) => {
      await client.login(ANN);
      let left = 2;
      service.rule = ({ path }) =>
        path === "/api/auth/refresh" && left-- > 0 ? answer : undefined;
      expect(await client.refresh()).toMatchObject({ name: "ann" });
      expect(refreshed()).toEqual(["refresh-1", "refresh-1", "refresh-1"]);
      // Within the 10 s for which the service repeats an answer, with 3 s for each attempt.
      expect(pauses).toEqual([200, 800]);
    },
  );

  test("that stays unanswered leaves the session for later", async () => {
    await client.login(ANN);
    service.rule = () => refusal(503, "unavailable", { "retry-after": "2" });
    await expect(client.refresh()).rejects.toMatchObject({ status: 503, retryAfter: 2 });
    expect(refreshed()).toHaveLength(3);
    service.rule = () => undefined;
    expect(await client.refresh()).toMatchObject({ name: "ann" });
  });

  test("that something in front of the service refuses leaves the session as it is", async () => {
    await client.login(ANN);
    service.rule = () => refusal(401, "sign in to the proxy");
    await expect(client.refresh()).rejects.toMatchObject({ status: 401 });
    expect(await store.get("refresh_token")).toBe("refresh-1");
    service.rule = () => undefined;
    expect(await client.refresh()).toMatchObject({ name: "ann" });
  });

  test("that is refused logs out", async () => {
    await client.login(ANN);
    for (const login of service.access.values()) login.live = false;
    expect(await client.refresh()).toBeNull();
    expect(client.getSnapshot().user).toBeNull();
    expect(await store.get("refresh_token")).toBeNull();
    await expect(client.profile()).rejects.toMatchObject({ code: "not_logged_in" });
  });

  test("that a login overtakes changes nothing any more", async () => {
    await client.login(ANN);
    const release = held("/api/auth/refresh");
    const refreshing = client.refresh();
    await vi.waitFor(() => expect(refreshed()).toHaveLength(1));
    await client.login(BOB);
    const kept = await store.get("refresh_token");
    release();
    await refreshing;
    expect(client.getSnapshot().user?.name).toBe("bob");
    expect(await store.get("refresh_token")).toBe(kept);
    expect((await client.profile()).name).toBe("bob");
  });
});

describe("logging out", () => {
  test("ends the session at the service and here", async () => {
    await client.login(ANN);
    await client.logout();
    expect([...service.access.values()].map(({ live }) => live)).toEqual([false]);
    expect(client.getSnapshot().user).toBeNull();
    expect(await store.get("refresh_token")).toBeNull();
  });

  test("forgets the tokens even when the service cannot be told", async () => {
    await client.login(ANN);
    await service.stop();
    await expect(client.logout()).rejects.toBeInstanceOf(GatepostError);
    expect(client.getSnapshot().user).toBeNull();
    expect(await store.get("refresh_token")).toBeNull();
  });

  test("of a session that has ended is no error", async () => {
    await client.login(ANN);
    for (const login of service.access.values()) login.live = false;
    await client.logout();
    expect(client.getSnapshot().user).toBeNull();
  });
});

describe("the state", () => {
  test("is found out once somebody watches, and told at each change only", async () => {
    const states: string[] = [];
    client.subscribe(() => states.push(JSON.stringify(client.getSnapshot())));
    client.subscribe(() => {});
    await vi.waitFor(() => expect(client.getSnapshot().loading).toBe(false));
    await client.login(ANN);
    await client.reload();
    const repeated = states.filter((state, index) => state === states[index - 1]);
    expect(repeated).toHaveLength(1); // the same person, read anew, is another object
    expect(client.getSnapshot()).toMatchObject({ user: { name: "ann" }, loading: false });
  });

  test("is read once for everybody who asks at a time", async () => {
    await client.login(ANN);
    await Promise.all([client.reload(), client.reload()]);
    expect(service.seen("/api/auth/profile")).toHaveLength(1);
  });

  test("says why nobody is known, and finds it out when asked again", async () => {
    await client.login(ANN);
    const reloaded = new GatepostClient({ baseUrl: service.url, store });
    service.rule = () => refusal(503, "unavailable");
    await reloaded.reload();
    expect(reloaded.getSnapshot()).toMatchObject({
      user: null,
      loading: false,
      error: { status: 503 },
    });
    service.rule = () => undefined;
    await reloaded.reload();
    expect(reloaded.getSnapshot()).toMatchObject({ user: { name: "ann" }, error: null });
  });

  test.each(["not json", "17", '{"id": 1}'])("survives %s in its store", async (rubbish) => {
    await store.set("registration", rubbish);
    await client.reload();
    expect(client.getSnapshot()).toMatchObject({ registration: null, loading: false, error: null });
  });
});
