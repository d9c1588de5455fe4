// A subscriber that reads badly and knows nothing of offsets: it takes what comes and keeps the account of what it was told.

import type { Connection, Listener } from "./connection.ts";
import { opcode } from "./frames.ts";
import { decodeFrame, SequencePlace } from "./payload.ts";

/**
 * `stopped`: reads nothing for a long while, then reads on. `trickling`: takes a tenth of what is published. `stalling`: reads
 * nothing for a second out of three.
 */
export const slowKinds = ["stopped", "trickling", "stalling"] as const;
export type SlowKind = (typeof slowKinds)[number];

/** How it ended. The last two must never be seen. */
export type Outcome = "complete" | "reset" | "closed" | "unfinished" | "silent-loss";

export interface SlowReaderSettings {
  readonly kind: SlowKind;
  /** What a trickling reader takes. */
  readonly bytesPerSecond: number;
  /** When a stopped reader stops and reads on, in ms from `start`. */
  readonly stopMs: number;
  readonly resumeMs: number;
}

const stallMs = 1000;
const stallPeriodMs = 3000;

export class SlowReader implements Listener {
  readonly kind: SlowKind;
  readonly connection: Connection;
  resets = 0;
  /** Publications skipped without a `reset`, doubles, and overtaken ones. */
  silent = 0;
  skippedByReset = 0;
  closeCode: number | undefined;
  /** Called when a stopped reader is about to read on. */
  beforeResume: ((reader: SlowReader) => void) | undefined;
  readonly #settings: SlowReaderSettings;
  readonly #place: SequencePlace;
  #next = 0;
  #afterReset = false;
  #startedAt = 0;
  #paused = false;
  #finishing = false;
  #timers: NodeJS.Timeout[] = [];
  #total = Number.POSITIVE_INFINITY;
  #done: (() => void) | undefined;

  constructor(connection: Connection, settings: SlowReaderSettings) {
    this.kind = settings.kind;
    this.connection = connection;
    this.#settings = settings;
    this.#place = new SequencePlace(connection.format);
    connection.listener = this;
  }

  start(): void {
    this.#startedAt = Bun.nanoseconds();
    const { kind, stopMs, resumeMs } = this.#settings;
    if (kind === "stopped") {
      this.#after(stopMs, () => this.#pause());
      this.#after(resumeMs, () => {
        this.beforeResume?.(this);
        this.#resume();
      });
    } else if (kind === "stalling") {
      this.#stall();
    }
  }

  /** Reads as fast as it can from now on; resolves when the last of `total` publications is here, or after the grace. */
  finish(total: number, graceMs: number): Promise<void> {
    this.#finishing = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#total = total;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs);
      this.#done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#resume();
      this.#settle();
    });
  }

  get outcome(): Outcome {
    if (this.silent > 0) return "silent-loss";
    if (this.closeCode !== undefined) return "closed";
    if (this.#next !== this.#total) return "unfinished";
    return this.resets > 0 ? "reset" : "complete";
  }

  message(connection: Connection, buffer: Buffer, start: number, end: number): void {
    if (this.kind === "trickling") this.#trickle();
    const sequence = this.#place.read(buffer, start, end);
    if (sequence === -1) {
      const code = connection.format === "json" ? opcode.text : opcode.binary;
      const frame = decodeFrame(code, buffer.subarray(start, end));
      if (frame.type !== "reset") return;
      this.resets++;
      this.#afterReset = true;
      return;
    }
    if (sequence < this.#next) {
      this.silent++;
      return;
    }
    const skipped = sequence - this.#next;
    if (this.#afterReset) this.skippedByReset += skipped;
    else this.silent += skipped;
    this.#afterReset = false;
    this.#next = sequence + 1;
    this.#settle();
  }

  closed(_connection: Connection, code: number): void {
    this.closeCode = code;
    this.#settle();
  }

  #settle(): void {
    if (this.#next === this.#total || this.closeCode !== undefined) this.#done?.();
  }

  /** Reads a chunk, then nothing until the chunk's share of time is over. */
  #trickle(): void {
    if (this.#paused || this.#finishing) return;
    this.#pause();
    const dueMs = (this.connection.bytes / this.#settings.bytesPerSecond) * 1000;
    this.#after(dueMs - (Bun.nanoseconds() - this.#startedAt) / 1e6, () => this.#resume());
  }

  #stall(): void {
    this.#pause();
    this.#after(stallMs, () => {
      this.#resume();
      this.#after(stallPeriodMs - stallMs, () => this.#stall());
    });
  }

  #pause(): void {
    if (this.#paused || this.#finishing) return;
    this.#paused = true;
    this.connection.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.connection.resume();
  }

  #after(ms: number, work: () => void): void {
    this.#timers.push(setTimeout(work, Math.max(0, ms)));
  }
}
