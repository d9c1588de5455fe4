// The log of a `latest` topic: the newest publication of each key, in the order of their offsets, so that whoever was away gets
// what changed meanwhile and nothing that is out of date. Pure: time is what publications carry.

import type { KeyedRule, Position, PositionedPublication } from "../bridge/bridge.ts";
import { SharedFrame } from "../wire/format.ts";
import { messageOf } from "../wire/message.ts";
import type { Located, TopicItem, TopicLog } from "./topic-log.ts";

interface Entry {
  readonly cursor: number;
  readonly item: TopicItem;
}

const head: Located = { at: "head" };
/** Below this many overtaken entries, compacting costs more than it frees. */
const compactAt = 64;

export class KeyedLog implements TopicLog {
  readonly #topic: string;
  readonly #rule: KeyedRule;
  #position: Position;
  #next = 1;
  /** cursor - offset, for items of the present epoch. */
  #shift = 0;
  /** The cursor of the last `reset`: the present epoch's items come after it. */
  #began = 0;
  /** Removals up to this cursor may have been forgotten: whoever is not past it can't be told of all of them. */
  #forgotten = 0;
  /** By cursor. An entry that was overtaken by a newer one of its key is only left out when the array is compacted. */
  #entries: Entry[] = [];
  readonly #newest = new Map<string, Entry>();
  /** Removed keys, the longest ago first. */
  readonly #removed = new Map<string, Entry>();

  /** `values` and `forgottenOffset` are as a bridge tells them in `joined`. */
  constructor(
    topic: string,
    position: Position,
    values: readonly PositionedPublication[],
    rule: KeyedRule,
    forgottenOffset = 0,
  ) {
    this.#topic = topic;
    this.#rule = rule;
    this.#position = position;
    this.#load(values, forgottenOffset);
  }

  get position(): Position {
    return this.#position;
  }

  get next(): number {
    return this.#next;
  }

  /** Whoever knows nothing gets every key that is there. */
  get start(): number {
    return this.#began + 1;
  }

  append(item: TopicItem, publication: PositionedPublication): void {
    // Values in between that were overtaken before the bridge saw them are holes, and nobody misses them.
    if (publication.offset <= this.#position.offset) {
      throw new Error(`offset ${publication.offset} cannot follow ${this.#position.offset}`);
    }
    this.#put(item, publication);
    this.#forgetRemovals(publication.timestamp - this.#rule.removalTtlMs);
    this.#position = { epoch: this.#position.epoch, offset: publication.offset };
    this.#next = publication.offset + 1 + this.#shift;
    if (this.#entries.length >= compactAt && this.#entries.length >= 2 * this.#newest.size) this.#compact();
  }

  reset(position: Position, values: readonly PositionedPublication[], forgottenOffset = 0): void {
    this.#began = this.#next;
    // Where the present epoch began is not to be seen from its values: the oldest of them may be newer than what somebody who was
    // told of the epoch elsewhere has seen.
    this.#shift = this.#began;
    this.#position = position;
    this.#load(values, forgottenOffset);
  }

  cursorAfter(position: Position): number | undefined {
    if (position.epoch !== this.#position.epoch || position.offset > this.#position.offset) return undefined;
    const cursor = position.offset + 1 + this.#shift;
    return cursor > this.#began && !this.#misses(cursor) ? cursor : undefined;
  }

  offsetBefore(cursor: number): number {
    return cursor - 1 - this.#shift;
  }

  /** The next key that changed, or the `reset` that a cursor of an old epoch, or one too old to know all removals, begins with. */
  locate(cursor: number, newSince = 0): Located {
    if (cursor <= this.#began || this.#misses(Math.max(cursor, newSince))) {
      return { at: "item", item: this.#resetItem(), next: this.#began + 1 };
    }
    for (let index = this.#firstFrom(cursor); index < this.#entries.length; index++) {
      const entry = this.#entries[index]!;
      const key = entry.item.publication!.key!;
      if (this.#newest.get(key) === entry) return { at: "item", item: entry.item, next: entry.cursor + 1 };
    }
    return head;
  }

  /** Whether somebody who was told of all removals before a cursor can no longer be told of all after it. */
  #misses(cursor: number): boolean {
    return cursor > this.#began + 1 && cursor <= this.#forgotten;
  }

  #resetItem(): TopicItem {
    const position = { epoch: this.#position.epoch, offset: this.offsetBefore(this.#began + 1) };
    return { frame: new SharedFrame({ type: "reset", topic: this.#topic, ...position }), bytes: 0 };
  }

  #load(values: readonly PositionedPublication[], forgottenOffset: number): void {
    this.#forgotten = forgottenOffset > 0 ? forgottenOffset + this.#shift : 0;
    this.#entries = [];
    this.#newest.clear();
    this.#removed.clear();
    for (const publication of values) {
      const frame = new SharedFrame(messageOf(this.#topic, publication));
      this.#put({ frame, bytes: 0, publication }, publication);
    }
    this.#next = this.#position.offset + 1 + this.#shift;
  }

  #put(item: TopicItem, publication: PositionedPublication): void {
    const key = publication.key!;
    const entry = { cursor: publication.offset + this.#shift, item };
    this.#entries.push(entry);
    this.#newest.set(key, entry);
    this.#removed.delete(key);
    if (publication.removed) this.#removed.set(key, entry);
  }

  /** Forgets removals that were published before a time, and the oldest where there are more of them than there may be keys. */
  #forgetRemovals(beforeMs: number): void {
    for (const [key, entry] of this.#removed) {
      const isRecent = entry.item.publication!.timestamp > beforeMs;
      if (isRecent && this.#removed.size <= this.#rule.maxKeys) return;
      this.#removed.delete(key);
      this.#newest.delete(key);
      this.#forgotten = Math.max(this.#forgotten, entry.cursor);
    }
  }

  #compact(): void {
    this.#entries = this.#entries.filter((entry) => this.#newest.get(entry.item.publication!.key!) === entry);
  }

  /** The index of the first entry at or after a cursor. */
  #firstFrom(cursor: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.cursor < cursor) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
