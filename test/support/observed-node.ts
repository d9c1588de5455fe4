// A node that writes down what its bridge tells it, complains about what breaks the contract, and can be waited for.

import type { BridgeEvents, Position, PositionedPublication, Publication } from "../../src/bridge/bridge.ts";
import type { RedisBridge } from "../../src/bridge/redis.ts";
import { within } from "./websocket.ts";

interface Topic {
  position: Position;
  readonly data: unknown[];
  readonly values: Map<string, unknown>;
  resets: number;
}

export class ObservedNode implements BridgeEvents {
  readonly bridge: RedisBridge;
  readonly complaints: string[] = [];
  readonly relays: unknown[] = [];
  readonly disconnects: string[] = [];
  readonly stays: string[] = [];
  isAlive = false;
  /** Changes of `isAlive`. */
  changes = 0;
  readonly #topics = new Map<string, Topic>();
  #look: () => void = () => undefined;

  constructor(bridge: RedisBridge) {
    this.bridge = bridge;
  }

  static async start(bridge: RedisBridge): Promise<ObservedNode> {
    const node = new ObservedNode(bridge);
    await bridge.start(node);
    return node;
  }

  /** What was told of a topic since it was joined. */
  topic(name: string): Topic {
    const topic = this.#topics.get(name);
    if (!topic) throw new Error(`${name} was not joined`);
    return topic;
  }

  publish(topic: string, data: unknown, more: Partial<Publication> & { idempotencyKey?: string } = {}) {
    const { idempotencyKey, ...rest } = more;
    return this.bridge.publish(topic, { data, timestamp: Date.now(), ...rest }, idempotencyKey);
  }

  /** Resolves once something is as it should be; looked at with each event. */
  async until(isSo: () => boolean, what: string): Promise<void> {
    if (isSo()) return;
    const reached = new Promise<void>((resolve) => {
      this.#look = () => {
        if (isSo()) resolve();
      };
    });
    await within(15_000, reached, () => `${what}; ${this.complaints.join(", ")}`);
    this.#look = () => undefined;
  }

  joined(name: string, position: Position, values: readonly PositionedPublication[] = []): void {
    const topic = { position, data: [], values: new Map(), resets: 0 };
    this.#topics.set(name, topic);
    this.#load(topic, values);
    this.#look();
  }

  deliver(name: string, publications: readonly PositionedPublication[]): void {
    const topic = this.topic(name);
    for (const { offset, data, key, removed } of publications) {
      const isNext =
        key === undefined ? offset === topic.position.offset + 1 : offset > topic.position.offset;
      if (!isNext) this.complaints.push(`${name}: ${offset} after ${topic.position.offset}`);
      topic.position = { epoch: topic.position.epoch, offset };
      topic.data.push(data);
      if (key !== undefined) removed ? topic.values.delete(key) : topic.values.set(key, data);
    }
    this.#look();
  }

  reset(name: string, position: Position, values: readonly PositionedPublication[] = []): void {
    const topic = this.topic(name);
    topic.position = position;
    topic.resets += 1;
    this.#load(topic, values);
    this.#look();
  }

  relayed(_: string, { data }: Publication): void {
    this.relays.push(data);
    this.#look();
  }

  disconnect(userId: string, reason: string | undefined): void {
    this.disconnects.push(`${userId}: ${reason}`);
    this.#look();
  }

  came(topic: string, { userId }: { readonly userId: string }): void {
    this.stays.push(`${topic} came ${userId}`);
    this.#look();
  }

  went(topic: string, { userId }: { readonly userId: string }): void {
    this.stays.push(`${topic} went ${userId}`);
    this.#look();
  }

  alive(isAlive: boolean): void {
    this.isAlive = isAlive;
    this.changes += 1;
    this.#look();
  }

  #load({ values: kept }: Topic, values: readonly PositionedPublication[]): void {
    kept.clear();
    for (const { key, data, removed } of values) if (!removed) kept.set(key!, data);
  }
}
