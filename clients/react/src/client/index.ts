export type { Credentials, NewUser, Reset, Tokens, User } from "./answers.js";
export type { Attempt } from "./attempt.js";
export { GatepostError } from "./error.js";
export { GatepostClient, type Options } from "./GatepostClient.js";
export type { Fetch } from "./http.js";
export type { State } from "./state.js";
export { type Kept, memoryStore, type TokenStore } from "./store.js";
export { tabStore } from "./tabStore.js";
