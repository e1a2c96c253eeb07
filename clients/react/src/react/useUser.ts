import { useMemo, useSyncExternalStore } from "react";
import type { Credentials, NewUser, Reset } from "../client/answers.js";
import type { GatepostClient } from "../client/GatepostClient.js";
import { type State, UNKNOWN } from "../client/state.js";
import { useClient } from "./GatepostProvider.js";
import { type Action, useAction } from "./useAction.js";

/** Each resolves to whether it was done; if not, `error` tells why. A refusal never rejects. */
export interface Verbs {
  register: (user: NewUser) => Promise<boolean>;
  resend: () => Promise<boolean>;
  verify: (code: { otp: string }) => Promise<boolean>;
  login: (credentials: Credentials) => Promise<boolean>;
  logout: () => Promise<boolean>;
  recover: (account: { email: string }) => Promise<boolean>;
  reset: (reset: Reset) => Promise<boolean>;
  startOver: () => Promise<boolean>;
  reload: () => Promise<void>;
}

/**
 * Who is logged in, and the verbs, whose identities are stable. `loading` until it is known who;
 * `busy` while a verb of this component is under way; `error` is of the last one, or of loading.
 */
export interface UseUser extends State, Verbs {
  busy: boolean;
}

export function useUser(): UseUser {
  const client = useClient();
  const state = useSyncExternalStore(client.subscribe, client.getSnapshot, () => UNKNOWN);
  const { busy, refusal, run } = useAction();
  const verbs = useMemo(() => verbsOf(client, run), [client, run]);
  return { ...state, ...verbs, busy, error: refusal ?? state.error };
}

function verbsOf(client: GatepostClient, run: Action["run"]): Verbs {
  return {
    register: (person) => run(() => client.register(person)),
    resend: () => run(() => client.resend()),
    verify: (code) => run(() => client.verify(code)),
    login: (credentials) => run(() => client.login(credentials)),
    logout: () => run(() => client.logout()),
    recover: (account) => run(() => client.recover(account)),
    reset: (reset) => run(() => client.reset(reset)),
    startOver: () => run(() => client.startOver()),
    reload: () => client.reload(),
  };
}
