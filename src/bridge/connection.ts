// The only door to ioredis: one connection to one Redis, which ends once; knows scripts by their names and nothing of topics.

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { Command, Pipeline, Redis, type RedisOptions } from "ioredis";
import { makeStringsFast } from "./fast-strings.ts";
import { type ScriptName, scripts } from "./scripts.ts";

makeStringsFast();

export type Argument = string | number | Uint8Array;

/** What Redis answers; bulk strings are bytes. */
export type Reply = number | null | Uint8Array | readonly Reply[];

export type Call =
  | {
      readonly script: ScriptName;
      readonly keys: readonly string[];
      readonly args: readonly Argument[];
    }
  | { readonly command: "PUBLISH" | "PING" | "SET"; readonly args: readonly Argument[] };

/** One connection to one Redis. It ends once and never comes back: whoever owns it opens another. */
export interface RedisConnection {
  /**
   * Sends calls in one write and resolves to their replies, in place of a refused one a RedisError. Calls execute in the
   * order of the runs and within them. One exception: where Redis lost its scripts, the calls that found none are repeated, in
   * their order, and calls of other runs under way may come before them; who needs an order then waits for the reply.
   * Rejects with ConnectionLost when the connection ended before every reply was there: nobody knows which were executed.
   */
  run(calls: readonly Call[]): Promise<readonly (Reply | RedisError)[]>;
  /** Resolves when Redis has acknowledged all of them; rejects with RedisError or ConnectionLost. */
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channels: readonly string[]): Promise<void>;
  /** Calls without a reply yet: for bounding what may be dropped. */
  readonly outstanding: number;
  /** Ends it at once; `closed` is called in a later turn. */
  close(): void;
}

export interface ConnectionHandlers {
  /** The payload may be part of a larger buffer, which lives as long as it does. */
  message(channel: string, payload: Uint8Array): void;
  /** Called once, when the connection ended. `reason` is for a log and has no password in it. */
  closed(reason: string): void;
}

/**
 * Opens a connection. `address`: `redis://`, `rediss://` with user, password and database as usual, or a unix socket's path.
 * Rejects with ConnectionLost where it could not be established within `timeoutMs`; no handler is called then.
 */
export type Connect = (
  address: string,
  handlers: ConnectionHandlers,
  timeoutMs: number,
) => Promise<RedisConnection>;

/** Redis refused one call. `code`: its first word, such as READONLY, OOM, LOADING. */
export class RedisError extends Error {
  readonly code: string;

  constructor(message: string) {
    super(message);
    this.name = "RedisError";
    this.code = /^[A-Z]+/.exec(message)?.[0] ?? "ERR";
  }
}

export class ConnectionLost extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "ConnectionLost";
  }
}

/** So many channels a command: a longer one would hold up everybody else's in Redis. */
export const channelsPerCommand = 512;

const shaOf = Object.fromEntries(
  Object.entries(scripts).map(([name, lua]) => [name, createHash("sha1").update(lua).digest("hex")]),
) as Record<ScriptName, string>;

export const connect: Connect = async (address, handlers, timeoutMs) => {
  const connection = new IoredisConnection(address, handlers, timeoutMs);
  await connection.open(timeoutMs);
  return connection;
};

function optionsWith(timeoutMs: number) {
  return {
    lazyConnect: true,
    connectTimeout: timeoutMs,
    // Whoever owns the connection opens a new one and decides what is sent again: ioredis would do both on its own.
    retryStrategy: () => null,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: null,
    // CLIENT SETINFO does not exist in Redis 7.0.
    disableClientInfo: true,
    enableReadyCheck: true,
    keepAlive: 10_000,
  } satisfies RedisOptions;
}

class IoredisConnection implements RedisConnection {
  readonly #redis: Redis;
  readonly #handlers: ConnectionHandlers;
  #outstanding = 0;
  /** Why it ended, or why it soon will; the last error says more than the end itself. */
  #reason = "the connection ended";
  #isOpen = false;
  #hasEnded = false;
  #ended: (() => void) | undefined;
  /** While lost scripts are loaded again: later runs wait for it, so as not to pass those that are repeated. */
  #healing: Promise<unknown> | undefined;

  constructor(address: string, handlers: ConnectionHandlers, timeoutMs: number) {
    this.#handlers = handlers;
    this.#redis = new Redis(address, optionsWith(timeoutMs));
    // Without a listener ioredis writes to the console.
    this.#redis.on("error", (error: Error) => {
      this.#reason = error.message;
    });
    this.#redis.on("end", () => this.#end());
    this.#redis.on("messageBuffer", (channel: Buffer, payload: Buffer) => {
      if (this.#isOpen) handlers.message(channel.toString(), payload);
    });
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  /** Connects, waits until Redis has loaded its data, and gives it the scripts. */
  async open(timeoutMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      this.#ended = () => reject(new ConnectionLost(this.#reason));
      timer = setTimeout(() => reject(new ConnectionLost(`no answer within ${timeoutMs} ms`)), timeoutMs);
    });
    try {
      await Promise.race([this.#redis.connect().then(() => this.#load()), late]);
    } catch (fault) {
      this.#disconnect();
      if (fault instanceof ConnectionLost || fault instanceof RedisError) throw fault;
      throw new ConnectionLost(messageOf(fault) || this.#reason);
    } finally {
      clearTimeout(timer);
      this.#ended = undefined;
    }
    if (this.#hasEnded) throw new ConnectionLost(this.#reason);
    this.#isOpen = true;
  }

  async run(calls: readonly Call[]): Promise<readonly (Reply | RedisError)[]> {
    this.#outstanding += calls.length;
    try {
      while (this.#healing) await this.#healing;
      const replies = await this.#send(calls);
      const lost = calls.filter((_, index) => isScriptLost(replies[index]));
      if (lost.length === 0) return replies;
      const repeated = await this.#repeat(lost);
      let next = 0;
      return replies.map((reply) => (isScriptLost(reply) ? repeated[next++]! : reply));
    } finally {
      this.#outstanding -= calls.length;
    }
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.#forChannels("subscribe", channels);
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    await this.#forChannels("unsubscribe", channels);
  }

  close(): void {
    this.#reason = "closed by this node";
    this.#disconnect();
  }

  /** ioredis ends a connection politely, which a Redis that does not answer makes last: its socket is destroyed. */
  #disconnect(): void {
    this.#redis.disconnect();
    this.#redis.stream?.destroy();
  }

  /** Sends calls again whose scripts were not there: they were not executed. */
  async #repeat(calls: readonly Call[]): Promise<(Reply | RedisError)[]> {
    const healing = (this.#healing ?? Promise.resolve()).then(() => this.#loadAndSend(calls));
    this.#healing = healing;
    try {
      return await healing;
    } finally {
      if (this.#healing === healing) this.#healing = undefined;
    }
  }

  async #loadAndSend(calls: readonly Call[]): Promise<(Reply | RedisError)[]> {
    try {
      await this.#load();
    } catch (fault) {
      if (fault instanceof RedisError) return calls.map(() => fault);
      throw fault;
    }
    return this.#send(calls);
  }

  async #load(): Promise<void> {
    const pipeline = this.#redis.pipeline();
    for (const lua of Object.values(scripts)) pipeline.script("LOAD", lua);
    for (const [error] of (await pipeline.exec()) ?? []) {
      if (error) throw this.#faultOf(error);
    }
  }

  async #send(calls: readonly Call[]): Promise<(Reply | RedisError)[]> {
    // A pipeline costs as much as the call itself, and most runs of a node with little to do have one.
    if (calls.length === 1) return [await this.#sendOne(calls[0]!)];
    const pipeline = new Pipeline(this.#redis);
    for (const call of calls) pipeline.sendCommand(new EncodedCall(call));
    const results = (await pipeline.exec()) ?? [];
    return results.map(([error, reply]) => {
      if (!error) return reply as Reply;
      const fault = this.#faultOf(error);
      if (fault instanceof ConnectionLost) throw fault;
      return fault;
    });
  }

  async #sendOne(call: Call): Promise<Reply | RedisError> {
    try {
      return (await this.#redis.sendCommand(new EncodedCall(call))) as Reply;
    } catch (error) {
      const fault = this.#faultOf(error);
      if (fault instanceof ConnectionLost) throw fault;
      return fault;
    }
  }

  async #forChannels(command: "subscribe" | "unsubscribe", channels: readonly string[]): Promise<void> {
    const pending: Promise<unknown>[] = [];
    for (let from = 0; from < channels.length; from += channelsPerCommand) {
      pending.push(this.#redis[command](...channels.slice(from, from + channelsPerCommand)));
    }
    try {
      await Promise.all(pending);
    } catch (fault) {
      throw this.#faultOf(fault);
    }
  }

  #faultOf(fault: unknown): RedisError | ConnectionLost {
    if (fault instanceof ConnectionLost || fault instanceof RedisError) return fault;
    const isReply = fault instanceof Error && fault.name === "ReplyError";
    if (isReply) return new RedisError(fault.message);
    return new ConnectionLost(this.#hasEnded ? this.#reason : messageOf(fault));
  }

  #end(): void {
    this.#hasEnded = true;
    this.#ended?.();
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#handlers.closed(this.#reason);
  }
}

/**
 * A call that is put into its bytes here: where one argument is binary, ioredis takes a dozen operations on buffers for each of
 * the others, which was nine tenths of what a call cost.
 */
class EncodedCall extends Command {
  readonly #encoded: string | Buffer;

  constructor(call: Call) {
    super("command" in call ? call.command : "EVALSHA", [], { replyEncoding: null });
    this.#encoded = encode(wordsOf(call));
  }

  override toWritable(): string | Buffer {
    return this.#encoded;
  }
}

function wordsOf(call: Call): readonly Argument[] {
  if ("command" in call) return [call.command, ...call.args];
  const { script, keys, args } = call;
  return ["EVALSHA", shaOf[script], keys.length, ...keys, ...args];
}

/** The words as a request of Redis's protocol: text as long as possible, so that there are few parts to put together. */
function encode(words: readonly Argument[]): string | Buffer {
  const parts: (string | Uint8Array)[] = [];
  let text = `*${words.length}\r\n`;
  for (const word of words) {
    if (word instanceof Uint8Array) {
      parts.push(`${text}$${word.length}\r\n`, word);
      text = "\r\n";
    } else {
      const written = typeof word === "string" ? word : String(word);
      text += `$${Buffer.byteLength(written)}\r\n${written}\r\n`;
    }
  }
  return parts.length === 0 ? text : joined([...parts, text]);
}

function joined(parts: readonly (string | Uint8Array)[]): Buffer {
  let length = 0;
  for (const part of parts) length += typeof part === "string" ? Buffer.byteLength(part) : part.length;
  const whole = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) {
    if (typeof part === "string") at += whole.write(part, at);
    else {
      whole.set(part, at);
      at += part.length;
    }
  }
  return whole;
}

function isScriptLost(reply: Reply | RedisError | undefined): boolean {
  return reply instanceof RedisError && reply.code === "NOSCRIPT";
}

function messageOf(fault: unknown): string {
  return fault instanceof Error ? fault.message : String(fault);
}
