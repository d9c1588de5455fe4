// One positioned topic's place in time: its position and the recent items that slow and returning sockets are fed from.
// Pure arithmetic; knows no engine, no bridge and no clock.

import type { Position, PositionedPublication } from "./bridge/bridge.ts";
import type { SharedFrame } from "./wire/format.ts";

/** What a subscriber of the topic is sent, in order: a publication, or the announcement that continuity ended. */
export interface TopicItem {
  readonly frame: SharedFrame;
  /** About the size of the item in memory. */
  readonly bytes: number;
  /** Absent: the item is a `reset`. */
  readonly publication?: PositionedPublication;
}

/** How much a topic keeps in memory; the history behind the bridge reaches further. */
export interface RingBounds {
  readonly items: number;
  readonly bytes: number;
}

/**
 * Where the item at a cursor is to be had. `head`: there is none yet. `ring`: in memory, with `item`. `history`: behind the
 * bridge, after `offset` of the present epoch. `lost`: nowhere; the cursor's epoch is over and its rest has left the ring.
 */
export type Located =
  | { readonly at: "head" }
  | { readonly at: "ring"; readonly item: TopicItem }
  | { readonly at: "history"; readonly offset: number }
  | { readonly at: "lost" };

const head: Located = { at: "head" };
const lost: Located = { at: "lost" };
/** Below this many dead slots at the front, compacting the array costs more than it frees. */
const compactAt = 64;

/**
 * A cursor numbers the next item a subscriber is to get. Cursors count on over a `reset`, which takes a number itself, so one
 * comparison orders everything a subscriber sees, over epochs: with the topic joined at (a, 7), offset 8 has cursor 8; a
 * reset to (b, 0) takes cursor 9, and offset 1 of b has cursor 10. Cursors mean nothing on another node: positions do.
 */
export class TopicLog {
  readonly #bounds: RingBounds;
  #position: Position;
  /** The cursor of the next item to come. */
  #next: number;
  /** cursor - offset, for items of the present epoch. */
  #shift = 0;
  /** The cursor of the last `reset`: the present epoch's items come after it. */
  #began = 0;
  /** Slots before `#start` are empty. The last item's cursor is `#next - 1`. */
  #items: (TopicItem | undefined)[] = [];
  #start = 0;
  #bytes = 0;

  constructor(position: Position, bounds: RingBounds) {
    this.#position = position;
    this.#next = position.offset + 1;
    this.#bounds = bounds;
  }

  get position(): Position {
    return this.#position;
  }

  /** The cursor of the next item to come: that of a subscriber who has seen everything. */
  get next(): number {
    return this.#next;
  }

  /** Appends the publication that follows the present position. Throws when it is another one: the bridge broke its word. */
  append(item: TopicItem, publication: PositionedPublication): void {
    if (publication.offset !== this.#position.offset + 1) {
      throw new Error(`offset ${publication.offset} cannot follow ${this.#position.offset}`);
    }
    this.#position = { epoch: this.#position.epoch, offset: publication.offset };
    this.#push(item);
  }

  /** Continues at another position; `item` announces it. */
  reset(item: TopicItem, position: Position): void {
    this.#push(item);
    this.#position = position;
    this.#began = this.#next - 1;
    this.#shift = this.#began - position.offset;
  }

  /**
   * The cursor of what follows a position; undefined when the position is of another epoch, not reached yet, or older than
   * where the present epoch began.
   */
  cursorAfter(position: Position): number | undefined {
    if (position.epoch !== this.#position.epoch || position.offset > this.#position.offset) return undefined;
    const cursor = position.offset + 1 + this.#shift;
    return cursor > this.#began ? cursor : undefined;
  }

  /** The offset of what comes before a cursor of the present epoch. */
  offsetBefore(cursor: number): number {
    return cursor - 1 - this.#shift;
  }

  locate(cursor: number): Located {
    if (cursor >= this.#next) return head;
    const oldest = this.#next - (this.#items.length - this.#start);
    if (cursor >= oldest) {
      return { at: "ring", item: this.#items[this.#start + (cursor - oldest)]! };
    }
    return cursor > this.#began ? { at: "history", offset: this.offsetBefore(cursor) } : lost;
  }

  #push(item: TopicItem): void {
    this.#items.push(item);
    this.#bytes += item.bytes;
    this.#next += 1;
    while (this.#items.length - this.#start > this.#bounds.items || this.#bytes > this.#bounds.bytes) {
      this.#bytes -= this.#items[this.#start]!.bytes;
      this.#items[this.#start] = undefined;
      this.#start += 1;
    }
    if (this.#start >= compactAt && this.#start * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
  }
}
