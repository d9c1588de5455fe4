// One way into a topic: the native topics, one per wire format, of the subscribers who are served at the same pace, the list of
// those whom no engine serves, and how far all of them have been served. Publishes natively; knows nothing of sockets.

import type { Engine } from "../engine/engine.ts";
import type { FrameFormat, SharedFrame, WireFormat } from "../wire/format.ts";
import { json } from "../wire/json.ts";
import { msgpack } from "../wire/msgpack.ts";
import { sse } from "../wire/sse.ts";
import type { ActiveTopic, SocketSubscriber, StreamSubscriber, Subscriber } from "./active-topic.ts";
import type { DeliveryCounts } from "./delivery-counts.ts";

const natives: readonly WireFormat[] = [json, msgpack];

export type NativePublisher = Pick<Engine<unknown>, "publish">;

export class Lane {
  readonly topic: ActiveTopic;
  /** 0: as publications come. Else the least time between two rounds of publications. */
  readonly periodMs: number;
  /** Times a second that the subscribers asked for; undefined where they did not ask. */
  readonly rateHz: number | undefined;
  #liveInJson = 0;
  #liveInMsgpack = 0;
  /** Those whom no engine serves; undefined while there are none, as nearly always. */
  #listed: Set<StreamSubscriber> | undefined;
  /** How many subscriptions are behind: the feeder serves them. */
  behind = 0;
  /** What has been published natively: everything before this cursor of the topic's log. */
  cursor = 0;
  /** By the wire format's index; kept from the first publication on, because most topics never see one. */
  #natives: readonly [string, string] | undefined;
  /** About how many bytes of the log wait for the next round. */
  waitingBytes = 0;
  /** What waits for the next round where there is no log to take it from; undefined while nothing does. */
  waiting: { readonly frame: SharedFrame; readonly except: SocketSubscriber | undefined }[] | undefined;

  constructor(topic: ActiveTopic, periodMs: number, rateHz?: number) {
    this.topic = topic;
    this.periodMs = periodMs;
    this.rateHz = rateHz;
  }

  /** The engine's topic of those who are live in a format. */
  native({ index }: FrameFormat): string {
    const format = index === json.index ? "j" : "m";
    return `${format}${this.rateHz === undefined ? "" : `@${this.rateHz}`}:${this.topic.name}`;
  }

  /** How many subscriptions are live in a format. */
  live({ index }: WireFormat): number {
    return index === json.index ? this.#liveInJson : this.#liveInMsgpack;
  }

  /** From now on the subscriber gets what is published here. */
  enter(subscriber: Subscriber): void {
    if (subscriber.deliver) {
      this.#listed ??= new Set();
      this.#listed.add(subscriber);
      return;
    }
    this.#countLive(subscriber.format, 1);
    subscriber.socket.subscribe(this.native(subscriber.format));
  }

  leave(subscriber: Subscriber): void {
    if (subscriber.deliver) {
      this.#listed?.delete(subscriber);
      if (this.#listed?.size === 0) this.#listed = undefined;
      return;
    }
    this.#countLive(subscriber.format, -1);
    subscriber.socket.unsubscribe(this.native(subscriber.format));
  }

  get isEmpty(): boolean {
    return this.#liveInJson === 0 && this.#liveInMsgpack === 0 && this.#listed === undefined;
  }

  /** Encodes a frame for the formats somebody is live in and answers how many bytes it has; 0 where nobody is. */
  encode(frame: SharedFrame): number {
    let bytes = 0;
    for (const format of natives) {
      if (this.live(format) > 0) bytes = Math.max(bytes, frame.bytes(format));
    }
    return this.#listed ? Math.max(bytes, frame.bytes(sse)) : bytes;
  }

  /**
   * Publishes natively, once per format somebody is live in: no JavaScript runs per subscriber. Those whom no engine serves are
   * sent the same block one by one.
   */
  publish(
    engine: NativePublisher,
    frame: SharedFrame,
    counts: DeliveryCounts,
    except?: SocketSubscriber,
  ): void {
    const isLive = except?.subscriptions.get(this.topic.name)?.live;
    this.#natives ??= [this.native(json), this.native(msgpack)];
    for (const format of natives) {
      const { index } = format;
      const live = this.live(format);
      if (live === 0) continue;
      engine.publish(this.#natives[index]!, frame.payload(format), except?.socket);
      const deliveries = isLive && except?.format === format ? live - 1 : live;
      const bytes = frame.bytes(format);
      counts.native[index]! += deliveries;
      counts.publishedBytes[index]! += bytes;
      counts.deliveredBytes[index]! += deliveries * bytes;
    }
    if (this.#listed) this.#deliver(this.#listed, frame, counts);
  }

  /** Nobody enters or leaves meanwhile: an engine tells of an end in a later turn. */
  #deliver(listed: ReadonlySet<StreamSubscriber>, frame: SharedFrame, counts: DeliveryCounts): void {
    const bytes = frame.bytes(sse);
    counts.native[sse.index] += listed.size;
    counts.publishedBytes[sse.index] += bytes;
    counts.deliveredBytes[sse.index] += listed.size * bytes;
    for (const subscriber of listed) subscriber.deliver(frame);
  }

  #countLive({ index }: FrameFormat, change: 1 | -1): void {
    if (index === json.index) this.#liveInJson += change;
    else this.#liveInMsgpack += change;
  }
}
