// What a client of a fleet writes down of one topic: small enough for hours, and enough to find what is lost, doubled or out of order.

import type { Position } from "../../src/client/client.ts";

/** Consecutive messages, none missing between the first and the last. */
export interface Run {
  readonly epoch: string;
  readonly from: number;
  to: number;
  /** Whether the client was told `reset` between the run before and this one. */
  readonly isAfterReset: boolean;
}

export interface TopicNotes {
  readonly runs: readonly Run[];
  readonly resets: number;
  /** Those of them that the epoch does not explain. */
  readonly resetsInEpoch: number;
}

export class Notes implements TopicNotes {
  readonly runs: Run[] = [];
  resets = 0;
  resetsInEpoch = 0;
  #epoch: string | undefined;
  #wasReset = false;

  message({ epoch, offset }: Position): void {
    const last = this.runs.at(-1);
    if (last?.epoch === epoch && offset === last.to + 1 && !this.#wasReset) last.to = offset;
    else this.runs.push({ epoch, from: offset, to: offset, isAfterReset: this.#wasReset });
    this.#epoch = epoch;
    this.#wasReset = false;
  }

  reset({ epoch }: Position): void {
    this.resets += 1;
    if (epoch === this.#epoch) this.resetsInEpoch += 1;
    this.#epoch = epoch;
    this.#wasReset = true;
  }

  subscribed({ epoch }: Position): void {
    this.#epoch ??= epoch;
  }
}
