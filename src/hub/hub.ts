// This node's topics: opens them at the bridge, delivers natively what it brings, and admits subscriptions at a position.
// Knows no grants and no requests.

import type { BridgeEvents, Position, PositionedPublication, Publication } from "../bridge/bridge.ts";
import type { TopicUser } from "../bridge/presence.ts";
import { namespaceAmong } from "../config/namespaces.ts";
import type { NamespaceOptions } from "../config/options.ts";
import { type ByFormat, SharedFrame } from "../wire/format.ts";
import type { Mode } from "../wire/frames.ts";
import { messageOf } from "../wire/message.ts";
import { recent } from "../wire/recent.ts";
import { ActiveTopic, type SocketSubscriber, type Subscriber, Subscription } from "./active-topic.ts";
import type { DeliveryCountsByMode } from "./delivery-counts.ts";
import { EventRate } from "./event-rate.ts";
import { Feeder, type FeederOptions } from "./feeder.ts";
import { KeyedLog } from "./keyed-log.ts";
import type { NativePublisher } from "./lane.ts";
import { Lanes } from "./lanes.ts";
import type { PacerOptions } from "./pacer.ts";
import { rateClass } from "./rate-classes.ts";
import { type Joined, Recovery } from "./recovery.ts";
import type { RingBounds } from "./ring.ts";
import { Stays } from "./stays.ts";
import { StreamLog } from "./stream-log.ts";

export interface HubOptions extends FeederOptions, PacerOptions {
  readonly namespaces: ReadonlyMap<string, NamespaceOptions>;
  /** Closes this node's connections of a user. */
  readonly disconnect: (userId: string, reason: string | undefined) => void;
}

/** What a subscriber asks for. */
export interface Wish {
  readonly since?: Position;
  readonly maxRateHz?: number;
}

/** What a hub counts by itself; the rest is with its rooms. */
export interface HubCounts {
  /** Subscriptions there are now. Triples are by the format's index. */
  readonly subscriptions: Readonly<Record<Mode, ByFormat>>;
  /** Publications that came to active topics, from whichever node. */
  readonly publications: Record<Mode, number>;
  /** Times that a topic's continuity ended. */
  resets: number;
}

export class Hub implements BridgeEvents {
  readonly feeder: Feeder;
  readonly recovery: Recovery;
  readonly counts: HubCounts = {
    subscriptions: { volatile: [0, 0, 0], stream: [0, 0, 0], latest: [0, 0, 0] },
    publications: { volatile: 0, stream: 0, latest: 0 },
    resets: 0,
  };
  readonly #options: HubOptions;
  readonly #topics = new Map<string, ActiveTopic>();
  /** Topics without members, and since when: in the order in which they were left. */
  readonly #lingering = new Map<ActiveTopic, number>();
  readonly #lanes: Lanes;
  readonly #stays: Stays;
  readonly #ringBounds: RingBounds;
  #alive = false;
  #second = 0;

  constructor(options: HubOptions) {
    this.#options = options;
    const { ringPublications: items, ringBytes: bytes } = options.limits;
    this.#ringBounds = { items, bytes };
    this.#lanes = new Lanes({
      ...options,
      published: (topic, bytes) => this.feeder.published(topic, bytes),
    });
    this.feeder = new Feeder(options, this.#lanes);
    this.recovery = new Recovery(options, this.feeder);
    this.#stays = new Stays(options, this.#lanes);
  }

  /** Where publications go from now on. */
  deliverTo(engine: NativePublisher): void {
    this.#lanes.deliverTo(engine);
  }

  get bridgeIsAlive(): boolean {
    return this.#alive;
  }

  /** Topics this node listens to, by name. */
  get topics(): ReadonlyMap<string, ActiveTopic> {
    return this.#topics;
  }

  /** How many ticks there have been: what rates are counted in. */
  get second(): number {
    return this.#second;
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  get deliveries(): DeliveryCountsByMode {
    return this.#lanes.counts;
  }

  /** Topics this node listens to, by mode. Looks at all of them. */
  topicsByMode(): Record<Mode, number> {
    const counts = { volatile: 0, stream: 0, latest: 0 };
    for (const topic of this.#topics.values()) counts[topic.namespace.mode] += 1;
    return counts;
  }

  /** The rules of a topic's namespace; throws FanwireError `unknown-namespace`. */
  namespace(topic: string): NamespaceOptions {
    // Of a topic that is open it is known, and finding that costs a third of cutting the name and looking that up.
    return this.#topics.get(topic)?.namespace ?? namespaceAmong(this.#options.namespaces, topic);
  }

  /** Makes the bridge listen to a topic and keeps it listening for a while. Undefined: it does already. */
  open(name: string): Promise<void> | undefined {
    return this.#open(name).opening;
  }

  /**
   * Subscribes. `answer` is called in the turn in which the position is taken, and must send the `ok` there and then: what
   * follows the position comes right after it. Answers a promise where something has to be waited for; the request fails by
   * its rejection, and the subscription is gone then.
   */
  subscribe(
    subscriber: Subscriber,
    name: string,
    wish: Wish,
    answer: (joined: Joined) => void,
  ): Promise<void> | undefined {
    this.unsubscribe(subscriber, name);
    const topic = this.#open(name);
    const lane = topic.lane(rateClass(wish.maxRateHz));
    const subscription = new Subscription(lane, subscriber);
    topic.members.add(subscription);
    this.counts.subscriptions[topic.namespace.mode][subscriber.format.index]! += 1;
    this.#lingering.delete(topic);
    subscriber.subscriptions.add(subscription);
    const waiting = topic.opening
      ? topic.opening.then(() => this.recovery.begin(subscription, wish.since, answer))
      : this.recovery.begin(subscription, wish.since, answer);
    return waiting?.catch((failure: unknown) => {
      if (!subscription.left) this.unsubscribe(subscriber, name);
      throw failure;
    });
  }

  /** Answers whether there was a subscription. */
  unsubscribe(subscriber: Subscriber, name: string): boolean {
    const subscription = subscriber.subscriptions.get(name);
    if (!subscription) return false;
    subscriber.subscriptions.delete(name);
    this.#leave(subscription);
    return true;
  }

  unsubscribeAll(subscriber: Subscriber): void {
    for (const subscription of subscriber.subscriptions) this.#leave(subscription);
    subscriber.subscriptions.clear();
  }

  /** Publishes to a volatile topic: here before anywhere else. `except`: a publisher that wants no echo. */
  publishVolatile(name: string, publication: Publication, except?: SocketSubscriber): void {
    this.#deliverVolatile(name, publication, except);
    this.#options.bridge.relay(name, publication);
  }

  joined(
    name: string,
    position: Position,
    values: readonly PositionedPublication[] = [],
    forgottenOffset = 0,
  ): void {
    const topic = this.#topics.get(name);
    if (topic?.namespace.mode === "stream") topic.log = new StreamLog(name, position, this.#ringBounds);
    if (topic?.namespace.mode === "latest") {
      const rule = { maxKeys: topic.namespace.maxKeys, removalTtlMs: this.#options.limits.removalTtlMs };
      topic.log = new KeyedLog(name, position, values, rule, forgottenOffset);
    }
    topic?.forEachLane((lane) => {
      lane.cursor = topic.log?.next ?? 0;
    });
  }

  deliver(name: string, publications: readonly PositionedPublication[]): void {
    const topic = this.#topics.get(name);
    const log = topic?.log;
    if (!topic || !log) return;
    this.#count(topic, publications.length);
    for (const publication of publications) {
      const frame = new SharedFrame(messageOf(name, publication));
      const bytes = this.#lanes.encode(topic, frame);
      this.#lanes.makeRoom(topic, bytes);
      log.append({ frame, bytes, publication }, publication);
      this.#lanes.publishAppended(topic, frame, bytes);
    }
    this.recovery.arrivals.moved(topic);
  }

  reset(
    name: string,
    position: Position,
    values: readonly PositionedPublication[] = [],
    forgottenOffset = 0,
  ): void {
    const topic = this.#topics.get(name);
    if (!topic?.log) return;
    this.counts.resets += 1;
    // With a snapshot for each, the reset cannot be published natively.
    if (this.#options.snapshots.has(name)) this.feeder.takeOver(topic);
    // Before the ring, however small, lets go of it.
    topic.forEachLane((lane) => this.#lanes.serve(lane));
    topic.log.reset(position, values, forgottenOffset);
    // With what the old epoch still owes before it, and without waiting for a round.
    topic.forEachLane((lane) => this.#lanes.serve(lane));
    this.recovery.arrivals.moved(topic);
  }

  relayed(name: string, publication: Publication): void {
    this.#deliverVolatile(name, publication);
  }

  disconnect(userId: string, reason: string | undefined): void {
    this.#options.disconnect(userId, reason);
  }

  came(name: string, user: TopicUser, count: number): void {
    const topic = this.#topics.get(name);
    if (topic) this.#stays.changed("join", topic, user, count);
  }

  went(name: string, user: TopicUser, count: number): void {
    const topic = this.#topics.get(name);
    if (topic) this.#stays.changed("leave", topic, user, count);
  }

  alive(alive: boolean): void {
    this.#alive = alive;
  }

  /** Once a second: lets go of topics nobody has listened to for `topicLingerMs`. */
  tick(): void {
    this.#second += 1;
    const oldest = this.#options.now() - this.#options.limits.topicLingerMs;
    for (const [topic, sinceMs] of this.#lingering) {
      if (sinceMs > oldest || topic.opening) break;
      this.#lingering.delete(topic);
      this.#topics.delete(topic.name);
      this.#options.bridge.leave(topic.name);
    }
    this.recovery.arrivals.tick();
    this.feeder.tick();
  }

  #open(name: string): ActiveTopic {
    let topic = this.#topics.get(name);
    if (topic) return topic;
    topic = new ActiveTopic(name, this.namespace(name));
    this.#topics.set(name, topic);
    this.#lingering.set(topic, this.#options.now());
    topic.opening = this.#join(topic);
    // Whoever waits for the topic hears of a failure; here it must only not be an unhandled one.
    topic.opening.catch(() => undefined);
    return topic;
  }

  async #join(topic: ActiveTopic): Promise<void> {
    try {
      await this.#options.bridge.join(topic.name);
      topic.opening = undefined;
    } catch (failure) {
      // The next to ask tries anew. Those who wait are told, one by one, and leave.
      this.#topics.delete(topic.name);
      this.#lingering.delete(topic);
      throw failure;
    }
  }

  #leave(subscription: Subscription): void {
    const { topic, subscriber } = subscription;
    this.feeder.end(subscription);
    if (topic.namespace.presence) this.#options.bridge.exit(topic.name, subscriber.member.sessionId);
    topic.members.delete(subscription);
    this.counts.subscriptions[topic.namespace.mode][subscriber.format.index]! -= 1;
    if (topic.members.size === 0 && this.#topics.get(topic.name) === topic) {
      this.#lingering.set(topic, this.#options.now());
    }
  }

  #count(topic: ActiveTopic, publications: number): void {
    this.counts.publications[topic.namespace.mode] += publications;
    topic.rate ??= new EventRate(this.#second);
    topic.rate.add(publications, this.#second);
  }

  #deliverVolatile(name: string, publication: Publication, except?: SocketSubscriber): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    this.#count(topic, 1);
    const frame = new SharedFrame(messageOf(name, publication));
    recent.publication = publication;
    recent.message = frame;
    this.#lanes.publishVolatile(topic, frame, except);
  }
}
