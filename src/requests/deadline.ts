// A promise with an end: whoever does not answer in time is answered for.

import type { FanwireError } from "../errors.ts";

/** Settles as `work` does, or rejects with `late()` after `timeoutMs`. What `work` does later is ignored, a failure too. */
export function withDeadline<Value>(
  work: Promise<Value>,
  timeoutMs: number,
  late: () => FanwireError,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
