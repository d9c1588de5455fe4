// How far one subscriber is on its way to the head of a topic, while it is on its way. Most never are, or for a moment: what is
// here is not part of a subscription, so that a million idle ones do not carry it. Sends nothing.

import type { Snapshot } from "../wire/frames.ts";
import type { HistoryItems } from "./active-topic.ts";
import type { Located, TopicItem, TopicLog } from "./topic-log.ts";

/** One for all: most are on their way without a page. */
const noItems: readonly TopicItem[] = [];

export class CatchUp {
  /** The next item of the topic's log to send. */
  cursor: number;
  /** Where the topic stood when this subscriber began to know it; 0 where it came back with a position. */
  newSince = 0;
  /** Whether history or a snapshot is being waited for. */
  waiting = false;
  /** What the next `reset` has to bring, once there is room for it. */
  snapshot: Snapshot | undefined = undefined;
  /** Whether a snapshot was asked for since the last publication: not again for the same gap. */
  hasResynced = false;
  /** Items read from history: what the cursors from `#pageCursor` on stand for. */
  #page = noItems;
  #pageCursor = 0;

  constructor(cursor: number) {
    this.cursor = cursor;
  }

  /** What comes next, from the page while there is one and from the log after it. */
  locate(log: TopicLog): Located {
    if (this.cursor < log.next) {
      const item = this.#page[this.cursor - this.#pageCursor];
      if (item) return { at: "item", item, next: this.cursor + 1 };
      this.dropPage();
    }
    return log.locate(this.cursor, this.newSince);
  }

  /**
   * Takes a page of history to be fed from. Only up to where this node has heard of: what a store has in addition may yet be lost
   * with its epoch, and the `reset` would take its place.
   */
  turnTo(page: HistoryItems, cursor: number, log: TopicLog): void {
    this.#pageCursor = cursor;
    this.#page = page.items.slice(0, log.next - cursor);
  }

  dropPage(): void {
    this.#page = noItems;
  }
}
