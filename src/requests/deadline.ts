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

/** Whether work is still not done after this time. Rejects where it fails before. */
export async function isLaterThan(deadlineMs: number, work: Promise<void>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), deadlineMs);
  });
  const isLate = await Promise.race([work.then(() => false), late]);
  clearTimeout(timer);
  return isLate;
}
