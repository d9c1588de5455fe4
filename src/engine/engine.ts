// The first seam: what fanwire asks of a runtime's sockets and native topics; knows nothing of frames, sessions or topics.
// Implementations: bun.ts (Bun.serve) and uws.ts (uWebSockets.js on Node.js). test/contract/engine.ts holds both to these words.

/** One WebSocket message. A string travels as a text frame, bytes as a binary frame. */
export type Payload = string | Uint8Array;

/**
 * What became of a direct send. `sent`: the kernel has it. `queued`: it waits in the socket's buffer and leaves in order.
 * `dropped`: it will never leave (the socket is closed, or over `maxBufferedBytes` and about to be closed).
 */
export type SendOutcome = "sent" | "queued" | "dropped";

/**
 * One WebSocket connection.
 *
 * Order: what is sent directly and what is published natively reach the peer in the order of the calls, whatever their
 * size. A socket receives what is published to a native topic after `subscribe` returned, and everything published before
 * `unsubscribe` was called, also when both happen in one turn.
 *
 * After the connection has closed every method is a harmless no-op: `send` answers `dropped`, `bufferedBytes` 0.
 */
export interface Socket<Data> {
  /** The object that `upgrade` accepted the connection with. */
  readonly data: Data;
  /** The peer's address as the kernel knows it. */
  readonly remoteAddress: string;
  send(payload: Payload): SendOutcome;
  subscribe(nativeTopic: string): void;
  unsubscribe(nativeTopic: string): void;
  /** Bytes handed over that the kernel has not taken yet. Native publications of the present turn may be missing from it. */
  bufferedBytes(): number;
  /** Sends a WebSocket ping; the answer arrives at `pong`. */
  ping(): void;
  /** Runs `work` at once and lets the direct sends in it share writes. */
  cork(work: () => void): void;
  /**
   * Sends a close frame behind everything already queued, then ends the connection. `closed` is called once, with this
   * code, within this call or in a later turn. A peer that never answers is cut after the engine's idle time (120 s).
   */
  close(code: number, reason: string): void;
  /** Cuts the connection without a close frame. `closed` is called with 1006. */
  terminate(): void;
}

/** What is known of a request: a copy, valid for as long as anybody likes. */
export interface HttpRequest {
  readonly method: string;
  /** The path without the query, as sent: it begins with `/` and is not decoded. */
  readonly path: string;
  /** The query without `?`, as sent. */
  readonly query: string;
  /** Header names in lower case. A header sent twice is joined by `, `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
}

export interface HttpReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The answer to a WebSocket handshake. `subprotocol` is echoed exactly so; without it none is. */
export type UpgradeDecision<Data> =
  | { readonly accept: Data; readonly subprotocol?: string }
  | { readonly refuse: HttpReply };

/**
 * The engine's calls into fanwire. They never overlap, and one that throws harms nobody but its own connection.
 * Per connection: `upgrade`, then `open`, then any of the others, then `closed` exactly once and nothing after it.
 */
export interface EngineHandlers<Data> {
  /** Decides at once: an engine cannot wait here (see the traps in uws.ts), so tokens are verified after `open`. */
  upgrade(request: HttpRequest): UpgradeDecision<Data>;
  open(socket: Socket<Data>): void;
  /** One whole message, at most `maxPayloadBytes`. The payload belongs to the receiver. */
  message(socket: Socket<Data>, payload: Payload): void;
  /** The socket's buffer shrank. It may hold bytes still: ask `bufferedBytes`. */
  drain(socket: Socket<Data>): void;
  pong(socket: Socket<Data>): void;
  closed(socket: Socket<Data>, code: number, reason: string): void;
  /** Any request that is not a WebSocket handshake. A rejected promise becomes a 500. */
  http(request: HttpRequest): HttpReply | Promise<HttpReply>;
}

export interface EngineLimits {
  /** Largest inbound message. A larger one closes the connection: 1009 on Bun, a bare 1006 on uWebSockets.js. */
  readonly maxPayloadBytes: number;
  /** A socket that would have to buffer more is closed: nothing is ever dropped from a socket that lives on. */
  readonly maxBufferedBytes: number;
}

/** How long an engine keeps a connection from which nothing at all arrives. fanwire's own heartbeat is faster. */
export const engineIdleMs = 120_000;

/** One listening server. Two engines in one process do not know of each other. */
export interface Engine<Data> {
  readonly name: "bun" | "uws";
  /**
   * Listens and resolves to the port (0 asks for any free one). A port is never shared: when it is taken, or the host is
   * not ours, this rejects with an error whose `code` is the system's (`EADDRINUSE`…). Called once.
   */
  listen(host: string, port: number): Promise<number>;
  /**
   * Hands the payload to every socket subscribed to the native topic, except one. Natively: no JavaScript per subscriber.
   * Says nothing of delivery; a socket that cannot take it is closed (see `maxBufferedBytes`).
   */
  publish(nativeTopic: string, payload: Payload, except?: Socket<Data>): void;
  subscriberCount(nativeTopic: string): number;
  /** Stops listening, cuts what is still connected and resolves once the port is free again. */
  close(): Promise<void>;
}

export type CreateEngine = <Data>(handlers: EngineHandlers<Data>, limits: EngineLimits) => Engine<Data>;
