// The client of fanwire's protocol 1 for browsers, Bun, Node.js 22 and Deno: the library's entry, which puts its parts together.

import type { Position } from "../bridge/bridge.ts";
import type { OkFrame, ServerFrame } from "../wire/frames.ts";
import { Connection, type Unnumbered } from "./connection.ts";
import { addressOf, type Environment, environmentFor } from "./environment.ts";
import { FanwireClientError, refusal } from "./error.ts";
import { type ClientFormat, json } from "./format.ts";
import type {
  ClientEvents,
  ClientOptions,
  ClientState,
  HistoryPage,
  Listening,
  Presence,
  PublishOptions,
  ReliablePublishOptions,
  SubscribeOptions,
} from "./options.ts";
import { Requests } from "./requests.ts";
import { own, Subscriptions } from "./subscriptions.ts";
import { VolatileNamespaces } from "./volatile-namespaces.ts";

export type { Position } from "../bridge/bridge.ts";
export type { Mode, PublicationItem, Snapshot } from "../wire/frames.ts";
export { FanwireClientError } from "./error.ts";
export type { ClientFormat } from "./format.ts";
export type * from "./options.ts";

/**
 * Connects at once, and stays connected until `close`.
 *
 * `url`: `ws://…/ws` or `wss://…/ws`; `http` and `https` stand for these, and in a page it may be relative: `/ws`.
 *
 * Throws TypeError where the address is none, or the runtime has no WebSocket (Node.js before 22).
 */
export function createClient(url: string | URL, options: ClientOptions = {}): Client {
  const client = new Client(url, options);
  client.connect();
  return client;
}

export class Client {
  readonly #options: ClientOptions;
  readonly #connection: Connection;
  readonly #requests: Requests;
  readonly #subscriptions: Subscriptions;
  readonly #environment: Environment;
  readonly #handlers = new Map<string, Set<(value: never) => void>>();
  readonly #keyPrefix: string;
  #keys = 0;

  /** Does not connect by itself: `createClient` does. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    this.#options = options;
    const environment = environmentFor(options);
    this.#environment = environment;
    const format: ClientFormat = options.format ?? json;
    // The client asks for what its application wants, so nothing is joined for it.
    const address = addressOf(url, { room: options.room, join: "none" });
    const volatile = new VolatileNamespaces();
    this.#keyPrefix = [0, 0].map(() => environment.random().toString(36).slice(2)).join("");
    const connection = new Connection(environment, address, format, options, {
      state: (state) => this.#emit("state", state),
      connected: ({ userId }) => {
        // First what was listened to, then what waits: a publication that asks for a subscription finds it.
        this.#subscriptions.connected(userId);
        this.#requests.connected(userId);
      },
      frame: (frame) => this.#receive(frame),
      lost: (code) => {
        this.#subscriptions.lost();
        this.#requests.lost(code);
      },
      error: (error) => this.#emit("error", error),
      traffic: (direction, frame) => this.#emit("traffic", { direction, frame }),
      left: (topics) => this.#subscriptions.left(topics),
    });
    this.#connection = connection;
    const { maxPending = 1_000 } = options;
    this.#requests = new Requests({ environment, connection, volatile, maxPending });
    this.#subscriptions = new Subscriptions(environment, connection, volatile, guard);
  }

  get state(): ClientState {
    return this.#connection.state;
  }

  /** Calls the handler whenever this happens, until the function it returns is called. */
  on<Name extends keyof ClientEvents>(event: Name, handler: (value: ClientEvents[Name]) => void): () => void {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  /**
   * Listens to a topic, through all losses of the connection, until `unsubscribe`. What the application may rely on stands at
   * `SubscribeOptions`. Throws TypeError where the topic is listened to already.
   */
  subscribe(topic: string, options: SubscribeOptions): Listening {
    return this.#subscriptions.add(topic, options);
  }

  /** Listens to `user:<own id>`: what is sent to this user, on all their devices. */
  subscribeUser(options: SubscribeOptions): Listening {
    return this.subscribe(own, options);
  }

  /**
   * Publishes once, in `stream` and `latest` topics also if it has to be repeated, and resolves to the publication's position.
   * Without a connection it waits for one. Publications are made in the order of the calls; but one that the server refuses for
   * now (`rate-limited`, `unavailable`) is made after those that were under way behind it.
   *
   * In volatile topics it resolves to undefined once it was accepted, and is not repeated: `send` suits them better.
   *
   * Rejects with FanwireClientError: the server's codes; `timeout` where it was not sent within `publishTimeoutMs`;
   * `outcome-unknown` where it was sent and nothing was heard of it; `too-many`, `bad-data`, `closed`.
   */
  async publish(
    topic: string,
    data: unknown,
    options: ReliablePublishOptions = {},
  ): Promise<Position | undefined> {
    const { timeoutMs = this.#options.publishTimeoutMs ?? 60_000, idempotencyKey, ...rest } = options;
    const key = idempotencyKey ?? `${this.#keyPrefix}-${++this.#keys}`;
    const frame = {
      type: "publish",
      topic,
      data,
      ...rest,
      ...(rest.echo === undefined && { idempotencyKey: key }),
    };
    const { epoch, offset } = await this.#request(frame, timeoutMs);
    return offset === undefined ? undefined : { epoch: epoch as string, offset: offset as number };
  }

  /**
   * Publishes without waiting for an answer: cursors, input, what is worthless later. It is dropped, and false is answered, where
   * there is no connection or more than `maxBufferedBytes` wait for the network. What the server says against it comes as `error`.
   */
  send(topic: string, data: unknown, options: PublishOptions = {}): boolean {
    const { maxBufferedBytes = 262_144 } = this.#options;
    if (this.state.state !== "connected" || this.#connection.bufferedBytes > maxBufferedBytes) return false;
    this.#connection.send({ type: "publish", topic, data, ...options });
    return true;
  }

  /**
   * Asks the server's application, and resolves to what its handler returned. Sent once: a connection that is lost before the
   * answer rejects `outcome-unknown`. Other codes: the server's, and the handler's own.
   */
  async call<Result = unknown>(method: string, data: unknown = null, timeoutMs?: number): Promise<Result> {
    return (await this.#ask({ type: "call", method, data }, timeoutMs)).data as Result;
  }

  /** A page of a stream's history: after `since`, or the newest; at most `limit` publications, by default 100. */
  async history(topic: string, options: { since?: Position; limit?: number } = {}): Promise<HistoryPage> {
    return (await this.#ask({ type: "history", topic, ...options })) as unknown as HistoryPage;
  }

  /** Who is in a topic, in namespaces with presence. */
  async presence(topic: string): Promise<Presence> {
    return (await this.#ask({ type: "presence", topic })) as unknown as Presence;
  }

  /** The round trip to the node, in milliseconds. */
  async ping(): Promise<number> {
    const { clock } = this.#environment;
    const sentAtMs = clock.now();
    await this.#ask({ type: "ping" });
    return clock.now() - sentAtMs;
  }

  /** Opens after `close`, or hurries a pause: topics that were not left are listened to again, from where they were. */
  connect(): void {
    this.#connection.connect();
  }

  /** Ends the connection and all that waits. Nothing is left behind: no socket, no timer. */
  close(): void {
    this.#connection.close();
  }

  #ask(frame: object, timeoutMs = this.#options.requestTimeoutMs ?? 10_000): Promise<OkFrame> {
    return this.#request(frame, timeoutMs);
  }

  async #request(frame: object, timeoutMs: number): Promise<OkFrame> {
    if (this.state.state === "closed") throw new FanwireClientError("closed", "The client is closed.");
    return this.#requests.request(frame as Unnumbered, timeoutMs);
  }

  #receive(frame: ServerFrame): void {
    if (frame.type !== "error") return void this.#subscriptions.frame(frame);
    // An answer that nobody waits for any more is nobody's error.
    if (frame.id === undefined) this.#emit("error", refusal(frame));
  }

  #emit<Name extends keyof ClientEvents>(event: Name, value: ClientEvents[Name]): void {
    if (event === "state" && (value as ClientState).state === "closed") this.#requests.close();
    for (const handler of this.#handlers.get(event) ?? []) guard(() => handler(value as never));
  }
}

/** The application's exceptions are reported as any unhandled one, and stop nobody else. */
function guard(work: () => void): void {
  try {
    work();
  } catch (error) {
    void Promise.reject(error);
  }
}
