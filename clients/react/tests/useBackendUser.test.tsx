// @vitest-environment jsdom
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import { Fragment, StrictMode, useSyncExternalStore } from "react";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type ClerkUser,
  GatepostClient,
  GatepostProvider,
  type UseBackendUser,
  useBackendUser,
} from "../src";
import { pauses } from "./haste.js";
import { BOB, refusal, StandIn } from "./standIn.js";

let service: StandIn;
let client: GatepostClient;
let clerk: Clerk;

/** Hooks as Clerk's: another getToken at each render, a token for whoever is signed in. */
class Clerk {
  isLoaded = true;
  user: ClerkUser | null = null;
  sessionId = "sess_1";
  asked: ({ skipCache?: boolean } | undefined)[] = [];
  getToken = async (): Promise<string | null> => this.user && tokenOf(this.user.id);
  readonly #listeners = new Set<() => void>();

  change(changes: Partial<Clerk>): void {
    Object.assign(this, changes);
    for (const listener of this.#listeners) listener();
  }

  readonly #use = () =>
    useSyncExternalStore(this.#watch, () =>
      [this.isLoaded, this.user?.id, this.user?.updatedAt?.getTime(), this.sessionId].join(),
    );

  readonly #watch = (listener: () => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly useAuth = () => {
    this.#use();
    return {
      sessionId: this.user && this.sessionId,
      getToken: (options?: { skipCache?: boolean }) => {
        this.asked.push(options);
        return this.getToken();
      },
    };
  };

  readonly useUser = () => {
    this.#use();
    return { isLoaded: this.isLoaded, user: this.user };
  };
}

const tokenOf = (id: string) => `${id.replace("user_", "")}-at-clerk`;
const ANN = { id: "user_ann", updatedAt: new Date(0) };

beforeEach(async () => {
  service = await new StandIn().start();
  service.access.set(tokenOf("user_bob"), { who: BOB, live: true, newest: "" });
  link();
  client = new GatepostClient({ baseUrl: service.url });
  clerk = new Clerk();
});
afterEach(async () => {
  cleanup();
  await service.stop();
});

/** What Clerk's webhook does. */
function link(name = "ann"): void {
  service.access.set(tokenOf("user_ann"), { who: { ...BOB, name }, live: true, newest: "" });
}

function hook({ strict = true } = {}) {
  const Mode = strict ? StrictMode : Fragment;
  const seen: UseBackendUser[] = [];
  const wrapper = ({ children }: { children: React.ReactNode }) => (
    <Mode>
      <GatepostProvider client={client} clerk={clerk}>
        {children}
      </GatepostProvider>
    </Mode>
  );
  const { result, unmount, rerender } = renderHook(
    () => seen[seen.push(useBackendUser()) - 1] as UseBackendUser,
    { wrapper },
  );
  const settled = () => waitFor(() => expect(result.current.loading).toBe(false));
  return { result, unmount, rerender, settled, seen };
}

const asked = () => service.seen("/v1/me").map(({ headers }) => headers.authorization);

test("it is exactly four things", async () => {
  clerk.change({ user: ANN });
  const { result, settled } = hook();
  expect(result.current).toEqual({
    backendUser: null,
    clerkUser: ANN,
    loading: true,
    error: null,
  });
  await settled();
  expect(result.current).toMatchObject({ backendUser: { name: "ann" }, clerkUser: ANN });
  expect(new Set(asked())).toEqual(new Set(["Bearer ann-at-clerk"]));
});

test("signed out there is nobody, no error, and no request", async () => {
  const { result } = hook();
  expect(result.current).toEqual({
    backendUser: null,
    clerkUser: null,
    loading: false,
    error: null,
  });
  expect(service.requests).toEqual([]);
});

test("it waits for Clerk", async () => {
  clerk.change({ isLoaded: false });
  const { result, settled } = hook();
  expect(result.current.loading).toBe(true);
  act(() => clerk.change({ isLoaded: true, user: ANN }));
  await settled();
  expect(result.current.backendUser?.name).toBe("ann");
});

test("renders do not begin reads", async () => {
  clerk.change({ user: ANN });
  const { rerender, settled } = hook();
  await settled();
  const before = asked().length;
  for (let renders = 0; renders < 10; renders++) rerender();
  await settled();
  expect(asked()).toHaveLength(before);
});

test("another Clerk user is another backend user, and never beside the one before", async () => {
  clerk.change({ user: ANN });
  const { result, settled, seen } = hook();
  await settled();
  act(() => clerk.change({ user: { id: "user_bob" } }));
  await settled();
  expect(result.current.backendUser?.name).toBe("bob");
  for (const { backendUser, clerkUser } of seen) {
    if (backendUser) expect(clerkUser?.id).toBe(`user_${backendUser.name}`);
  }
});

test("an answer about the one before comes too late", async () => {
  let late = () => {};
  service.rule = ({ headers }) =>
    headers.authorization === "Bearer ann-at-clerk"
      ? new Promise((resolve) => (late = () => resolve(undefined)))
      : undefined;
  clerk.change({ user: ANN });
  const { result, settled } = hook();
  await waitFor(() => expect(asked()).toContain("Bearer ann-at-clerk"));
  act(() => clerk.change({ user: { id: "user_bob" } }));
  await settled();
  late();
  await act(() => new Promise((resolve) => setTimeout(resolve, 50)));
  expect(result.current.backendUser?.name).toBe("bob");
});

test.each([
  ["the Clerk user was edited", { user: { ...ANN, updatedAt: new Date(1) } }],
  ["the session is another", { sessionId: "sess_2" }],
])("it reads again when %s, and shows what it had until then", async (_when, changes) => {
  clerk.change({ user: ANN });
  const { result, settled, seen } = hook();
  await settled();
  link("ann the second");
  const renders = seen.length;
  act(() => clerk.change(changes));
  await waitFor(() => expect(result.current.backendUser?.name).toBe("ann the second"));
  const shown = seen.slice(renders).map((each) => [each.loading, each.error, !each.backendUser]);
  expect(new Set(shown.flat())).toEqual(new Set([false, null]));
});

test("a read that another one replaces is no error", async () => {
  service.rule = () => new Promise(() => {});
  clerk.change({ user: ANN });
  const { result, settled, seen } = hook();
  await waitFor(() => expect(asked().length).toBeGreaterThan(0));
  service.rule = () => undefined;
  act(() => clerk.change({ user: { ...ANN, updatedAt: new Date(1) } }));
  await settled();
  expect(result.current.backendUser?.name).toBe("ann");
  expect(seen.filter(({ error }) => error !== null)).toEqual([]);
});

test("who signs out and in again is read again", async () => {
  clerk.change({ user: ANN });
  const { result, settled } = hook();
  await settled();
  act(() => clerk.change({ user: null }));
  expect(result.current).toMatchObject({ backendUser: null, loading: false });
  act(() => clerk.change({ user: ANN }));
  expect(result.current).toMatchObject({ backendUser: null, loading: true });
  await settled();
});

test("a 401 right after the sign-up waits for the webhook, with a new token each time", async () => {
  clerk.change({ user: ANN });
  let left = 3;
  service.rule = () => (left-- > 0 ? refusal(401, "token_rejected") : undefined);
  const { result, settled } = hook();
  await settled();
  expect(result.current).toMatchObject({ backendUser: { name: "ann" }, error: null });
  expect(clerk.asked.at(-1)).toEqual({ skipCache: true });
});

test("a 401 that stays is an error after six reads in 7.75 s", async () => {
  service.rule = () => refusal(401, "token_rejected");
  clerk.change({ user: ANN });
  const { result, settled } = hook({ strict: false });
  await settled();
  expect(result.current).toMatchObject({ backendUser: null, error: { code: "token_rejected" } });
  expect(asked()).toHaveLength(6);
  expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000]);
});

test("a service that is away is asked again, when it says", async () => {
  let left = 1;
  const away = refusal(503, "unavailable", { "retry-after": "2" });
  service.rule = () => (left-- > 0 ? away : undefined);
  clerk.change({ user: ANN });
  const { result, settled } = hook({ strict: false });
  await settled();
  expect(result.current.backendUser?.name).toBe("ann");
  expect(pauses).toEqual([2_000]);
});

test("a refusal that no waiting helps is an error at once", async () => {
  service.rule = () => refusal(403, "origin_refused");
  clerk.change({ user: ANN });
  const { result, settled } = hook();
  await settled();
  expect(result.current.error).toMatchObject({ status: 403 });
  expect(clerk.asked.at(-1)).toEqual({ skipCache: false });
});

test("what Clerk fails with is the error", async () => {
  clerk.getToken = () => Promise.reject(new Error("Clerk is offline"));
  clerk.change({ user: ANN });
  const { result, settled } = hook();
  await settled();
  expect(result.current.error?.message).toBe("Clerk is offline");
});

test("a Clerk without a token has nobody signed in", async () => {
  clerk.getToken = async () => null;
  clerk.change({ user: ANN });
  const { result, settled } = hook();
  await settled();
  expect(result.current).toMatchObject({ backendUser: null, error: null });
  expect(service.requests).toEqual([]);
});

test("nothing is read for a component that is gone", async () => {
  service.rule = () => refusal(401, "token_rejected");
  clerk.change({ user: ANN });
  const { unmount } = hook();
  await waitFor(() => expect(asked().length).toBeGreaterThan(0));
  unmount();
  const before = clerk.asked.length;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(clerk.asked).toHaveLength(before);
});

test("without Clerk's hooks it says what it needs", () => {
  const wrapper = ({ children }: { children: React.ReactNode }) => (
    <GatepostProvider client={client}>{children}</GatepostProvider>
  );
  expect(() => renderHook(() => useBackendUser(), { wrapper })).toThrow("clerk={{ useAuth");
});
