// Sockets behind the head of their topics, slow ones and returning ones alike: finds them, feeds them, brings them back.
// The engine drops silently above its byte limit, so nothing here lets a socket come near it. Knows no session and no frame
// but `reset`.

import type { Bridge } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import { SharedFrame } from "../wire/format.ts";
import type { PublicationItem, Snapshot } from "../wire/frames.ts";
import {
  type ActiveTopic,
  type HistoryItems,
  type Subscriber,
  type Subscription,
  sendTo,
} from "./active-topic.ts";
import { CatchUp } from "./catch-up.ts";
import type { DeliveryCountsByMode } from "./delivery-counts.ts";
import type { Lane } from "./lane.ts";
import type { Snapshots } from "./snapshots.ts";

/**
 * Most that is fed, to one subscriber or to several, before what has come in meanwhile has its turn: publications for those who
 * are fast, for one.
 */
const turnBytes = 65_536;
/** Publications asked of the bridge at once. */
export const historyPageSize = 256;

export interface FeederOptions {
  readonly bridge: Bridge;
  readonly limits: Limits;
  readonly snapshots: Snapshots;
  readonly now: () => number;
  /** Runs work in a later turn, after what is already waiting there. */
  readonly defer: (work: () => void) => void;
}

export interface Lanes {
  /** Added to by what is sent here. */
  readonly counts: DeliveryCountsByMode;
  /** Publishes now what a lane still has to publish. */
  serve(lane: Lane): void;
}

/** Why a connection is fed. `reset`: each of a topic's subscribers is sent a snapshot of its own. */
export type ResyncCause = "recovery" | "slow" | "reset";

/** `left`: the connection ended, or left the topics it was behind in. */
export type ResyncOutcome = "caught-up" | "left";

export class Feeder {
  /** Connections that fell behind. One that is behind already does not do so again. */
  readonly resyncsBegun: Record<ResyncCause, number> = { recovery: 0, slow: 0, reset: 0 };
  readonly resyncsEnded: Record<ResyncOutcome, number> = { "caught-up": 0, left: 0 };
  /** Announcements to one connection that what it is owed is gone from history. */
  resets = 0;
  readonly #bridge: Bridge;
  readonly #limits: Limits;
  readonly #snapshots: Snapshots;
  readonly #now: () => number;
  readonly #defer: (work: () => void) => void;
  readonly #lanes: Lanes;
  /** A slow socket is fed while it has less than this waiting, so that it is far from slow when it comes back. */
  readonly #feedBelowBytes: number;
  readonly #behind = new Set<Subscriber>();
  readonly #runnable = new Set<Subscriber>();
  /** Of snapshots that somebody was told of. */
  readonly #resets = new WeakMap<Snapshot, SharedFrame>();
  #running = false;
  #published: ActiveTopic[] = [];
  #publishedBytes = 0;
  #sweep = 1;

  constructor({ bridge, limits, snapshots, now, defer }: FeederOptions, lanes: Lanes) {
    this.#bridge = bridge;
    this.#limits = limits;
    this.#snapshots = snapshots;
    this.#now = now;
    this.#defer = defer;
    this.#lanes = lanes;
    this.#feedBelowBytes = limits.softBufferedBytes / 2;
  }

  /** How many connections are behind. */
  get behindCount(): number {
    return this.#behind.size;
  }

  /**
   * Told of each native publication. Looking at a socket's buffer costs a hundredth of sending to it, and is done once per
   * `sweepBytes` published to whatever topics: so no socket can receive more than that unseen, and small publications to
   * large topics pay next to nothing.
   */
  published(topic: ActiveTopic, bytes: number): void {
    if (topic.sweep !== this.#sweep) {
      topic.sweep = this.#sweep;
      this.#published.push(topic);
    }
    this.#publishedBytes += bytes;
    if (this.#publishedBytes >= this.#limits.sweepBytes) this.#findSlow();
  }

  /**
   * Takes what a joining subscription is owed, as much as fits into its `ok`, and moves its cursor behind it. The caller
   * has to send it and then call `begin`, all in one turn. `isNew`: the subscriber knows nothing yet, so no removals either.
   */
  takeOwed(subscription: Subscription, maxBytes: number, isNew: boolean): PublicationItem[] {
    const { topic } = subscription;
    const catchUp = subscription.catchUp!;
    const owed: PublicationItem[] = [];
    let bytes = 0;
    for (;;) {
      const located = catchUp.locate(topic.log!);
      if (located.at !== "item" || !located.item.publication) return owed;
      if (!(isNew && located.item.publication.removed)) {
        const itemBytes = located.item.frame.bytes(subscription.subscriber.format);
        bytes += itemBytes;
        if (bytes > maxBytes) return owed;
        owed.push(located.item.publication);
        this.#countFed(subscription, itemBytes);
      }
      catchUp.cursor = located.next;
    }
  }

  /** Lets a subscription be served by its lane, now or when it has caught up. */
  begin(subscription: Subscription): void {
    const { subscriber, topic } = subscription;
    if (!topic.log || subscription.catchUp!.locate(topic.log).at === "head") {
      this.#goLive(subscription);
    } else {
      this.#fallBehind(subscription, "recovery");
      this.#schedule(subscriber);
    }
  }

  /** Ends a subscription, wherever it stands. */
  end(subscription: Subscription): void {
    if (subscription.live) subscription.lane.leave(subscription.subscriber);
    else this.#endResync(subscription, "left");
    subscription.left = true;
    subscription.catchUp = undefined;
  }

  /** Takes everybody off a topic's lanes: what comes next has to be sent to each by itself. */
  takeOver(topic: ActiveTopic): void {
    for (const subscription of topic.members) {
      this.#takeOff(subscription, "reset");
      this.#schedule(subscription.subscriber);
    }
  }

  /** Told when a socket's buffer shrank. */
  drained(subscriber: Subscriber): void {
    // Never from inside the drain callback: Bun may not call it again after a large send in it (oven-sh/bun#38177).
    if (subscriber.behind) this.#schedule(subscriber);
  }

  /** Once a second: closes whoever has been behind for too long, and tries the others again, after a failed read for one. */
  tick(): void {
    this.#findSlow();
    const oldest = this.#now() - this.#limits.slowConsumerTimeoutMs;
    for (const subscriber of this.#behind) {
      if (subscriber.behindSinceMs <= oldest) subscriber.close("slow-consumer");
      else this.#schedule(subscriber);
    }
  }

  #findSlow(): void {
    const topics = this.#published;
    this.#published = [];
    this.#publishedBytes = 0;
    this.#sweep += 1;
    for (const topic of topics) {
      for (const member of topic.members) {
        const { subscriber } = member;
        if (member.live && subscriber.socket.bufferedBytes() > this.#limits.softBufferedBytes) {
          for (const subscription of subscriber.subscriptions) this.#takeOff(subscription, "slow");
        }
      }
    }
  }

  /** Takes a subscription off its lane. All that its lane has published is on its way to it: that is its place. */
  #takeOff(subscription: Subscription, cause: ResyncCause): void {
    if (!subscription.live) return;
    subscription.lane.leave(subscription.subscriber);
    subscription.catchUp = new CatchUp(subscription.lane.cursor);
    this.#fallBehind(subscription, cause);
  }

  #goLive(subscription: Subscription): void {
    const { lane, subscriber, topic } = subscription;
    // What the lane still holds back has been sent to this subscriber. Of a `latest` topic it may see it again.
    if (topic.namespace.mode === "stream") this.#lanes.serve(lane);
    subscription.catchUp = undefined;
    lane.enter(subscriber);
  }

  #fallBehind(subscription: Subscription, cause: ResyncCause): void {
    const { subscriber } = subscription;
    if (!subscriber.behind) {
      this.resyncsBegun[cause] += 1;
      subscriber.behind = new Set();
      subscriber.behindSinceMs = this.#now();
      this.#behind.add(subscriber);
    }
    subscriber.behind.add(subscription);
    subscription.lane.behind += 1;
  }

  #endResync(subscription: Subscription, outcome: ResyncOutcome): void {
    const { subscriber } = subscription;
    if (!subscriber.behind?.delete(subscription)) return;
    subscription.lane.behind -= 1;
    if (subscriber.behind.size > 0) return;
    this.resyncsEnded[outcome] += 1;
    subscriber.behind = undefined;
    this.#behind.delete(subscriber);
  }

  #schedule(subscriber: Subscriber): void {
    this.#runnable.add(subscriber);
    this.#runLater();
  }

  #runLater(): void {
    if (this.#running) return;
    this.#running = true;
    this.#defer(() => this.#run());
  }

  #run(): void {
    this.#running = false;
    let left = turnBytes;
    for (const subscriber of this.#runnable) {
      this.#runnable.delete(subscriber);
      left -= this.#feed(subscriber, left);
      if (left <= 0) break;
    }
    if (this.#runnable.size > 0) this.#runLater();
  }

  /** Answers how much it fed. A subscriber goes to the end of the line where there is more to send and room for it. */
  #feed(subscriber: Subscriber, most: number): number {
    const { socket } = subscriber;
    if (!subscriber.behind || socket.bufferedBytes() > this.#feedBelowBytes) return 0;
    let budget = most;
    socket.cork(() => {
      for (const subscription of [...(subscriber.behind ?? [])]) {
        if (budget <= 0) return;
        budget = this.#feedOne(subscription, budget);
        // Whoever had a turn goes to the end of the line.
        if (subscriber.behind?.delete(subscription)) subscriber.behind.add(subscription);
      }
    });
    if (budget <= 0 && socket.bufferedBytes() <= this.#feedBelowBytes) this.#runnable.add(subscriber);
    return most - budget;
  }

  /** Sends what comes next in one topic and answers what is left of the budget; 0 as well when the socket is full. */
  #feedOne(subscription: Subscription, budget: number): number {
    const { subscriber, topic } = subscription;
    const catchUp = subscription.catchUp!;
    let left = budget;
    this.#resetWithSnapshot(subscription, catchUp);
    while (left > 0 && subscriber.socket.bufferedBytes() <= this.#feedBelowBytes) {
      const located = topic.log ? catchUp.locate(topic.log) : { at: "head" as const };
      if (located.at === "head") {
        this.#endResync(subscription, "caught-up");
        this.#goLive(subscription);
        return left;
      }
      if (located.at !== "item") {
        const after = located.offset;
        const wanted = located.at === "history" ? after + 1 : undefined;
        void this.#wait(catchUp, () => this.#read(subscription, catchUp, after, wanted));
        return left;
      }
      if (!located.item.publication && this.#wantsSnapshot(topic, catchUp)) {
        void this.#wait(catchUp, () => this.#resync(subscription, catchUp));
        return left;
      }
      const { frame, publication } = located.item;
      if (publication?.removed && catchUp.cursor < catchUp.newSince) {
        // The key was gone before the subscriber began to know the topic.
        catchUp.cursor = located.next;
        continue;
      }
      if (sendTo(subscriber, frame) === "dropped") return 0;
      const bytes = frame.bytes(subscriber.format);
      this.#countFed(subscription, bytes);
      catchUp.cursor = located.next;
      if (publication) catchUp.hasResynced = false;
      else catchUp.newSince = topic.log!.next;
      left -= bytes;
    }
    return subscriber.socket.bufferedBytes() > this.#feedBelowBytes ? 0 : left;
  }

  async #read(
    subscription: Subscription,
    catchUp: CatchUp,
    after: number,
    wanted: number | undefined,
  ): Promise<void> {
    const { topic } = subscription;
    const { epoch } = topic.log!.position;
    const page = await topic.read(this.#bridge, after, historyPageSize);
    if (subscription.catchUp !== catchUp) return;
    // What was asked for was of an epoch that is over: its offsets mean something else in the next one.
    if (topic.log!.position.epoch !== epoch) return this.#schedule(subscription.subscriber);
    if (page.firstOffset !== wanted && this.#wantsSnapshot(topic, catchUp)) {
      return this.#resync(subscription, catchUp);
    }
    this.#turnTo(subscription, catchUp, page, wanted);
  }

  /** Continues with a page of history. `wanted`: the offset it has to begin with, or continuity has ended. */
  #turnTo(
    { subscriber, topic }: Subscription,
    catchUp: CatchUp,
    page: HistoryItems,
    wanted: number | undefined,
  ): void {
    const log = topic.log!;
    const before = { epoch: page.epoch, offset: page.firstOffset - 1 };
    const cursor = log.cursorAfter(before);
    // The epoch changed meanwhile, or the page is ahead of what this node has heard: the next tick looks again.
    if (cursor === undefined) return;
    if (page.firstOffset !== wanted) {
      this.resets += 1;
      sendTo(subscriber, new SharedFrame({ type: "reset", topic: topic.name, ...before }));
    }
    catchUp.cursor = cursor;
    catchUp.turnTo(page, cursor, log);
    this.#schedule(subscriber);
  }

  #wantsSnapshot(topic: ActiveTopic, catchUp: CatchUp): boolean {
    return !catchUp.hasResynced && this.#snapshots.has(topic.name);
  }

  /** Ends continuity with a snapshot, if the application has one that can be continued; else the plain `reset` follows. */
  async #resync(subscription: Subscription, catchUp: CatchUp): Promise<void> {
    const { subscriber, topic } = subscription;
    const log = topic.log!;
    catchUp.hasResynced = true;
    // What went wrong has been logged, and a client can live with a reset that has no snapshot.
    const snapshot = await this.#snapshots.take(topic.name, log.position).catch(() => undefined);
    if (subscription.catchUp !== catchUp) return;
    catchUp.snapshot = snapshot;
    this.#schedule(subscriber);
  }

  /** Sends the `reset` that a snapshot was asked for, if the topic can still be continued after it. There is room for it. */
  #resetWithSnapshot({ subscriber, topic }: Subscription, catchUp: CatchUp): void {
    const { snapshot } = catchUp;
    if (!snapshot) return;
    catchUp.snapshot = undefined;
    const cursor = topic.log!.cursorAfter(snapshot);
    if (cursor === undefined) return;
    this.resets += 1;
    sendTo(subscriber, this.#resetTo(topic.name, snapshot));
    catchUp.cursor = cursor;
    catchUp.dropPage();
  }

  #countFed({ topic, subscriber }: Subscription, bytes: number): void {
    const counts = this.#lanes.counts[topic.namespace.mode];
    counts.fed[subscriber.format.index]! += 1;
    counts.deliveredBytes[subscriber.format.index]! += bytes;
  }

  /** However many are told of a snapshot, it is encoded once. */
  #resetTo(topic: string, snapshot: Snapshot): SharedFrame {
    let frame = this.#resets.get(snapshot);
    if (!frame) {
      const { epoch, offset } = snapshot;
      frame = new SharedFrame({ type: "reset", topic, epoch, offset, snapshot });
      this.#resets.set(snapshot, frame);
    }
    return frame;
  }

  /** Lets one thing at a time be waited for on behalf of a subscription. */
  async #wait(catchUp: CatchUp, work: () => Promise<void>): Promise<void> {
    if (catchUp.waiting) return;
    catchUp.waiting = true;
    try {
      await work();
    } catch {
      // The bridge is away; the next tick tries again, until the subscriber has been behind for too long.
    } finally {
      catchUp.waiting = false;
    }
  }
}
