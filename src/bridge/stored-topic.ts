// One topic's history in memory: epoch, offsets, retained publications and idempotency keys. Pure; takes the time as argument.

import type { HistoryPage, HistoryRule, Position, PositionedPublication, Publication } from "./bridge.ts";

interface Accepted {
  readonly position: Position;
  readonly untilMs: number;
}

/** Below this many dead slots at the front, compacting the array costs more than it frees. */
const compactAt = 64;

export class StoredTopic {
  usedAtMs = 0;
  readonly #epoch: string;
  #offset = 0;
  /** Retained publications from `#start`, in order of offset and without holes, the last one at `#offset`. */
  #publications: PositionedPublication[] = [];
  #start = 0;
  #accepted: Map<string, Accepted> | undefined;

  constructor(epoch: string) {
    this.#epoch = epoch;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  get isEmpty(): boolean {
    return this.#start === this.#publications.length;
  }

  append(publication: Publication, rule: HistoryRule, nowMs: number): PositionedPublication {
    this.#offset += 1;
    const positioned = { ...publication, offset: this.#offset };
    this.#publications.push(positioned);
    this.expire(rule, nowMs);
    return positioned;
  }

  /** Drops what is over the rule's size or age. */
  expire(rule: HistoryRule, nowMs: number): void {
    const all = this.#publications;
    this.#start = Math.max(this.#start, all.length - rule.size);
    while (this.#start < all.length && all[this.#start]!.timestamp + rule.ttlMs <= nowMs) this.#start += 1;
    if (this.isEmpty || (this.#start >= compactAt && this.#start * 2 >= all.length)) {
      this.#publications = all.slice(this.#start);
      this.#start = 0;
    }
    this.#expireKeys(nowMs);
  }

  page(after: number | undefined, limit: number): HistoryPage {
    const all = this.#publications;
    const oldest = this.#offset - (all.length - this.#start) + 1;
    const from = after === undefined ? this.#offset - limit + 1 : after + 1;
    const begin = this.#start + Math.max(0, from - oldest);
    return { ...this.position, publications: all.slice(begin, begin + limit) };
  }

  acceptedUnder(key: string, nowMs: number): Position | undefined {
    const accepted = this.#accepted?.get(key);
    return accepted && accepted.untilMs > nowMs ? accepted.position : undefined;
  }

  /** Remembers a key. Above `maxKeys` the oldest is forgotten before its time. */
  remember(key: string, position: Position, untilMs: number, maxKeys: number): void {
    this.#accepted ??= new Map();
    this.#accepted.delete(key);
    this.#accepted.set(key, { position, untilMs });
    if (this.#accepted.size > maxKeys) this.#accepted.delete(this.#accepted.keys().next().value!);
  }

  /** Keys are kept in the order of their expiry, so only expired ones are looked at. */
  #expireKeys(nowMs: number): void {
    if (!this.#accepted) return;
    for (const [key, accepted] of this.#accepted) {
      if (accepted.untilMs > nowMs) return;
      this.#accepted.delete(key);
    }
  }
}
