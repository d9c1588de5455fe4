// A topic that somebody on this node listens to: its native topics, its subscriptions, its log. Sends nothing itself.

import type { Bridge, Position } from "../bridge/bridge.ts";
import type { Member } from "../bridge/presence.ts";
import type { NamespaceOptions } from "../config/options.ts";
import type { SendOutcome, Socket } from "../engine/engine.ts";
import type { CloseReason } from "../errors.ts";
import { type FrameFormat, SharedFrame } from "../wire/format.ts";
import { messageOf } from "../wire/message.ts";
import { CatchUp } from "./catch-up.ts";
import type { EventRate } from "./event-rate.ts";
import { type FewMap, FewSet } from "./few.ts";
import { Lane } from "./lane.ts";
import type { TopicItem, TopicLog } from "./topic-log.ts";

/** What the hub and the feeder need of a connection. */
interface AnySubscriber {
  readonly format: FrameFormat;
  /** Who it is, for those who see who is in a topic. */
  readonly member: Member;
  readonly subscriptions: FewMap<Subscription>;
  /** The subscriptions the feeder serves at the moment; undefined where the engine serves all, as nearly always. */
  behind: Set<Subscription> | undefined;
  /** Since when `behind` has been there. */
  behindSinceMs: number;
  close(reason: CloseReason): void;
}

/** A connection that the engine fans out to. */
export interface SocketSubscriber extends AnySubscriber {
  readonly socket: Socket<unknown>;
  readonly deliver?: undefined;
}

/** A connection that no engine fans out to: what is published is given to each of them by itself. */
export interface StreamSubscriber extends AnySubscriber {
  readonly socket: Pick<Socket<unknown>, "bufferedBytes" | "cork">;
  /** Sends one frame of a topic. */
  deliver(frame: SharedFrame): SendOutcome;
}

export type Subscriber = SocketSubscriber | StreamSubscriber;

/** Sends one frame of a topic to one subscriber. */
export function sendTo(subscriber: Subscriber, frame: SharedFrame): SendOutcome {
  if (subscriber.deliver) return subscriber.deliver(frame);
  return subscriber.socket.send(frame.payload(subscriber.format));
}

/**
 * One subscriber's membership in one topic. While `live` it is served by its lane; until then it is on its way to its
 * first position, and later, where it is slow, behind the head.
 */
export class Subscription {
  readonly subscriber: Subscriber;
  /** Where it is live, or will be. */
  readonly lane: Lane;
  /** Over: whoever still holds this, after some wait, must not touch the socket for it. */
  left = false;
  /** How far it is on its way; undefined while live, and once it has left. */
  catchUp: CatchUp | undefined;

  constructor(lane: Lane, subscriber: Subscriber) {
    this.lane = lane;
    this.subscriber = subscriber;
    this.catchUp = new CatchUp(0);
  }

  get live(): boolean {
    return this.catchUp === undefined && !this.left;
  }

  get topic(): ActiveTopic {
    return this.lane.topic;
  }

  /** Of the subscriber's subscriptions. */
  get key(): string {
    return this.topic.name;
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
  readonly namespace: NamespaceOptions;
  readonly members = new FewSet<Subscription>();
  /** Of everybody who asked for no rate of their own. */
  readonly direct: Lane;
  /** By rate, of those who did. Undefined while there are none, as nearly always. */
  rated: Map<number, Lane> | undefined;
  /** Settles once the bridge listens; undefined from then on. */
  opening: Promise<void> | undefined;
  /** There from the moment the bridge listens, in positioned modes. */
  log: TopicLog | undefined;
  /** Of publications; there from the first one on, because most topics of a large node never see one. */
  rate: EventRate | undefined;
  /** The sweep in which this topic was last published to. */
  sweep = 0;
  /** By the epoch in which they were begun, and the offset after which they read. */
  #reads: Map<string, Promise<HistoryItems>> | undefined;
  /** While the bridge is asked where the topic stands. */
  #standing: Promise<Position> | undefined;

  constructor(name: string, namespace: NamespaceOptions) {
    this.name = name;
    this.namespace = namespace;
    this.direct = new Lane(this, namespace.flushWindowMs);
  }

  /** The lane of a rate; it begins where the topic stands. */
  lane(rateHz: number | undefined): Lane {
    if (rateHz === undefined) return this.direct;
    this.rated ??= new Map();
    let lane = this.rated.get(rateHz);
    if (!lane) {
      lane = new Lane(this, 1000 / rateHz, rateHz);
      lane.cursor = this.log?.next ?? 0;
      this.rated.set(rateHz, lane);
    }
    return lane;
  }

  forEachLane(visit: (lane: Lane) => void): void {
    visit(this.direct);
    if (this.rated) for (const lane of this.rated.values()) visit(lane);
  }

  /** One page of history after an offset. However many ask at once, the bridge is asked once. */
  read(bridge: Bridge, after: number, limit: number): Promise<HistoryItems> {
    const key = `${this.log?.position.epoch}:${after}`;
    this.#reads ??= new Map();
    let read = this.#reads.get(key);
    if (!read) {
      read = this.#readPage(bridge, after, limit).finally(() => this.#reads?.delete(key));
      this.#reads.set(key, read);
    }
    return read;
  }

  /** Where the bridge has the topic, which may be further than this node has heard. One question for all who ask at once. */
  standing(bridge: Bridge): Promise<Position> {
    this.#standing ??= bridge.history(this.name, this.log?.position.offset, 1).finally(() => {
      this.#standing = undefined;
    });
    return this.#standing;
  }

  async #readPage(bridge: Bridge, after: number, limit: number): Promise<HistoryItems> {
    const page = await bridge.history(this.name, after, limit);
    return {
      epoch: page.epoch,
      firstOffset: page.publications[0]?.offset ?? page.offset + 1,
      items: page.publications.map((publication) => ({
        frame: new SharedFrame(messageOf(this.name, publication)),
        publication,
        bytes: 0,
      })),
    };
  }
}
