// A topic that somebody on this node listens to: its native topics, its subscriptions, its log. Sends nothing itself.

import type { Bridge, Position } from "./bridge/bridge.ts";
import type { Socket } from "./engine/engine.ts";
import type { CloseReason } from "./errors.ts";
import { type RingBounds, type TopicItem, TopicLog } from "./topic.ts";
import { SharedFrame, type WireFormat } from "./wire/format.ts";
import type { Mode } from "./wire/frames.ts";

/** What the hub and the feeder need of a connection. */
export interface Subscriber {
  readonly socket: Socket<unknown>;
  readonly format: WireFormat;
  readonly subscriptions: Map<string, Subscription>;
  /** The subscriptions the feeder serves at the moment; undefined where the engine serves all, as nearly always. */
  behind: Set<Subscription> | undefined;
  /** Since when `behind` has been there. */
  behindSinceMs: number;
  close(reason: CloseReason): void;
}

/**
 * One subscriber's membership in one topic. `live`: its socket is on the native topic. Otherwise it is on its way to its
 * first position, or behind the head and fed from `cursor`.
 */
export class Subscription {
  readonly topic: ActiveTopic;
  readonly subscriber: Subscriber;
  live = false;
  /** Over: whoever still holds this, after some wait, must not touch the socket for it. */
  left = false;
  /** The next item of the topic's log to send; means nothing while live. */
  cursor = 0;
  /** Items read from history: what the cursors from `pageCursor` on stand for. */
  page: readonly TopicItem[] = [];
  pageCursor = 0;
  reading = false;

  constructor(topic: ActiveTopic, subscriber: Subscriber) {
    this.topic = topic;
    this.subscriber = subscriber;
  }
}

/** A page of history as items, shared by all who asked for it at once. */
export interface HistoryItems {
  readonly epoch: string;
  /** The offset of the first item, or of the next publication to come where there is no item. */
  readonly firstOffset: number;
  readonly items: readonly TopicItem[];
}

export class ActiveTopic {
  readonly name: string;
  readonly mode: Mode;
  readonly members = new Set<Subscription>();
  /** The engine's topics, by the wire format's index. */
  readonly native: readonly [string, string];
  /** How many subscriptions are live, by the wire format's index. */
  readonly live: [number, number] = [0, 0];
  /** Settles once the bridge listens; undefined from then on. */
  opening: Promise<void> | undefined;
  /** There from the moment the bridge listens, in positioned modes. */
  log: TopicLog | undefined;
  /** The sweep in which this topic was last published to. */
  sweep = 0;
  #reads: Map<number, Promise<HistoryItems>> | undefined;

  constructor(name: string, mode: Mode) {
    this.name = name;
    this.mode = mode;
    this.native = [`j:${name}`, `m:${name}`];
  }

  startAt(position: Position, bounds: RingBounds): void {
    this.log = new TopicLog(position, bounds);
  }

  /** One page of history after an offset. However many ask at once, the bridge is asked once. */
  read(bridge: Bridge, after: number, limit: number): Promise<HistoryItems> {
    this.#reads ??= new Map();
    let read = this.#reads.get(after);
    if (!read) {
      read = this.#readPage(bridge, after, limit).finally(() => this.#reads?.delete(after));
      this.#reads.set(after, read);
    }
    return read;
  }

  async #readPage(bridge: Bridge, after: number, limit: number): Promise<HistoryItems> {
    const page = await bridge.history(this.name, after, limit);
    return {
      epoch: page.epoch,
      firstOffset: page.publications[0]?.offset ?? page.offset + 1,
      items: page.publications.map((publication) => ({
        frame: new SharedFrame({ type: "message", topic: this.name, ...publication }),
        publication,
        bytes: 0,
      })),
    };
  }
}
