// Notices that the peer has died without a word, also while the machine slept. Knows timers, and neither sockets nor frames.

import type { Clock } from "./environment.ts";

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** Silence after which the peer is asked for a sign of life. */
  readonly intervalMs: number;
  /** How long it may take to give one. */
  readonly timeoutMs: number;
  ask(): void;
  dead(): void;
}

/** A timer whose clock is so far from what it should be: the machine slept, or the page did, or somebody set the clock. */
const jumpMs = 2_000;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #heardAtMs: number;
  #askedAtMs: number | undefined;
  #dueAtMs = 0;
  #hasForgiven = false;
  #stop: () => void = () => undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.now();
    this.#lookIn(options.intervalMs);
  }

  /** The peer said something: anything. */
  heard(): void {
    this.#heardAtMs = this.#options.clock.now();
    this.#askedAtMs = undefined;
    this.#hasForgiven = false;
  }

  /** Asks now, since there is reason to doubt: the network came back, say. */
  probe(): void {
    this.#askedAtMs = this.#options.clock.now();
    this.#lookIn(this.#options.timeoutMs);
    this.#options.ask();
  }

  stop(): void {
    this.#stop();
  }

  #lookIn(delayMs: number): void {
    this.#stop();
    this.#dueAtMs = this.#options.clock.now() + delayMs;
    this.#stop = this.#options.clock.after(delayMs, () => this.#look());
  }

  #look(): void {
    const { clock, intervalMs, timeoutMs } = this.#options;
    const nowMs = clock.now();
    const hasJumped = Math.abs(nowMs - this.#dueAtMs) > jumpMs;
    if (this.#askedAtMs === undefined) {
      const silenceMs = nowMs - this.#heardAtMs;
      if (silenceMs < intervalMs && !hasJumped) return void this.#lookIn(intervalMs - silenceMs);
      return void this.probe();
    }
    // The answer may have come while we slept and be read after this turn: a jump proves nothing, once.
    if (hasJumped && !this.#hasForgiven) {
      this.#hasForgiven = true;
      return void this.probe();
    }
    const waitedMs = nowMs - this.#askedAtMs;
    if (waitedMs >= timeoutMs) return void this.#options.dead();
    this.#lookIn(Math.min(timeoutMs, timeoutMs - waitedMs));
  }
}
