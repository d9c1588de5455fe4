// The newest items of a stream, within two bounds; pushes out the oldest.

import type { TopicItem } from "./topic-log.ts";

/** How much a topic keeps in memory; the history behind the bridge reaches further. */
export interface RingBounds {
  readonly items: number;
  readonly bytes: number;
}

/** Below this many dead slots at the front, compacting the array costs more than it frees. */
const compactAt = 64;

export class Ring {
  readonly #bounds: RingBounds;
  /** Slots before `#start` are empty. */
  #items: (TopicItem | undefined)[] = [];
  #start = 0;
  #bytes = 0;

  constructor(bounds: RingBounds) {
    this.#bounds = bounds;
  }

  get length(): number {
    return this.#items.length - this.#start;
  }

  /** By age: 0 is the oldest. */
  at(index: number): TopicItem {
    return this.#items[this.#start + index]!;
  }

  push(item: TopicItem): void {
    this.#items.push(item);
    this.#bytes += item.bytes;
    while (this.length > this.#bounds.items || this.#bytes > this.#bounds.bytes) {
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
