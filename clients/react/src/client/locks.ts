import { unanswered } from "./error.js";

// Long enough for a page that is reloaded to let go of what it held.
const RELEASE_MS = 1_000;
// Longer than a refresh with all its retries: see session.ts.
const TURN_MS = 15_000;

/** Run `work` while no other tab of this origin runs work of the same name. */
export async function oneTabAtATime<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = locksOfBrowser();
  if (locks === null) return work();
  const turn = AbortSignal.timeout(TURN_MS);
  return locks.request(name, { signal: turn }, work).catch((cause: unknown) => {
    throw cause === turn.reason ? unanswered(true, cause) : cause;
  });
}

/** Whether this page got the lock; it keeps it until it goes. True where there are no locks. */
export async function holdForThisPage(name: string): Promise<boolean> {
  const locks = locksOfBrowser();
  if (locks === null) return true;
  return new Promise((resolve) => {
    const held = () => {
      resolve(true);
      return untilHidden(name);
    };
    const options = { signal: AbortSignal.timeout(RELEASE_MS) };
    locks.request(name, options, held).catch(() => resolve(false));
  });
}

/** A page in the back/forward cache holds nothing, or the browser would not keep it there. */
function untilHidden(name: string): Promise<void> {
  const again = (event: PageTransitionEvent) => {
    if (event.persisted) void holdForThisPage(name);
  };
  return new Promise((resolve) => {
    const hidden = () => {
      addEventListener("pageshow", again, { once: true });
      resolve();
    };
    addEventListener("pagehide", hidden, { once: true });
  });
}

/** Null outside of secure contexts, and in old browsers. */
export function locksOfBrowser(): LockManager | null {
  return globalThis.navigator?.locks ?? null;
}
