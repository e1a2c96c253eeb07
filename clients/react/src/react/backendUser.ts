import type { User } from "../client/answers.js";
import { hasStatus, mayPass } from "../client/error.js";
import type { GatepostClient } from "../client/GatepostClient.js";
import { pause } from "../client/pause.js";

// Together 7.75 s: Clerk sends a webhook at once, and again 5 s later if it did not get through.
export const WAITS_MS = [250, 500, 1_000, 2_000, 4_000];

type GetToken = (options?: { skipCache?: boolean }) => Promise<string | null>;

/**
 * Who the owner of a Clerk session token is here, null without a token. A 401 right after a sign-up
 * means that Clerk's webhook has not arrived yet, so it counts only after the last of `WAITS_MS`.
 */
export async function backendUserOf(
  client: GatepostClient,
  getToken: GetToken,
  signal: AbortSignal,
): Promise<User | null> {
  for (let tries = 0; ; tries++) {
    try {
      // From the second try on a new token: the refused one may just have expired.
      const token = await getToken({ skipCache: tries > 0 });
      return token === null ? null : await client.backendUser(token, { signal });
    } catch (error) {
      const wait = WAITS_MS[tries];
      const passing = hasStatus(error, 401) || mayPass(error);
      if (wait === undefined || !passing) throw error;
      await pause(Math.max(wait, (error.retryAfter ?? 0) * 1_000), signal);
    }
  }
}
