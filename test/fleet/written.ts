// What a client of a fleet writes down of one topic: small enough for hours, and enough to find what is lost, doubled or out of order.

import type { Position } from "../../src/client/client.ts";

/** Consecutive messages, none missing between the first and the last; empty where `to` is before `from`. */
export interface Run {
  readonly epoch: string;
  readonly from: number;
  to: number;
  /** Whether the client was told `reset`, to just before it. Else this is where it began, or nothing explains it. */
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

  message({ epoch, offset }: Position): void {
    const last = this.runs.at(-1);
    if (last?.epoch === epoch && offset === last.to + 1) last.to = offset;
    else this.runs.push({ epoch, from: offset, to: offset, isAfterReset: false });
  }

  reset({ epoch, offset }: Position): void {
    this.resets += 1;
    if (epoch === this.runs.at(-1)?.epoch) this.resetsInEpoch += 1;
    this.#begin({ epoch, offset }, true);
  }

  /** Also each time that it goes on from where it was. */
  subscribed(position: Position): void {
    if (this.runs.length === 0) this.#begin(position, false);
  }

  #begin({ epoch, offset }: Position, isAfterReset: boolean): void {
    this.runs.push({ epoch, from: offset + 1, to: offset, isAfterReset });
  }
}
