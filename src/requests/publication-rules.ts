// Which fields of a publication belong to which mode, and what of them is kept.

import type { NamespaceOptions } from "../config/options.ts";
import { FanwireError } from "../errors.ts";
import type { Mode } from "../wire/frames.ts";

interface Fields {
  readonly key?: string | undefined;
  readonly removed?: boolean | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly echo?: boolean | undefined;
}

/** Throws FanwireError `mode-mismatch` where a field does not belong to the topic's mode, `bad-data` where one is missing. */
export function checkPublication({ key, removed, idempotencyKey, echo }: Fields, mode: Mode): void {
  if (mode === "latest" && key === undefined) {
    throw new FanwireError("bad-data", "`key` is missing: the topic keeps the latest value of each key.");
  }
  if (mode !== "latest" && key !== undefined) throw mismatch("`key` is for topics of mode latest.");
  if (mode !== "latest" && removed) throw mismatch("`removed` is for topics of mode latest.");
  if (mode === "volatile" && idempotencyKey !== undefined) {
    throw mismatch("`idempotencyKey` is for topics that keep something.");
  }
  if (mode !== "volatile" && echo === false) {
    throw mismatch("`echo: false` is for volatile topics: others reach everybody.");
  }
}

function mismatch(why: string): FanwireError {
  return new FanwireError("mode-mismatch", why);
}

/**
 * Throws FanwireError `too-large` for a publication that is longer than its namespace has it. `most`: a bound that is known
 * already; `bytes` is asked only where that does not settle it.
 */
export function checkSize({ maxPublishBytes }: NamespaceOptions, most: number, bytes?: () => number): void {
  if (most <= maxPublishBytes || (bytes && bytes() <= maxPublishBytes)) return;
  throw new FanwireError("too-large", `A publish here has at most ${maxPublishBytes} bytes.`);
}

/** How an idempotency key is told apart from other users' of the same name. Those of servers belong to the empty user id. */
export function scopedKey(userId: string, key: string | undefined): string | undefined {
  return key === undefined ? undefined : `${userId}\n${key}`;
}
