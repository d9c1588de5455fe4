// How late this process is: the longest delay of a timer within each second, counted in buckets. Knows nothing of what delays it.
// Not `perf_hooks.monitorEventLoopDelay`: Bun has one of it per process, so that a second server, or the application around
// this one, would reset and end our measurement.

/**
 * A stall that is shorter than this may pass between two timers unseen, the more likely the shorter it is. Each timer wakes the
 * process, which costs some 0.1 ms where it slept: every 20 ms, these were nearly all that a node without traffic spent.
 */
export const beatMs = 100;

/**
 * A histogram of maxima: it survives any number of readers, and its buckets add up over nodes. Percentiles of all delays would
 * drown the one stall of a second, which every connection has noticed, among dozens of timers that were punctual.
 */
export class EventLoopDelay {
  /** Timers of a resting process are up to two milliseconds late. */
  static readonly boundsSeconds: readonly number[] = [0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];
  /** How many seconds had their longest delay in each bucket; the last one has no bound. */
  readonly counts: number[] = [...EventLoopDelay.boundsSeconds.map(() => 0), 0];
  /** Of all these longest delays. */
  sumSeconds = 0;
  /** The longest delay of the last second. */
  lastSeconds = 0;
  #dueMs = Number.POSITIVE_INFINITY;
  #longestMs = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  start(): void {
    this.#timer = setInterval(() => this.beat(performance.now()), beatMs);
    this.#timer.unref();
    this.beat(performance.now());
  }

  /** A timer fired. */
  beat(nowMs: number): void {
    this.#longestMs = Math.max(this.#longestMs, nowMs - this.#dueMs);
    this.#dueMs = nowMs + beatMs;
  }

  /** Once a second. */
  tick(): void {
    const seconds = this.#longestMs / 1000;
    this.#longestMs = 0;
    const bucket = EventLoopDelay.boundsSeconds.findIndex((bound) => seconds <= bound);
    this.counts[bucket < 0 ? this.counts.length - 1 : bucket]! += 1;
    this.sumSeconds += seconds;
    this.lastSeconds = seconds;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
