// @vitest-environment jsdom
import { act, cleanup, render, renderHook, waitFor } from "@testing-library/react";
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GatepostClient, GatepostProvider, memoryStore, type UseUser, useUser } from "../src";
import { refusal, StandIn } from "./standIn.js";

const ANN = { email: "ann@example.org", password: "plum kettle orbit" };
let service: StandIn;
let client: GatepostClient;

beforeEach(async () => {
  service = await new StandIn().start();
  client = new GatepostClient({ baseUrl: service.url });
});
afterEach(async () => {
  cleanup();
  await service.stop();
});

function Given({ children }: { children?: React.ReactNode }) {
  return (
    <StrictMode>
      <GatepostProvider client={client}>{children}</GatepostProvider>
    </StrictMode>
  );
}

function Name() {
  const { user, loading } = useUser();
  return <p>{loading ? "…" : user?.name}</p>;
}

/** The hook in a component, once it knows who is logged in. */
async function known() {
  const seen: UseUser[] = [];
  const hook = renderHook(() => seen[seen.push(useUser()) - 1] as UseUser, { wrapper: Given });
  await waitFor(() => expect(hook.result.current.loading).toBe(false));
  return { ...hook, seen };
}

test("a person registers, verifies, logs in and out", async () => {
  const { result } = await known();
  const does = (work: (user: UseUser) => Promise<boolean>) =>
    act(async () => expect(await work(result.current)).toBe(true));
  await does(({ register }) => register({ name: "Ann", ...ANN }));
  expect(result.current.registration?.email).toBe(ANN.email);
  await does(({ resend }) => resend());
  await does(({ verify }) => verify({ otp: "123456" }));
  expect(result.current).toMatchObject({ registration: null, user: null });
  await does(({ login }) => login(ANN));
  expect(result.current.user?.name).toBe("ann");
  await does(({ logout }) => logout());
  expect(result.current).toMatchObject({ user: null, error: null, busy: false });
});

test("a refusal is the error of the component that asked, and no rejection", async () => {
  const [asking, beside] = [await known(), await known()];
  service.rule = () => refusal(401, "wrong_credentials");
  await act(async () => expect(await asking.result.current.login(ANN)).toBe(false));
  expect(asking.result.current).toMatchObject({
    error: { code: "wrong_credentials" },
    busy: false,
  });
  expect(beside.result.current.error).toBeNull();
  service.rule = () => undefined;
  await act(async () => void (await asking.result.current.login(ANN)));
  expect(asking.result.current.error).toBeNull();
  expect(beside.result.current.user?.name).toBe("ann");
});

test("it is busy while it works", async () => {
  const { result } = await known();
  let answer = () => {};
  service.rule = () => new Promise((resolve) => (answer = () => resolve(undefined)));
  act(() => void result.current.login(ANN));
  expect(result.current.busy).toBe(true);
  await waitFor(() => expect(service.requests).toHaveLength(1));
  answer();
  await waitFor(() => expect(result.current.busy).toBe(false));
});

test("a fault that is no refusal rejects, and leaves nobody busy", async () => {
  const { result } = await known();
  const { login } = client;
  client.login = () => Promise.reject(new TypeError("a bug"));
  await act(() => expect(result.current.login(ANN)).rejects.toThrow("a bug"));
  expect(result.current).toMatchObject({ busy: false, error: null });
  client.login = login;
});

test("a session is restored by one request, however many components ask, also in StrictMode", async () => {
  const store = memoryStore();
  await new GatepostClient({ baseUrl: service.url, store }).login(ANN);
  client = new GatepostClient({ baseUrl: service.url, store });
  const { container } = render(
    [1, 2, 3].map((each) => <Name key={each} />),
    { wrapper: Given },
  );
  await waitFor(() => expect(container.textContent).toBe("annannann"));
  expect(service.requests.map(({ path }) => path)).toEqual([
    "/api/auth/login",
    "/api/auth/refresh",
  ]);
});

test("verbs keep their identities, and nothing renders without a change", async () => {
  const { result, rerender, seen } = await known();
  const before = result.current;
  rerender();
  expect(Object.values(before)).toEqual(Object.values(result.current));
  const renders = seen.length;
  await act(() => client.reload());
  expect(seen.length).toBe(renders);
});

test("a verb outlives its component, which may go because of it", async () => {
  const { result, unmount } = await known();
  const { login } = result.current;
  let answer = () => {};
  service.rule = () => new Promise((resolve) => (answer = () => resolve(undefined)));
  const done = login(ANN);
  await waitFor(() => expect(service.requests).toHaveLength(1));
  unmount();
  answer();
  expect(await done).toBe(true);
  expect(client.getSnapshot().user?.name).toBe("ann");
});

test("on a server nobody is known yet, and nothing is asked", () => {
  const html = renderToString(
    <Given>
      <Name />
    </Given>,
  );
  expect(html).toBe("<p>…</p>");
  expect(service.requests).toEqual([]);
});

test("a hook without its provider says what it needs", () => {
  expect(() => renderHook(() => useUser())).toThrow("needs a <GatepostProvider>");
});
