// The log of a `stream` topic: its position and the recent items that slow and returning sockets are fed from. Pure arithmetic.

import type { Position, PositionedPublication } from "./bridge/bridge.ts";
import type { Located, TopicItem, TopicLog } from "./topic-log.ts";
import { SharedFrame } from "./wire/format.ts";

/** How much a topic keeps in memory; the history behind the bridge reaches further. */
export interface RingBounds {
  readonly items: number;
  readonly bytes: number;
}

const head: Located = { at: "head" };
const lost: Located = { at: "lost" };
/** Of all that have none: most topics were never published to. */
const none: TopicItem[] = [];
Object.freeze(none);
/** Below this many dead slots at the front, compacting the array costs more than it frees. */
const compactAt = 64;

export class StreamLog implements TopicLog {
  readonly #topic: string;
  readonly #bounds: RingBounds;
  #epoch: string;
  #offset: number;
  /** The cursor of the next item to come. */
  #next: number;
  /** cursor - offset, for items of the present epoch. */
  #shift = 0;
  /** The cursor of the last `reset`: the present epoch's items come after it. */
  #began = 0;
  /** Slots before `#start` are empty. The last item's cursor is `#next - 1`. */
  #items: (TopicItem | undefined)[] = none;
  #start = 0;
  #bytes = 0;

  constructor(topic: string, position: Position, bounds: RingBounds) {
    this.#topic = topic;
    this.#epoch = position.epoch;
    this.#offset = position.offset;
    this.#next = position.offset + 1;
    this.#bounds = bounds;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  get next(): number {
    return this.#next;
  }

  get start(): number {
    return this.#next;
  }

  append(item: TopicItem, publication: PositionedPublication): void {
    if (publication.offset !== this.#offset + 1) {
      throw new Error(`offset ${publication.offset} cannot follow ${this.#offset}`);
    }
    this.#offset = publication.offset;
    this.#push(item);
  }

  reset(position: Position): void {
    const frame = new SharedFrame({ type: "reset", topic: this.#topic, ...position });
    this.#push({ frame, bytes: 0 });
    this.#epoch = position.epoch;
    this.#offset = position.offset;
    this.#began = this.#next - 1;
    this.#shift = this.#began - position.offset;
  }

  cursorAfter(position: Position): number | undefined {
    if (position.epoch !== this.#epoch || position.offset > this.#offset) return undefined;
    const cursor = position.offset + 1 + this.#shift;
    return cursor > this.#began ? cursor : undefined;
  }

  offsetBefore(cursor: number): number {
    return cursor - 1 - this.#shift;
  }

  locate(cursor: number): Located {
    if (cursor >= this.#next) return head;
    const oldest = this.#next - (this.#items.length - this.#start);
    if (cursor >= oldest) {
      return { at: "item", item: this.#items[this.#start + (cursor - oldest)]!, next: cursor + 1 };
    }
    return cursor > this.#began ? { at: "history", offset: this.offsetBefore(cursor) } : lost;
  }

  #push(item: TopicItem): void {
    if (this.#items === none) this.#items = [];
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
