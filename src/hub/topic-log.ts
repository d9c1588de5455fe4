// What a positioned topic remembers of itself, whatever its mode: its position, and what a subscriber at any point of it is to
// get next. Knows no engine, no bridge and no clock.

import type { Position, PositionedPublication } from "../bridge/bridge.ts";
import type { SharedFrame } from "../wire/format.ts";

/** What a subscriber is sent: a publication, or the announcement that continuity ended. */
export interface TopicItem {
  readonly frame: SharedFrame;
  /** About the size of the item in memory. */
  readonly bytes: number;
  /** Absent: the item is a `reset`. */
  readonly publication?: PositionedPublication;
}

/**
 * What a subscriber at a cursor gets next. `head`: nothing yet. `item`: this, and then what is at `next`. `history`: what lies
 * behind the bridge after `offset` of the present epoch. `lost`: nobody has it; the cursor's epoch is over.
 */
export type Located =
  | { readonly at: "head" }
  | { readonly at: "item"; readonly item: TopicItem; readonly next: number }
  | { readonly at: "history"; readonly offset: number }
  /** `offset`: where the present epoch began. */
  | { readonly at: "lost"; readonly offset: number };

/**
 * A cursor is a subscriber's place: everything before it has been sent. Cursors count publications and `reset`s alike, on over
 * all epochs, so one comparison orders everything a subscriber sees: with the topic opened at (a, 7), offset 8 has cursor 8; a
 * reset to (b, 0) takes cursor 9, and offset 1 of b has cursor 10. Cursors mean nothing on another node: positions do.
 */
export interface TopicLog {
  readonly position: Position;
  /** The cursor of the next item to come: that of a subscriber who has seen everything. */
  readonly next: number;
  /** The cursor of a subscriber who joins without a position. */
  readonly start: number;
  /**
   * Appends the publication that follows the present position; in `latest` there may be a hole before it. Throws when it is
   * another one: the bridge broke its word.
   */
  append(item: TopicItem, publication: PositionedPublication): void;
  /**
   * Continues at another position, which an item of the log announces. `values`: of a `latest` topic, all that it has now, and
   * `forgottenOffset`: the greatest offset of a removal that is not among them.
   */
  reset(position: Position, values: readonly PositionedPublication[], forgottenOffset?: number): void;
  /**
   * The cursor of what follows a position; undefined when it cannot be continued from: it is of another epoch, not reached yet,
   * or from before what is remembered of the present epoch.
   */
  cursorAfter(position: Position): number | undefined;
  /** The offset of what comes before a cursor of the present epoch. */
  offsetBefore(cursor: number): number;
  /**
   * `newSince`: who began to know the topic when it stood at that cursor has never seen what was removed before, and need not be
   * told of it.
   */
  locate(cursor: number, newSince?: number): Located;
}
