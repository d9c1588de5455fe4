// One `stream` topic in memory: epoch, offsets and retained publications. Pure; takes the time as argument.

import { placeAt } from "../wire/message.ts";
import type { HistoryPage, HistoryRule, Position, PositionedPublication, Publication } from "./bridge.ts";

/** Below this many dead slots at the front, compacting the array costs more than it frees. */
const compactAt = 64;

/** What a topic keeps: without holes, the last one at the topic's offset. */
class Retained {
  /** From `start` on, in order of offset. */
  publications: PositionedPublication[] = [];
  /** The memory of each of them, in the same places. */
  sizes: number[] = [];
  start = 0;
  bytes = 0;

  get count(): number {
    return this.publications.length - this.start;
  }

  push(publication: PositionedPublication, bytes: number): void {
    this.publications.push(publication);
    this.sizes.push(bytes);
    this.bytes += bytes;
  }

  dropOldest(): void {
    this.bytes -= this.sizes[this.start]!;
    this.start += 1;
  }

  compact(): void {
    if (this.start < compactAt || this.start * 2 < this.publications.length) return;
    this.publications = this.publications.slice(this.start);
    this.sizes = this.sizes.slice(this.start);
    this.start = 0;
  }
}

export class StoredHistory {
  readonly #epoch: string;
  readonly #rule: HistoryRule;
  #offset = 0;
  /** Undefined while there is nothing, as in most topics: every user has one. */
  #retained: Retained | undefined;

  constructor(epoch: string, rule: HistoryRule) {
    this.#epoch = epoch;
    this.#rule = rule;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  get isEmpty(): boolean {
    return this.#retained === undefined;
  }

  /** The memory of what is retained. */
  get bytes(): number {
    return this.#retained?.bytes ?? 0;
  }

  /** `bytes`: the memory that the publication takes. */
  append(publication: Publication, nowMs: number, bytes: number): PositionedPublication {
    this.#offset += 1;
    const positioned = placeAt(publication, this.#offset);
    this.#retained ??= new Retained();
    this.#retained.push(positioned, bytes);
    this.expire(nowMs);
    return positioned;
  }

  /** Drops what is over the rule's size, memory or age. */
  expire(nowMs: number): void {
    const { size, maxBytes, ttlMs } = this.#rule;
    const kept = this.#retained;
    if (!kept) return;
    while (kept.count > 0) {
      const isWithin = kept.count <= size && kept.bytes <= maxBytes;
      if (isWithin && kept.publications[kept.start]!.timestamp + ttlMs > nowMs) break;
      kept.dropOldest();
    }
    if (kept.count === 0) this.clear();
    else kept.compact();
  }

  /** Drops everything but the position. */
  clear(): void {
    this.#retained = undefined;
  }

  page(after: number | undefined, limit: number): HistoryPage {
    const { publications, start, count } = this.#retained ?? nothing;
    const oldest = this.#offset - count + 1;
    const from = after === undefined ? this.#offset - limit + 1 : after + 1;
    const begin = start + Math.max(0, from - oldest);
    return { ...this.position, publications: publications.slice(begin, begin + limit) };
  }
}

const nothing = new Retained();
