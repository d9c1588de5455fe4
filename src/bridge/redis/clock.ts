// Time and chance as the Redis bridge is given them, so that a simulation can run it in a time of its own; keeps no time itself.

export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Calls `work` once, after a time. Answers how to call it off. */
  after(delayMs: number, work: () => void): () => void;
  /** Calls `work` at the end of this turn: what the turn still brings comes before it. */
  defer(work: () => void): void;
}

/** The process's own. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: Date.now,
  after(delayMs, work) {
    const timer = setTimeout(work, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
  defer(work) {
    setImmediate(work);
  },
};

/** A call of `work` at the end of the turn, however often it is asked for until then. */
export function onceATurn(clock: Clock, work: () => void): () => void {
  let isDeferred = false;
  return () => {
    if (isDeferred) return;
    isDeferred = true;
    clock.defer(() => {
      isDeferred = false;
      work();
    });
  };
}

/** Calls `work` again and again, the next time `everyMs` after the last one has ended. Answers how to end that. */
export function repeat(clock: Clock, everyMs: number, work: () => void): () => void {
  let isOver = false;
  let cancel = clock.after(everyMs, again);
  function again(): void {
    work();
    if (!isOver) cancel = clock.after(everyMs, again);
  }
  return () => {
    isOver = true;
    cancel();
  };
}
