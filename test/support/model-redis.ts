// A model of one Redis and of the network before it: it implements `Connect` in virtual time, with every fault that a real one has
// to be asked for. What its scripts do is in model-redis-topics.ts, model-redis-instances.ts and model-redis-presence.ts.

import {
  type Call,
  type Connect,
  type ConnectionHandlers,
  ConnectionLost,
  RedisError,
  type Reply,
} from "../../src/bridge/connection.ts";
import type { ScriptName } from "../../src/bridge/scripts.ts";
import { ModelConnection } from "./model-redis-connection.ts";
import { ModelData, text } from "./model-redis-data.ts";
import { modelInstanceScripts } from "./model-redis-instances.ts";
import { modelPresenceScripts } from "./model-redis-presence.ts";
import { type ModelScript, modelTopicScripts } from "./model-redis-topics.ts";

export interface ModelClock {
  now(): number;
  after(delayMs: number, work: () => void): () => void;
}

export interface ModelRedisOptions {
  readonly clock: ModelClock;
  /** How long the next thing takes from one end of a connection to the other; things on one connection never overtake. */
  readonly delayMs: () => number;
  readonly newId: () => string;
  /** Whether a message is lost on its way to one subscriber, although the connection stays. */
  readonly losesMessage?: () => boolean;
}

/** `rollBackTo`: what `snapshot` gave. */
export type Kept = "data" | "nothing" | { readonly rollBackTo: unknown };

const scripts: Readonly<Record<ScriptName, ModelScript>> = {
  ...modelTopicScripts,
  ...modelInstanceScripts,
  ...modelPresenceScripts,
};

export class ModelRedis {
  readonly options: ModelRedisOptions;
  readonly data: ModelData;
  /** The server's side of each connection, and what it subscribed. */
  readonly #connections = new Map<ModelConnection, Set<string>>();
  #replid: string;
  #isPaused = false;
  #isUp = true;
  #isReplica = false;
  #hasScripts = true;
  /** What came while it was paused. */
  #waiting: (() => void)[] = [];
  /** Counted for tests: calls executed, messages published, messages lost. */
  readonly counts = { calls: 0, published: 0, lost: 0 };

  constructor(options: ModelRedisOptions) {
    this.options = options;
    this.#replid = options.newId();
    this.data = new ModelData(options.clock.now, (channel, payload) => this.#publish(channel, payload));
  }

  readonly connect: Connect = (_address, handlers, timeoutMs) => this.#connect(handlers, timeoutMs);

  get connections(): readonly ModelConnection[] {
    return [...this.#connections.keys()];
  }

  snapshot(): unknown {
    return this.data.snapshot();
  }

  /** Ends all connections; nobody gets in until `start`. */
  stop(): void {
    this.#isUp = false;
    this.#isPaused = false;
    this.#waiting = [];
    for (const connection of this.connections) connection.cut("the server ended");
  }

  start(kept: Kept): void {
    if (kept === "nothing") this.data.clear();
    else if (kept !== "data") this.data.restore(kept.rollBackTo);
    this.#isUp = true;
    this.#isReplica = false;
    this.#replid = this.options.newId();
    this.#hasScripts = false;
  }

  restart(kept: Kept): void {
    this.stop();
    this.start(kept);
  }

  /** From now on it refuses to write, and connections stay. */
  demote(): void {
    this.#isReplica = true;
  }

  /** It leads again, or another one does in its place, that may have seen less. Connections end. */
  promote(kept: Kept = "data"): void {
    this.restart(kept);
  }

  flushScripts(): void {
    this.#hasScripts = false;
  }

  loadScripts(): void {
    this.#hasScripts = true;
  }

  /** It keeps its connections and does nothing until `resume`. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) this.whenAwake(work);
  }

  /** What the server does when something has reached it. */
  whenAwake(work: () => void): void {
    if (this.#isPaused) this.#waiting.push(work);
    else work();
  }

  execute(call: Call): Reply | RedisError {
    this.counts.calls += 1;
    if ("command" in call) return this.#command(call.command, call.args.map(copied));
    if (!this.#hasScripts) return new RedisError("NOSCRIPT No matching script. Please use EVAL.");
    if (this.#isReplica) return new RedisError("READONLY You can't write against a read only replica.");
    return scripts[call.script](this.data, call.keys, call.args.map(copied), this.#replid);
  }

  subscribe(connection: ModelConnection, channels: readonly string[]): void {
    for (const channel of channels) this.#connections.get(connection)?.add(channel);
  }

  unsubscribe(connection: ModelConnection, channels: readonly string[]): void {
    for (const channel of channels) this.#connections.get(connection)?.delete(channel);
  }

  /** Whether it has channels. */
  isSubscribed(connection: ModelConnection): boolean {
    return (this.#connections.get(connection)?.size ?? 0) > 0;
  }

  forget(connection: ModelConnection): void {
    this.#connections.delete(connection);
  }

  #connect(handlers: ConnectionHandlers, timeoutMs: number): Promise<ModelConnection> {
    const { clock, delayMs } = this.options;
    return new Promise((resolve, reject) => {
      let isLate = false;
      const cancel = clock.after(timeoutMs, () => {
        isLate = true;
        reject(new ConnectionLost(`no answer within ${timeoutMs} ms`));
      });
      const answer = () => {
        if (isLate) return;
        cancel();
        if (!this.#isUp) {
          reject(new ConnectionLost("connection refused"));
          return;
        }
        this.#hasScripts = true;
        const connection = new ModelConnection(this, handlers);
        this.#connections.set(connection, new Set());
        resolve(connection);
      };
      clock.after(delayMs() + delayMs(), () => this.whenAwake(answer));
    });
  }

  #command(command: string, args: readonly (string | number | Uint8Array)[]): Reply | RedisError {
    if (command === "PING") return Buffer.from("PONG");
    const [first, second, , ttlMs] = args;
    if (command === "PUBLISH") return this.#publish(text(first), Buffer.from(second as Uint8Array));
    if (this.#isReplica) return new RedisError("READONLY You can't write against a read only replica.");
    this.data.setString(text(first), text(second), Number(ttlMs));
    return Buffer.from("OK");
  }

  #publish(channel: string, payload: Uint8Array): number {
    this.counts.published += 1;
    let receivers = 0;
    for (const [connection, channels] of this.#connections) {
      if (!channels.has(channel)) continue;
      receivers += 1;
      if (this.options.losesMessage?.()) this.counts.lost += 1;
      else connection.message(channel, payload);
    }
    return receivers;
  }
}

/** Bytes that have left a node are no longer the node's. */
function copied(argument: string | number | Uint8Array): string | number | Uint8Array {
  return argument instanceof Uint8Array ? Buffer.from(argument) : argument;
}
