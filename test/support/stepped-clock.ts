// A clock that a test moves, in steps in which real connections have their turn; and that stands still otherwise.

import type { Clock } from "../../src/bridge/redis/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly work: () => void;
}

const stepMs = 500;

export class SteppedClock implements Clock {
  #nowMs: number;
  #timers: Timer[] = [];
  readonly #between: () => Promise<unknown>;

  /** `between`: what has to have settled before more time passes. */
  constructor(between: () => Promise<unknown>, startMs = Date.now()) {
    this.#nowMs = startMs;
    this.#between = between;
  }

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, work: () => void): () => void {
    const timer = { dueMs: this.#nowMs + delayMs, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  defer(work: () => void): void {
    setImmediate(work);
  }

  async wait(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.#between();
    while (this.#nowMs < untilMs) {
      this.#step(Math.min(untilMs, this.#nowMs + stepMs));
      await this.#between();
    }
  }

  #step(untilMs: number): void {
    for (;;) {
      const due = this.#timers.filter(({ dueMs }) => dueMs <= untilMs);
      if (due.length === 0) break;
      const next = due.reduce((first, other) => (other.dueMs < first.dueMs ? other : first));
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#nowMs = Math.max(this.#nowMs, next.dueMs);
      next.work();
    }
    this.#nowMs = untilMs;
  }
}
