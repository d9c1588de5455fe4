// One connection to a model Redis: two directions, each in order, that can be stalled and cut; knows no scripts.

import {
  type Call,
  type ConnectionHandlers,
  ConnectionLost,
  type RedisConnection,
  RedisError,
  type Reply,
} from "../../src/bridge/connection.ts";
import type { ModelRedis } from "./model-redis.ts";

type Replies = (Reply | RedisError)[];

/** What travels one way: each thing takes its time, and none overtakes another. */
class Direction {
  readonly #redis: ModelRedis;
  readonly #things: (() => void)[] = [];
  #lastAtMs = 0;
  #isStalled = false;
  /** How many of the things have come to the end of a stalled line. */
  #held = 0;

  constructor(redis: ModelRedis) {
    this.#redis = redis;
  }

  send(arrive: () => void): void {
    const { clock, delayMs } = this.#redis.options;
    const now = clock.now();
    this.#lastAtMs = Math.max(this.#lastAtMs, now + delayMs());
    this.#things.push(arrive);
    clock.after(this.#lastAtMs - now, () => this.#arrive());
  }

  stall(): void {
    this.#isStalled = true;
  }

  /** What was held arrives, in order. */
  resume(): void {
    this.#isStalled = false;
    for (; this.#held > 0; this.#held -= 1) this.#things.shift()?.();
  }

  /** Everything under way is lost. */
  clear(): void {
    this.#things.length = 0;
    this.#held = 0;
  }

  /** So many things arrive at once, and the others are lost. */
  flush(count: number): void {
    const arriving = this.#things.splice(0, count);
    this.clear();
    for (const arrive of arriving) arrive();
  }

  get length(): number {
    return this.#things.length;
  }

  #arrive(): void {
    if (this.#isStalled) this.#held += 1;
    else this.#things.shift()?.();
  }
}

export class ModelConnection implements RedisConnection {
  readonly #redis: ModelRedis;
  readonly #handlers: ConnectionHandlers;
  readonly #toServer: Direction;
  readonly #toClient: Direction;
  /** What fails when the connection ends. */
  readonly #pending = new Set<(fault: ConnectionLost) => void>();
  #isOpen = true;
  outstanding = 0;

  constructor(redis: ModelRedis, handlers: ConnectionHandlers) {
    this.#redis = redis;
    this.#handlers = handlers;
    this.#toServer = new Direction(redis);
    this.#toClient = new Direction(redis);
  }

  async run(calls: readonly Call[]): Promise<readonly (Reply | RedisError)[]> {
    this.outstanding += calls.length;
    try {
      const replies = await this.#ask(() => calls.map((call) => this.#redis.execute(call)));
      const lost = calls.filter((_, index) => isScriptLost(replies[index]));
      if (lost.length === 0) return replies;
      const repeated = await this.#ask(() => {
        this.#redis.loadScripts();
        return lost.map((call) => this.#redis.execute(call));
      });
      let next = 0;
      return replies.map((reply) => (isScriptLost(reply) ? repeated[next++]! : reply));
    } finally {
      this.outstanding -= calls.length;
    }
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.#ask(() => {
      this.#redis.subscribe(this, channels);
      return [];
    });
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    await this.#ask(() => {
      this.#redis.unsubscribe(this, channels);
      return [];
    });
  }

  /** The client's end: what it has sent still arrives, and then the server learns of it. */
  close(): void {
    if (!this.#isOpen) return;
    this.#endClient("closed by this node");
    this.#toServer.send(() => this.#redis.whenAwake(() => this.#redis.forget(this)));
  }

  /**
   * Both ends lose it now. Of the things under way to the server, the first `arriving` are executed, and nobody hears what
   * came of them.
   */
  cut(reason = "the connection was cut", arriving = 0): void {
    this.#toServer.flush(arriving);
    this.#redis.forget(this);
    this.#endClient(reason);
  }

  /** The server ends it because too much waits for the client, and all of that is lost. */
  overrun(): void {
    this.#redis.forget(this);
    this.#toServer.clear();
    this.#toClient.clear();
    this.#toClient.send(() => this.#endClient("the output buffer ran over"));
  }

  /** What is sent either way is held on the line. */
  stall(): void {
    this.#toServer.stall();
    this.#toClient.stall();
  }

  resume(): void {
    this.#toServer.resume();
    this.#toClient.resume();
  }

  /** Things under way to the server. */
  get underWay(): number {
    return this.#toServer.length;
  }

  /** Called by the server. */
  message(channel: string, payload: Uint8Array): void {
    this.#toClient.send(() => {
      if (this.#isOpen) this.#handlers.message(channel, payload);
    });
  }

  #ask(execute: () => Replies): Promise<Replies> {
    if (!this.#isOpen) return Promise.reject(new ConnectionLost("the connection has ended"));
    return new Promise((resolve, reject) => {
      this.#pending.add(reject);
      const answer = () => {
        const replies = execute();
        this.#toClient.send(() => {
          this.#pending.delete(reject);
          resolve(replies);
        });
      };
      this.#toServer.send(() => this.#redis.whenAwake(answer));
    });
  }

  #endClient(reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#toClient.clear();
    for (const fail of this.#pending) fail(new ConnectionLost(reason));
    this.#pending.clear();
    this.#redis.options.clock.after(0, () => this.#handlers.closed(reason));
  }
}

function isScriptLost(reply: Reply | RedisError | undefined): boolean {
  return reply instanceof RedisError && reply.code === "NOSCRIPT";
}
