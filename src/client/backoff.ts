// How long to wait before the next try: full jitter. Knows nothing of what is tried.

const earlyMs = 100;
const firstMs = 500;
const longestMs = 30_000;

/**
 * A random pause in milliseconds below a bound: 100 ms where nothing has failed yet, then 1 s, 2 s, 4 s… up to 30 s. "Full
 * jitter": any moment below the bound is as likely as any other, so that thousands who lost the same node do not return in waves
 * (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The first try is early and not at once for
 * the same reason.
 */
export function pauseMs(failures: number, random: () => number): number {
  const boundMs = failures === 0 ? earlyMs : Math.min(longestMs, firstMs * 2 ** failures);
  return random() * boundMs;
}
