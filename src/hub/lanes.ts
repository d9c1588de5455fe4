// Native publication, lane by lane: at once, or in rounds where a topic or its subscribers want a pace. Knows no bridge.

import type { Limits } from "../config/limits.ts";
import { payloadBytes, type SharedFrame } from "../wire/format.ts";
import { json } from "../wire/json.ts";
import { msgpack } from "../wire/msgpack.ts";
import type { ActiveTopic, SocketSubscriber } from "./active-topic.ts";
import { noDeliveries } from "./delivery-counts.ts";
import type { Lane, NativePublisher } from "./lane.ts";
import { Pacer, type PacerOptions } from "./pacer.ts";

export interface LanesOptions extends PacerOptions {
  readonly limits: Limits;
  /** Told of each native publication, once the lane's cursor is behind it. */
  readonly published: (topic: ActiveTopic, bytes: number) => void;
}

/** Volatile publications that may wait for one round. */
const maxWaiting = 256;

export class Lanes {
  /** The feeder adds what it sends. */
  readonly counts = noDeliveries();
  readonly #options: LanesOptions;
  readonly #pacer: Pacer<Lane>;
  /** What may wait for a round: far less than the ring keeps, from which it will be taken. */
  readonly #maxWaitingBytes: number;
  readonly #maxWaitingItems: number;
  #engine: NativePublisher | undefined;

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#pacer = new Pacer(options, (lane) => this.serve(lane));
    this.#maxWaitingBytes = options.limits.ringBytes / 4;
    this.#maxWaitingItems = options.limits.ringPublications / 4;
  }

  /** Where publications go from now on. */
  deliverTo(engine: NativePublisher): void {
    this.#engine = engine;
  }

  /** Encodes a frame for whoever is live now and answers its size. Where nobody is it is measured, and the encoding not kept. */
  encode(topic: ActiveTopic, frame: SharedFrame): number {
    const bytes = topic.direct.encode(frame);
    if (bytes > 0 || !topic.log) return bytes;
    return payloadBytes((topic.namespace.binary ? msgpack : json).encode(frame.frame));
  }

  /** To be called before a frame of that size is appended to a stream's log: what waits must not be pushed out of the ring. */
  makeRoom(topic: ActiveTopic, bytes: number): void {
    const lane = topic.direct;
    if (lane.waitingBytes === 0 || topic.namespace.mode !== "stream") return;
    const items = topic.log!.next - lane.cursor;
    if (lane.waitingBytes + bytes > this.#maxWaitingBytes || items >= this.#maxWaitingItems) this.serve(lane);
  }

  /** Publishes what was just appended to the topic's log, lane by lane, now or in the lane's next round. */
  publishAppended(topic: ActiveTopic, frame: SharedFrame, bytes: number): void {
    topic.forEachLane((lane) => {
      const { next } = topic.log!;
      if (lane.isEmpty) {
        lane.cursor = next;
      } else if (
        lane.periodMs === 0 ||
        (bytes > this.#maxWaitingBytes && topic.namespace.mode === "stream")
      ) {
        this.#publish(lane, frame);
        lane.cursor = next;
        this.#options.published(topic, bytes);
      } else {
        lane.waitingBytes += bytes;
        this.#pacer.ask(lane, lane.periodMs);
      }
    });
  }

  /** Publishes what a topic without a log has to say. `except`: a publisher that wants no echo. */
  publishVolatile(topic: ActiveTopic, frame: SharedFrame, except: SocketSubscriber | undefined): void {
    const lane = topic.direct;
    if (lane.periodMs === 0 || lane.isEmpty) {
      this.#publishUnlogged(lane, frame, except);
      return;
    }
    lane.waiting ??= [];
    lane.waiting.push({ frame, except });
    if (lane.waiting.length >= maxWaiting) this.serve(lane);
    else this.#pacer.ask(lane, lane.periodMs);
  }

  /** Publishes at once and in every lane what is not of the topic's log. Who is behind misses it. */
  publishBeside(topic: ActiveTopic, frame: SharedFrame): void {
    topic.forEachLane((lane) => {
      if (lane.isEmpty) return;
      this.#publish(lane, frame);
      this.#options.published(topic, lane.encode(frame));
    });
  }

  /** Publishes now what a lane still has to publish. */
  serve(lane: Lane): void {
    if (lane.topic.log) this.#serveLog(lane);
    else this.#serveWaiting(lane);
  }

  #serveLog(lane: Lane): void {
    const log = lane.topic.log!;
    lane.waitingBytes = 0;
    for (;;) {
      const located = lane.isEmpty ? { at: "head" as const } : log.locate(lane.cursor);
      if (located.at !== "item") break;
      const { frame } = located.item;
      this.#publish(lane, frame);
      lane.cursor = located.next;
      this.#options.published(lane.topic, lane.encode(frame));
    }
    lane.cursor = log.next;
  }

  #serveWaiting(lane: Lane): void {
    const { waiting = [] } = lane;
    lane.waiting = undefined;
    for (const { frame, except } of waiting) this.#publishUnlogged(lane, frame, except);
  }

  #publishUnlogged(lane: Lane, frame: SharedFrame, except: SocketSubscriber | undefined): void {
    if (lane.behind > 0) {
      const own = except?.subscriptions.get(lane.topic.name);
      const isSpared = own !== undefined && except?.behind?.has(own);
      this.counts[lane.topic.namespace.mode].missed += isSpared ? lane.behind - 1 : lane.behind;
    }
    if (lane.isEmpty) return;
    this.#publish(lane, frame, except);
    this.#options.published(lane.topic, lane.encode(frame));
  }

  #publish(lane: Lane, frame: SharedFrame, except?: SocketSubscriber): void {
    lane.publish(this.#engine!, frame, this.counts[lane.topic.namespace.mode], except);
  }
}
