import { useCallback, useState } from "react";
import { GatepostError } from "../client/error.js";

interface Doings {
  underWay: number;
  refusal: GatepostError | null;
}

export interface Action {
  busy: boolean;
  refusal: GatepostError | null;
  /** Resolves to whether `work` was done; what refused it becomes `refusal`, until the next work. */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
}

/**
 * Work that a component has begun. It goes on when the component is gone: to abort a request undoes
 * nothing of what the service does for it, and loses the answer.
 */
export function useAction(): Action {
  const [{ underWay, refusal }, change] = useState<Doings>({ underWay: 0, refusal: null });
  const run = useCallback(async (work: () => Promise<unknown>) => {
    change((now) => ({ underWay: now.underWay + 1, refusal: null }));
    let refused: GatepostError | null = null;
    try {
      await work();
    } catch (error) {
      if (!(error instanceof GatepostError)) throw error;
      refused = error;
    } finally {
      change((now) => ({ underWay: now.underWay - 1, refusal: refused ?? now.refusal }));
    }
    return refused === null;
  }, []);
  return { busy: underWay > 0, refusal, run };
}
