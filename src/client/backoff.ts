// How long to wait before the next try: full jitter. Knows nothing of what is tried.

const longestMs = 30_000;

/**
 * The pause before a lost connection is tried again, in whole milliseconds: random, below a bound of 100 ms where nothing has failed yet, and
 * 1.4 times as much for each failure, up to 30 s. "Full jitter": any moment below the bound is as likely as any other, so that
 * thousands who lost the same node do not return in waves (Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog,
 * 2015). The first try is early and not at once for the same reason.
 *
 * The growth decides how much longer than the network a client is away: a bound that doubles is twice the time that has passed, so
 * after an outage of 2 s one client in a few would wait for seconds more. With 1.4 it is four fifths of that time.
 */
export function comebackMs(failures: number, random: () => number): number {
  return Math.round(random() * Math.min(longestMs, 100 * 1.4 ** failures));
}

/** The same after an answer that asked for patience (`overloaded`, `rate-limited`, `unavailable`): below 1 s, 2 s, 4 s… up to 30 s. */
export function pauseMs(refusals: number, random: () => number): number {
  return Math.round(random() * Math.min(longestMs, 500 * 2 ** refusals));
}
