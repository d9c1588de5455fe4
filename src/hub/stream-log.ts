// The log of a `stream` topic: its position and the recent items that slow and returning sockets are fed from. Pure arithmetic.

import type { Position, PositionedPublication } from "../bridge/bridge.ts";
import { SharedFrame } from "../wire/format.ts";
import { Ring, type RingBounds } from "./ring.ts";
import type { Located, TopicItem, TopicLog } from "./topic-log.ts";

const head: Located = { at: "head" };

export class StreamLog implements TopicLog {
  readonly #topic: string;
  readonly #bounds: RingBounds;
  #epoch: string;
  #offset: number;
  /** cursor - offset, for items of the present epoch. */
  #shift = 0;
  /** The cursor of the last `reset`: the present epoch's items come after it. */
  #began = 0;
  /** There from the first item on, because most topics never see one. The last item's cursor is `next - 1`. */
  #ring: Ring | undefined;

  constructor(topic: string, position: Position, bounds: RingBounds) {
    this.#topic = topic;
    this.#epoch = position.epoch;
    this.#offset = position.offset;
    this.#bounds = bounds;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  get next(): number {
    return this.#offset + 1 + this.#shift;
  }

  get start(): number {
    return this.next;
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
    this.#began = this.next;
    this.#epoch = position.epoch;
    this.#offset = position.offset;
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
    if (cursor >= this.next) return head;
    const oldest = this.next - (this.#ring?.length ?? 0);
    if (cursor >= oldest) return { at: "item", item: this.#ring!.at(cursor - oldest), next: cursor + 1 };
    return cursor > this.#began ? { at: "history", offset: this.offsetBefore(cursor) } : this.#lost();
  }

  #lost(): Located {
    return { at: "lost", offset: this.#began - this.#shift };
  }

  #push(item: TopicItem): void {
    this.#ring ??= new Ring(this.#bounds);
    this.#ring.push(item);
  }
}
