// This node's topics: opens them at the bridge, delivers natively what it brings, and admits subscriptions at a position.
// Knows no grants and no requests.

import { ActiveTopic, type Subscriber, Subscription } from "./active-topic.ts";
import type { BridgeEvents, Position, PositionedPublication, Publication } from "./bridge/bridge.ts";
import type { NamespaceOptions } from "./config.ts";
import type { Engine, Socket } from "./engine/engine.ts";
import { FanwireError } from "./errors.ts";
import { Feeder, type FeederOptions, historyPageSize, payloadBytes } from "./feeder.ts";
import { SharedFrame, type WireFormat } from "./wire/format.ts";
import type { Mode, PublicationItem } from "./wire/frames.ts";
import { json } from "./wire/json.ts";
import { msgpack } from "./wire/msgpack.ts";
import { namespaceOf } from "./wire/topic-name.ts";

export interface HubOptions extends FeederOptions {
  readonly namespaces: ReadonlyMap<string, NamespaceOptions>;
}

/** Where a subscription began, as its `ok` tells it. */
export interface Joined {
  readonly mode: Mode;
  /** Positioned modes only, like the rest. */
  readonly position?: Position;
  readonly recovered?: boolean;
  readonly publications?: readonly PublicationItem[];
}

const formats: readonly WireFormat[] = [json, msgpack];

export class Hub implements BridgeEvents {
  readonly feeder: Feeder;
  readonly #options: HubOptions;
  readonly #topics = new Map<string, ActiveTopic>();
  /** Topics without members, and since when: in the order in which they were left. */
  readonly #lingering = new Map<ActiveTopic, number>();
  #engine: Pick<Engine<unknown>, "publish"> | undefined;
  #alive = false;

  constructor(options: HubOptions) {
    this.#options = options;
    this.feeder = new Feeder(options);
  }

  /** Where publications go from now on. */
  deliverTo(engine: Pick<Engine<unknown>, "publish">): void {
    this.#engine = engine;
  }

  get bridgeIsAlive(): boolean {
    return this.#alive;
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  /** The rules of a topic's namespace; throws FanwireError `unknown-namespace`. */
  namespace(topic: string): NamespaceOptions {
    const namespace = this.#options.namespaces.get(namespaceOf(topic));
    if (namespace) return namespace;
    throw new FanwireError("unknown-namespace", `There is no namespace ${namespaceOf(topic)}.`);
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
    since: Position | undefined,
    answer: (joined: Joined) => void,
  ): Promise<void> | undefined {
    this.unsubscribe(subscriber, name);
    const topic = this.#open(name);
    const subscription = new Subscription(topic, subscriber);
    topic.members.add(subscription);
    this.#lingering.delete(topic);
    subscriber.subscriptions.set(name, subscription);
    const waiting = topic.opening
      ? topic.opening.then(() => this.#recover(subscription, since, answer))
      : this.#recover(subscription, since, answer);
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
    for (const subscription of subscriber.subscriptions.values()) this.#leave(subscription);
    subscriber.subscriptions.clear();
  }

  /** Publishes to a volatile topic: here before anywhere else. `except`: a publisher that wants no echo. */
  publishVolatile(name: string, publication: Publication, except?: Socket<unknown>): void {
    this.#deliverVolatile(name, publication, except);
    this.#options.bridge.relay(name, publication);
  }

  joined(name: string, position: Position): void {
    const { ringPublications: items, ringBytes: bytes } = this.#options.limits;
    const topic = this.#topics.get(name);
    if (topic && topic.mode !== "volatile") topic.startAt(position, { items, bytes });
  }

  deliver(name: string, publications: readonly PositionedPublication[]): void {
    const topic = this.#topics.get(name);
    const log = topic?.log;
    if (!topic || !log) return;
    for (const publication of publications) {
      const frame = new SharedFrame({ type: "message", topic: name, ...publication });
      const bytes = this.#encode(topic, frame);
      // Into the log first: publishing may take slow sockets off the topic, and they continue behind this publication.
      log.append({ frame, bytes, publication }, publication);
      this.#publish(topic, frame, bytes);
    }
  }

  reset(name: string, position: Position): void {
    const topic = this.#topics.get(name);
    if (!topic?.log) return;
    const frame = new SharedFrame({ type: "reset", topic: name, ...position });
    const bytes = this.#encode(topic, frame);
    topic.log.reset({ frame, bytes }, position);
    this.#publish(topic, frame, bytes);
  }

  relayed(name: string, publication: Publication): void {
    this.#deliverVolatile(name, publication);
  }

  alive(alive: boolean): void {
    this.#alive = alive;
  }

  /** Once a second: lets go of topics nobody has listened to for `topicLingerMs`. */
  tick(): void {
    const oldest = this.#options.now() - this.#options.limits.topicLingerMs;
    for (const [topic, sinceMs] of this.#lingering) {
      if (sinceMs > oldest || topic.opening) break;
      this.#lingering.delete(topic);
      this.#topics.delete(topic.name);
      this.#options.bridge.leave(topic.name);
    }
    this.feeder.tick();
  }

  #open(name: string): ActiveTopic {
    let topic = this.#topics.get(name);
    if (topic) return topic;
    topic = new ActiveTopic(name, this.namespace(name).mode);
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

  #recover(
    subscription: Subscription,
    since: Position | undefined,
    answer: (joined: Joined) => void,
  ): Promise<void> | undefined {
    if (subscription.left) return undefined;
    const log = subscription.topic.log;
    const cursor = since && log?.cursorAfter(since);
    if (cursor === undefined || log?.locate(cursor).at !== "history") {
      this.#begin(subscription, cursor, answer);
      return undefined;
    }
    return this.#recoverFromHistory(subscription, since!, answer);
  }

  async #recoverFromHistory(
    subscription: Subscription,
    since: Position,
    answer: (joined: Joined) => void,
  ): Promise<void> {
    const { topic } = subscription;
    const page = await topic.read(this.#options.bridge, since.offset, historyPageSize);
    if (subscription.left) return;
    let cursor = topic.log!.cursorAfter(since);
    if (cursor !== undefined && page.epoch === since.epoch && page.firstOffset === since.offset + 1) {
      subscription.page = page.items;
      subscription.pageCursor = cursor;
    } else if (cursor !== undefined && topic.log!.locate(cursor).at === "history") {
      cursor = undefined;
    }
    this.#begin(subscription, cursor, answer);
  }

  /** Gives a subscription its place, answers with what it is owed, and lets the rest follow. */
  #begin(subscription: Subscription, cursor: number | undefined, answer: (joined: Joined) => void): void {
    const { topic } = subscription;
    const { log } = topic;
    if (log) {
      subscription.cursor = cursor ?? log.next;
      // No more than the socket has room for: many who come back to many topics at once must not end by it.
      const { recoveryChunkBytes, softBufferedBytes } = this.#options.limits;
      const room = softBufferedBytes - subscription.subscriber.socket.bufferedBytes();
      const publications = this.feeder.takeOwed(subscription, Math.min(recoveryChunkBytes, room));
      const position = { epoch: log.position.epoch, offset: log.offsetBefore(subscription.cursor) };
      answer({ mode: topic.mode, position, recovered: cursor !== undefined, publications });
    } else {
      answer({ mode: topic.mode });
    }
    this.feeder.begin(subscription);
  }

  #leave(subscription: Subscription): void {
    const { topic } = subscription;
    this.feeder.end(subscription);
    topic.members.delete(subscription);
    if (topic.members.size === 0 && this.#topics.get(topic.name) === topic) {
      this.#lingering.set(topic, this.#options.now());
    }
  }

  #deliverVolatile(name: string, publication: Publication, except?: Socket<unknown>): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    const frame = new SharedFrame({ type: "message", topic: name, ...publication });
    this.#publish(topic, frame, this.#encode(topic, frame), except);
  }

  /** Encodes a frame for the formats somebody is live in, or for the log alone, and answers how many bytes it has. */
  #encode(topic: ActiveTopic, frame: SharedFrame): number {
    let bytes = 0;
    for (const format of formats) {
      if (topic.live[format.index]! > 0) bytes = Math.max(bytes, payloadBytes(frame.payload(format)));
    }
    return bytes === 0 && topic.log ? payloadBytes(frame.payload(json)) : bytes;
  }

  /** Publishes natively, once per format somebody is live in. */
  #publish(topic: ActiveTopic, frame: SharedFrame, bytes: number, except?: Socket<unknown>): void {
    for (const format of formats) {
      if (topic.live[format.index]! === 0) continue;
      this.#engine?.publish(topic.native[format.index]!, frame.payload(format), except);
    }
    this.feeder.published(topic, bytes);
  }
}
