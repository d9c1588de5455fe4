// The first seam: what fanwire asks of a runtime's sockets and native topics; knows nothing of frames, sessions or topics.
// Implementations: bun.ts (Bun.serve) and uws.ts (uWebSockets.js on Node.js). test/contract/engine.ts holds both to these words.

import type { BodyLimits } from "./body.ts";

/** One WebSocket message. A string travels as a text frame, bytes as a binary frame. */
export type Payload = string | Uint8Array;

/**
 * What became of a direct send. `sent`: the kernel has it, or gets it when the present turn ends. `queued`: it waits in the
 * socket's buffer and leaves in order. `dropped`: it will never leave (the socket is closed, or is being cut for being over
 * `maxBufferedBytes`).
 */
export type SendOutcome = "sent" | "queued" | "dropped";

/**
 * One WebSocket connection.
 *
 * Order: what is sent directly and what is published natively reach the peer in the order of the calls, whatever their
 * size. A socket receives what is published to a native topic after `subscribe` returned, and everything published before
 * `unsubscribe` was called, also when both happen in one turn.
 *
 * After the connection has closed every method is a harmless no-op: `send` answers `dropped`, `bufferedBytes` 0, and `cork`
 * still runs its work.
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
   * code, after this call has returned. A peer that never answers is cut after the engine's idle time (120 s). On a socket
   * already over `maxBufferedBytes` uWebSockets.js loses the frame and what is queued: the peer sees 1006.
   */
  close(code: number, reason: string): void;
  /** Cuts the connection without a close frame. `closed` is called with 1006. */
  terminate(): void;
}

/** What is known of a request: a copy, valid for as long as anybody likes. */
export interface HttpRequest {
  readonly method: string;
  /** The path without the query, not decoded. As sent, except that Bun has resolved `.` and `..`. It begins with `/`. */
  readonly path: string;
  /** The query without `?`, as sent. */
  readonly query: string;
  /** Header names in lower case. A header sent twice is joined by `, `, a cookie by `; `. */
  readonly headers: ReadonlyMap<string, string>;
  readonly remoteAddress: string;
}

/**
 * The request's body, whole; empty where there is none. Rejects with a BodyError (body.ts). It can be asked for once, and
 * only within the call of `http` itself, because what nobody asks for by then is thrown away as it arrives, at no cost.
 */
export type ReadBody = () => Promise<Uint8Array>;

export interface HttpReply {
  readonly status: number;
  /** `connection: close` ends the connection behind the answer. Needed where a body was not read to its end. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** In place of a body: the answer goes on. Not in an answer to HEAD, nor in a refusal of a handshake. */
  readonly stream?: StreamHandlers;
}

/**
 * An answer that goes on until one side ends it. What is sent reaches the client in the order of the calls. No silence ends it;
 * of a client that has something to read and takes none of it for 10 s uWebSockets.js cuts the connection.
 *
 * After it is over every method is a harmless no-op: `send` answers `dropped`, `bufferedBytes` 0, and `cork` still runs its
 * work.
 */
export interface ResponseStream {
  /** As `Socket.send`; a stream over `maxBufferedBytes` before the call is cut. */
  send(payload: string): SendOutcome;
  /**
   * Bytes handed over that the kernel has not taken yet, those of the present turn included. About: on uWebSockets.js the last
   * 16 KiB may be missing from it, and of the 64 KiB that an engine holds itself those that left meanwhile are still counted.
   */
  bufferedBytes(): number;
  /** Runs `work` at once. All that is sent in one turn shares writes anyway. */
  cork(work: () => void): void;
  /**
   * Ends the answer behind everything already sent. A client that does not read it is cut, within 120 s. The connection is closed,
   * at once by Bun, by uWebSockets.js when it has been idle for 10 s.
   */
  end(): void;
  /** Cuts the connection. */
  terminate(): void;
}

/**
 * The engine's calls into whoever goes on with an answer: `open`, then `drain` as often as it likes, then `closed` exactly once
 * and nothing after it. Where the client has left before the answer was there, only `closed`. None comes within a call into the
 * engine, and one that throws ends its own stream.
 */
export interface StreamHandlers {
  /** The head is written, and leaves together with the first that is sent: so something has to be sent within this call. */
  open(stream: ResponseStream): void;
  /** The buffer shrank. */
  drain(): void;
  /** It is over: ended or cut by us, or by the client, which nothing tells apart from a lost connection. */
  closed(): void;
}

/** The answer to a WebSocket handshake. `subprotocol` is echoed exactly so; without it none is. */
export type UpgradeDecision<Data> =
  | { readonly accept: Data; readonly subprotocol?: string }
  | { readonly refuse: HttpReply };

/**
 * The engine's calls into fanwire. They never overlap, and one that throws harms nobody but its own connection.
 * Per connection: `upgrade`, then `open`, then any of the others, then `closed` exactly once and nothing after it. `closed`
 * never comes within a call into the engine, so that a loop which sends to many sockets sees none of them go meanwhile.
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
  /**
   * Any request that is not a WebSocket handshake. A rejected promise becomes a 500. Pipelined requests are answered in order,
   * as long as each answer is there when the next request is: where one waits for more than its body and settled promises,
   * both engines cut the connection as soon as another request is behind it, without an answer to either. So nobody waits in
   * vain, and who pipelined has to ask again (RFC 9112, section 9.3.2). Neither engine can be told to hold the second back.
   */
  http(request: HttpRequest, readBody: ReadBody): HttpReply | Promise<HttpReply>;
  /** One of the above threw, or rejected. The engine has dealt with the connection; this is for the log, and must not throw. */
  failed(error: unknown): void;
}

export interface EngineLimits extends BodyLimits {
  /** Largest inbound message. A larger one cuts the connection: the peer sees 1009 from Bun, `closed` says 1006 on both. */
  readonly maxPayloadBytes: number;
  /**
   * A socket over it is cut, 1006, by the next thing meant for it; on Bun a publication may take a quarter more until then.
   * What the peer did get before that has no hole: nothing is ever sent behind something dropped.
   */
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
  /** Stops listening, cuts what is still connected (1006, or 1001 on Bun) and resolves once the port is free again. */
  close(): Promise<void>;
}

export type CreateEngine = <Data>(handlers: EngineHandlers<Data>, limits: EngineLimits) => Engine<Data>;
