// The topics whose channels one connection subscribes: asked for in batches, and told once Redis listens. Knows no topic's state.

import { channelsPerCommand, type RedisConnection } from "../connection.ts";
import { type Clock, onceATurn } from "./clock.ts";

export interface ChannelsOptions {
  readonly clock: Clock;
  readonly channelOf: (topic: string) => string;
  /** From now on whatever is published to these topics comes here. */
  readonly subscribed: (topics: readonly string[]) => void;
  /** Redis refuses to: the connection is of no use. */
  readonly refused: (failure: unknown) => void;
}

export class Channels {
  readonly #options: ChannelsOptions;
  /** By topic, the request that asked for it; undefined where none did yet. One that is left and wanted again has another. */
  readonly #wanted = new Map<string, object | undefined>();
  /** Subscribed, and not wanted any more. */
  readonly #unwanted = new Set<string>();
  /** Wanted, and not asked for. */
  readonly #fresh = new Set<string>();
  #connection: RedisConnection | undefined;
  readonly #flushLater: () => void;

  constructor(options: ChannelsOptions) {
    this.#options = options;
    this.#flushLater = onceATurn(options.clock, () => this.#flush());
  }

  want(topic: string): void {
    this.#wanted.set(topic, undefined);
    this.#fresh.add(topic);
    this.#flushLater();
  }

  leave(topic: string): void {
    if (this.#wanted.get(topic)) this.#unwanted.add(topic);
    this.#wanted.delete(topic);
    this.#fresh.delete(topic);
    if (this.#unwanted.size > 0) this.#flushLater();
  }

  /** A connection that subscribes nothing yet. */
  connected(connection: RedisConnection): void {
    this.#connection = connection;
    this.#unwanted.clear();
    for (const topic of this.#wanted.keys()) this.#fresh.add(topic);
    this.#flush();
  }

  lost(): void {
    this.#connection = undefined;
    this.#unwanted.clear();
    for (const topic of this.#wanted.keys()) this.#wanted.set(topic, undefined);
  }

  #flush(): void {
    const connection = this.#connection;
    if (!connection) return;
    const { channelOf, refused } = this.#options;
    const unwanted = [...this.#unwanted];
    this.#unwanted.clear();
    for (const topics of chunks(unwanted)) {
      // One that is wanted again is subscribed after this.
      connection.unsubscribe(topics.map(channelOf)).catch(refused);
    }
    const fresh = [...this.#fresh];
    this.#fresh.clear();
    for (const topics of chunks(fresh)) this.#subscribe(connection, topics);
  }

  #subscribe(connection: RedisConnection, topics: readonly string[]): void {
    const { channelOf, subscribed, refused } = this.#options;
    const request = {};
    for (const topic of topics) this.#wanted.set(topic, request);
    connection.subscribe(topics.map(channelOf)).then(() => {
      const still = topics.filter((topic) => this.#wanted.get(topic) === request);
      if (still.length > 0) subscribed(still);
    }, refused);
  }
}

function chunks(topics: readonly string[]): (readonly string[])[] {
  if (topics.length <= channelsPerCommand) return topics.length === 0 ? [] : [topics];
  const all: string[][] = [];
  for (let from = 0; from < topics.length; from += channelsPerCommand) {
    all.push(topics.slice(from, from + channelsPerCommand));
  }
  return all;
}
