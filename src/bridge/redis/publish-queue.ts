// One topic's publications on their way to Redis: those that wait, and the one batch that is under way. Pure; takes the time
// as argument.

import { FanwireError } from "../../errors.ts";
import type { Position } from "../bridge.ts";
import type { Outgoing } from "../store.ts";

/** A publication and who waits for it. */
export interface Queued extends Outgoing {
  readonly deadlineMs: number;
  readonly resolve: (position: Position) => void;
  readonly reject: (failure: FanwireError) => void;
  isSettled: boolean;
}

/** What is sent again, if it has to be, as it is: Redis knows it by its number. */
export interface Batch {
  readonly number: number;
  readonly items: readonly Queued[];
  readonly bytes: number;
  /** Whether a reply may still come. */
  isUnderway: boolean;
  /** Whether it was ever sent. */
  wasSent: boolean;
}

const maxPublications = 512;
const maxBytes = 262_144;

/** How much left the queue: what its bounds are to be told. */
export interface Left {
  readonly publications: number;
  readonly bytes: number;
}

const none: Left = { publications: 0, bytes: 0 };

export class PublishQueue {
  readonly topic: string;
  batch: Batch | undefined;
  /** Whether the outbox has it in its list already. */
  isListed = false;
  #waiting: Queued[] = [];
  /** The first that waits; those before it were taken. */
  #first = 0;

  constructor(topic: string) {
    this.topic = topic;
  }

  get hasWaiting(): boolean {
    return this.#first < this.#waiting.length;
  }

  get isEmpty(): boolean {
    return !this.batch && !this.hasWaiting;
  }

  add(queued: Queued): void {
    this.#waiting.push(queued);
  }

  /** Makes a batch of what waits, as much as fits into one. There must be something, and no batch under way. */
  nextBatch(number: number): Batch {
    const waiting = this.#waiting;
    let end = this.#first;
    let bytes = 0;
    while (end < waiting.length && end - this.#first < maxPublications) {
      const { length } = waiting[end]!.packed;
      if (end > this.#first && bytes + length > maxBytes) break;
      bytes += length;
      end += 1;
    }
    const isAll = this.#first === 0 && end === waiting.length;
    const items = isAll ? waiting : waiting.slice(this.#first, end);
    if (end === waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    } else {
      this.#first = end;
    }
    this.batch = { number, items, bytes, isUnderway: false, wasSent: false };
    return this.batch;
  }

  /** The batch is done with, whatever came of it. */
  dropBatch(): Left {
    const { batch } = this;
    this.batch = undefined;
    return batch ? { publications: batch.items.length, bytes: batch.bytes } : none;
  }

  /**
   * Tells those whose deadline has passed. A batch that nobody waits for any more is not sent again; its number is used up. What
   * was sent may have happened, or may yet: only not after what is sent later, because that comes behind a fence.
   */
  expire(nowMs: number): Left {
    const left = this.#expireWaiting(nowMs);
    const { batch } = this;
    if (!batch || batch.items[0]!.deadlineMs > nowMs) return left;
    const failure = batch.wasSent ? outcomeUnknown : neverSent;
    for (const item of batch.items) if (item.deadlineMs <= nowMs) fail(item, failure());
    if (batch.isUnderway || batch.items.at(-1)!.deadlineMs > nowMs) return left;
    const dropped = this.dropBatch();
    return { publications: left.publications + dropped.publications, bytes: left.bytes + dropped.bytes };
  }

  /** Tells everybody that it is over. */
  abandon(): Left {
    return this.expire(Number.POSITIVE_INFINITY);
  }

  #expireWaiting(nowMs: number): Left {
    const from = this.#first;
    let bytes = 0;
    while (this.hasWaiting && this.#waiting[this.#first]!.deadlineMs <= nowMs) {
      const item = this.#waiting[this.#first]!;
      fail(item, neverSent());
      bytes += item.packed.length;
      this.#first += 1;
    }
    const publications = this.#first - from;
    if (!this.hasWaiting) {
      this.#waiting = [];
      this.#first = 0;
    }
    return publications === 0 ? none : { publications, bytes };
  }
}

export function succeed(item: Queued, position: Position): void {
  if (item.isSettled) return;
  item.isSettled = true;
  item.resolve(position);
}

export function fail(item: Queued, failure: FanwireError): void {
  if (item.isSettled) return;
  item.isSettled = true;
  item.reject(failure);
}

function neverSent(): FanwireError {
  return new FanwireError("unavailable", "Redis was away: the publication was not made.");
}

function outcomeUnknown(): FanwireError {
  return new FanwireError("outcome-unknown", "Redis did not confirm the publication: it may have been made.");
}
