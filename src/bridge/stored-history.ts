// One `stream` topic in memory: epoch, offsets and retained publications. Pure; takes the time as argument.

import { placeAt } from "../wire/message.ts";
import type { HistoryPage, HistoryRule, Position, PositionedPublication, Publication } from "./bridge.ts";

/** For all that have none: most topics were never published to. */
const none: PositionedPublication[] = [];
Object.freeze(none);
const noSizes: number[] = [];
Object.freeze(noSizes);
/** Below this many dead slots at the front, compacting the array costs more than it frees. */
const compactAt = 64;

export class StoredHistory {
  readonly #epoch: string;
  readonly #rule: HistoryRule;
  #offset = 0;
  /** Retained publications from `#start`, in order of offset and without holes, the last one at `#offset`. */
  #publications: PositionedPublication[] = none;
  #start = 0;
  /** The memory of each of them, in the same places, and of all that are retained. */
  #sizes: number[] = noSizes;
  #bytes = 0;

  constructor(epoch: string, rule: HistoryRule) {
    this.#epoch = epoch;
    this.#rule = rule;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  get isEmpty(): boolean {
    return this.#start === this.#publications.length;
  }

  /** The memory of what is retained. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `bytes`: the memory that the publication takes. */
  append(publication: Publication, nowMs: number, bytes: number): PositionedPublication {
    this.#offset += 1;
    const positioned = placeAt(publication, this.#offset);
    if (this.#publications === none) {
      this.#publications = [];
      this.#sizes = [];
    }
    this.#publications.push(positioned);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
    this.expire(nowMs);
    return positioned;
  }

  /** Drops what is over the rule's size, memory or age. */
  expire(nowMs: number): void {
    const { size, maxBytes, ttlMs } = this.#rule;
    const all = this.#publications;
    while (this.#start < all.length) {
      const isWithin = all.length - this.#start <= size && this.#bytes <= maxBytes;
      if (isWithin && all[this.#start]!.timestamp + ttlMs > nowMs) break;
      this.#bytes -= this.#sizes[this.#start]!;
      this.#start += 1;
    }
    if (this.isEmpty) this.clear();
    else if (this.#start >= compactAt && this.#start * 2 >= all.length) {
      this.#publications = all.slice(this.#start);
      this.#sizes = this.#sizes.slice(this.#start);
      this.#start = 0;
    }
  }

  /** Drops everything but the position. */
  clear(): void {
    this.#publications = none;
    this.#sizes = noSizes;
    this.#start = 0;
    this.#bytes = 0;
  }

  page(after: number | undefined, limit: number): HistoryPage {
    const all = this.#publications;
    const oldest = this.#offset - (all.length - this.#start) + 1;
    const from = after === undefined ? this.#offset - limit + 1 : after + 1;
    const begin = this.#start + Math.max(0, from - oldest);
    return { ...this.position, publications: all.slice(begin, begin + limit) };
  }
}
