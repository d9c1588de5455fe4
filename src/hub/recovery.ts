// Where a subscription begins: after the position that the client gave, after a snapshot, or where the topic stands.

import type { Bridge, Position } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import { FanwireError } from "../errors.ts";
import type { Mode, PublicationItem, Snapshot } from "../wire/frames.ts";
import type { ActiveTopic, Subscription } from "./active-topic.ts";
import { Arrivals } from "./arrivals.ts";
import { type Feeder, historyPageSize } from "./feeder.ts";
import type { Snapshots } from "./snapshots.ts";

export interface RecoveryOptions {
  readonly bridge: Bridge;
  readonly limits: Limits;
  readonly snapshots: Snapshots;
  readonly now: () => number;
}

/** Where a subscription began, as its `ok` tells it. */
export interface Joined {
  readonly mode: Mode;
  /** Positioned modes only, like the rest. */
  readonly position?: Position;
  readonly recovered?: boolean;
  readonly publications?: readonly PublicationItem[];
  /** Where the application provides one; the publications follow it. */
  readonly snapshot?: Snapshot;
  /** The rate in effect, where one was asked for. */
  readonly maxRateHz?: number;
}

/** Sends a subscription's `ok`, in the turn in which the place is taken. */
export type Answer = (joined: Joined) => void;

/**
 * What became of the position that a subscription to a positioned topic came with. `ring`, `history`: continued, out of memory
 * or out of the bridge. `snapshot`: begun after the application's snapshot. `reset`: it could not be continued. `none`: there was
 * no position.
 */
export type RecoveryOutcome = "ring" | "history" | "snapshot" | "reset" | "none";

/** Where a subscription begins. `cursor`: where the subscriber continues; undefined where it begins anew. */
interface Place {
  readonly outcome: RecoveryOutcome;
  readonly cursor: number | undefined;
  readonly snapshot?: Snapshot;
}

export class Recovery {
  /** To be told when topics move, and once a second. */
  readonly arrivals: Arrivals;
  readonly counts: Record<RecoveryOutcome, number> = { ring: 0, history: 0, snapshot: 0, reset: 0, none: 0 };
  readonly #options: RecoveryOptions;
  readonly #feeder: Feeder;

  constructor(options: RecoveryOptions, feeder: Feeder) {
    this.#options = options;
    this.#feeder = feeder;
    this.arrivals = new Arrivals(options.now);
  }

  /** Gives a subscription its place, answers with what it is owed, and lets the rest follow. A promise where it has to wait. */
  begin(subscription: Subscription, since: Position | undefined, answer: Answer): Promise<void> | undefined {
    if (subscription.left) return undefined;
    const { log } = subscription.topic;
    const cursor = since && log?.cursorAfter(since);
    if (cursor !== undefined && log!.locate(cursor).at === "history") {
      return this.#afterHistory(subscription, since!, answer);
    }
    if (since && log && cursor === undefined && isUnknown(since, log.position)) {
      return this.#afterBridge(subscription, since, answer);
    }
    return this.#placeAt(subscription, since, cursor, answer);
  }

  #placeAt(
    subscription: Subscription,
    since: Position | undefined,
    cursor: number | undefined,
    answer: Answer,
  ): Promise<void> | undefined {
    const { log, name } = subscription.topic;
    if (cursor === undefined && log && this.#options.snapshots.has(name)) {
      return this.#afterSnapshot(subscription, answer);
    }
    const anew = since ? "reset" : "none";
    this.#place(subscription, { outcome: cursor === undefined ? anew : "ring", cursor }, answer);
    return undefined;
  }

  /** The client may know more than this node, which then hears of it soon: to begin anew would be a gap where there is none. */
  async #afterBridge(subscription: Subscription, since: Position, answer: Answer): Promise<void> {
    const { topic } = subscription;
    await this.#hear(topic, since);
    if (subscription.left) return;
    const cursor = topic.log!.cursorAfter(since);
    if (cursor !== undefined) return this.begin(subscription, since, answer);
    return this.#placeAt(subscription, since, undefined, answer);
  }

  /** Resolves once this node has reached a position, or knows that it never will. */
  async #hear(topic: ActiveTopic, since: Position): Promise<void> {
    // One answer may be one that others waited for already, and older than what the client knows.
    for (let answers = 0; answers < 2; answers++) {
      const { epoch: heard } = topic.log!.position;
      const { epoch, offset } = await topic.standing(this.#options.bridge);
      if (epoch === since.epoch && offset >= since.offset) {
        return this.arrivals.wait(topic, (now) =>
          now.epoch === epoch ? now.offset >= since.offset : now.epoch !== heard,
        );
      }
      if (epoch === topic.log!.position.epoch) continue;
      // Whoever began anew before this node hears of the new epoch would have to do so twice.
      await this.arrivals.wait(topic, (now) => now.epoch !== heard);
      answers = 0;
    }
  }

  async #afterHistory(subscription: Subscription, since: Position, answer: Answer): Promise<void> {
    const isReached = await this.#readAfter(subscription, since);
    if (subscription.left) return;
    if (isReached) {
      const cursor = subscription.topic.log!.cursorAfter(since);
      return this.#place(subscription, { outcome: "history", cursor }, answer);
    }
    // History may have an epoch that this node has yet to hear of.
    await this.#hear(subscription.topic, since);
    if (subscription.left) return;
    if (this.#options.snapshots.has(subscription.topic.name))
      return this.#afterSnapshot(subscription, answer);
    this.#place(subscription, { outcome: "reset", cursor: undefined }, answer);
  }

  async #afterSnapshot(subscription: Subscription, answer: Answer): Promise<void> {
    const { topic } = subscription;
    const snapshot = await this.#options.snapshots.take(topic.name, topic.log!.position);
    if (subscription.left) return;
    const isReached = await this.#readAfter(subscription, snapshot);
    if (subscription.left) return;
    if (!isReached) {
      throw new FanwireError(
        "call-failed",
        "The application's snapshot is of a position that cannot be continued.",
      );
    }
    const cursor = topic.log!.cursorAfter(snapshot);
    // The epoch changed while we waited: the snapshot was good, and is no longer.
    if (cursor === undefined) return this.#afterSnapshot(subscription, answer);
    this.#place(subscription, { outcome: "snapshot", cursor, snapshot }, answer);
  }

  /** Reads from history what follows a position, if it has to be read; false where something of it is gone. */
  async #readAfter(subscription: Subscription, position: Position): Promise<boolean> {
    const { topic } = subscription;
    const cursor = topic.log!.cursorAfter(position);
    if (cursor === undefined) return false;
    if (topic.log!.locate(cursor).at !== "history") return true;
    const page = await topic.read(this.#options.bridge, position.offset, historyPageSize);
    // Meanwhile the epoch may have changed.
    const now = topic.log!.cursorAfter(position);
    if (now === undefined) return false;
    if (page.epoch === position.epoch && page.firstOffset === position.offset + 1) {
      subscription.catchUp?.turnTo(page, now, topic.log!);
      return true;
    }
    return topic.log!.locate(now).at !== "history";
  }

  #place(subscription: Subscription, { outcome, cursor, snapshot }: Place, answer: Answer): void {
    const { topic, lane } = subscription;
    const { mode } = topic.namespace;
    const { log } = topic;
    if (log) {
      this.counts[outcome] += 1;
      const isNew = cursor === undefined;
      const catchUp = subscription.catchUp!;
      catchUp.cursor = cursor ?? log.start;
      if (isNew) catchUp.newSince = log.next;
      const publications = this.#feeder.takeOwed(subscription, this.#roomFor(subscription), isNew);
      answer({
        mode,
        position: { epoch: log.position.epoch, offset: log.offsetBefore(catchUp.cursor) },
        recovered: !isNew && !snapshot,
        publications,
        ...(snapshot && { snapshot }),
        ...(lane.rateHz !== undefined && { maxRateHz: lane.rateHz }),
      });
    } else {
      answer({ mode });
    }
    this.#feeder.begin(subscription);
    if (topic.namespace.presence) this.#options.bridge.enter(topic.name, subscription.subscriber.member);
  }

  /** No more than the socket has room for: many who come back to many topics at once must not end by it. */
  #roomFor(subscription: Subscription): number {
    const { socket, deliver } = subscription.subscriber;
    // An event stream has no `ok` to put it into: all of it follows, encoded once for all who return.
    if (deliver) return 0;
    const { recoveryChunkBytes, softBufferedBytes } = this.#options.limits;
    return Math.min(recoveryChunkBytes, softBufferedBytes - socket.bufferedBytes());
  }
}

/** Whether a position may be one that this node has yet to hear of. */
function isUnknown(since: Position, { epoch, offset }: Position): boolean {
  return since.epoch !== epoch || since.offset > offset;
}
