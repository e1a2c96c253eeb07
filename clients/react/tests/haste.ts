import { beforeEach, vi } from "vitest";

/** The pauses that were taken, in milliseconds; tests take a hundredth of each. */
export const pauses: number[] = [];

vi.mock("../src/client/pause.js", async (original) => {
  const { pause } = await original<typeof import("../src/client/pause.js")>();
  return {
    pause: (milliseconds: number, signal?: AbortSignal) => {
      pauses.push(milliseconds);
      return pause(milliseconds / 100, signal);
    },
  };
});

beforeEach(() => void pauses.splice(0));
