import { holdForThisPage, locksOfBrowser } from "./locks.js";
import { type Kept, memoryStore, type TokenStore } from "./store.js";

const KEPT: readonly Kept[] = ["refresh_token", "registration", "recovery"];
// Once for each name and page: a second store of the same page is no duplicate of the first.
const owners = new Map<string, Promise<boolean>>();

/**
 * Keeps the session in sessionStorage: it survives a reload and ends with the tab. A duplicated tab
 * starts logged out. Where a browser forbids storage, this is a memoryStore.
 */
export function tabStore(name = "gatepost"): TokenStore {
  const storage = storageOfTab();
  if (storage === null) return memoryStore();
  return {
    get: async (what) => {
      await ownedBy(name, storage);
      return storage.getItem(`${name}.${what}`);
    },
    set: async (what, value) => {
      await ownedBy(name, storage);
      if (value === null) storage.removeItem(`${name}.${what}`);
      else storage.setItem(`${name}.${what}`, value);
    },
  };
}

function storageOfTab(): Storage | null {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null; // a SecurityError, where the person blocks all storage
  }
}

function ownedBy(name: string, storage: Storage): Promise<boolean> {
  const owner = owners.get(name) ?? own(name, storage);
  owners.set(name, owner);
  return owner;
}

/**
 * Browsers give a duplicated tab a copy of sessionStorage. Two tabs that spend one refresh token
 * look like a thief to the service, and both would be logged out: so a copy is emptied.
 */
async function own(name: string, storage: Storage): Promise<boolean> {
  // Frames share the storage of their tab: what looks like a copy there is the original.
  if (globalThis.top !== globalThis.self || locksOfBrowser() === null) return true;
  const tab = storage.getItem(`${name}.tab`) ?? newTab(name, storage);
  if (await holdForThisPage(`${name}.tab.${tab}`)) return true;
  for (const what of KEPT) storage.removeItem(`${name}.${what}`);
  return holdForThisPage(`${name}.tab.${newTab(name, storage)}`);
}

function newTab(name: string, storage: Storage): string {
  const tab = crypto.randomUUID();
  storage.setItem(`${name}.tab`, tab);
  return tab;
}
