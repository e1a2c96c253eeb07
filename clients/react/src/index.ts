export * from "./client/index.js";
export type { ClerkHooks, ClerkUser } from "./react/clerk.js";
export { GatepostProvider } from "./react/GatepostProvider.js";
export { type UseBackendUser, useBackendUser } from "./react/useBackendUser.js";
export { type UseUser, useUser, type Verbs } from "./react/useUser.js";
