// Measures a window again where something else on the machine disturbed it; knows no window.

import type { Flag } from "./validity.ts";

export interface Patience {
  /** Windows at most; the last one counts, disturbed or not. */
  readonly attempts: number;
  /** Before the next one. Default: none. */
  readonly pauseMs?: number;
  /** Takes the first one as it is. */
  readonly quick: boolean;
}

export interface Undisturbed<Window> {
  readonly window: Window;
  /** Those before it. */
  readonly disturbed: readonly Window[];
}

/** `attempt`: from 1. */
export async function undisturbed<Window extends { readonly flags: readonly Flag[] }>(
  { attempts, pauseMs = 0, quick }: Patience,
  measure: (attempt: number) => Promise<Window>,
): Promise<Undisturbed<Window>> {
  const disturbed: Window[] = [];
  for (let attempt = 1; ; attempt++) {
    const window = await measure(attempt);
    const isDisturbed = window.flags.some((flag) => flag.disturbance);
    if (!isDisturbed || attempt === attempts || quick) return { window, disturbed };
    disturbed.push(window);
    if (pauseMs > 0) await Bun.sleep(pauseMs);
  }
}

/** The seed of a window's schedule: another for each round and attempt. */
export const windowSeed = (seed: number, round: number, attempt: number): number =>
  seed * 1_000_000 + round * 1000 + attempt;
