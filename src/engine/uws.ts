// The engine on Node.js: sockets and native topics of uWebSockets.js; the only file that uses it.
// The traps of its version 20.48 that this file works around are told where it does so.

import {
  App,
  type HttpResponse as NativeReply,
  type HttpRequest as NativeRequest,
  type RecognizedString,
  type TemplatedApp,
  type us_listen_socket,
  type us_socket_context_t,
  us_socket_local_port,
  type WebSocket,
} from "uWebSockets.js";
import { Buffer } from "node:buffer";
import { announcedLength, BodyCollector, bodyIsGone } from "./body.ts";
import type {
  CreateEngine,
  Engine,
  EngineHandlers,
  EngineLimits,
  HttpReply,
  HttpRequest,
  Payload,
  SendOutcome,
  Socket,
  StreamHandlers,
} from "./engine.ts";
import { engineIdleMs } from "./engine.ts";
import { bindable } from "./free-port.ts";
import { internalError, isWebSocketHandshake } from "./handshake.ts";
import { BufferedStream, noSink, type StreamSink, TurnEnd } from "./response-stream.ts";
import { UwsSink, writeHead, writeReply } from "./uws-reply.ts";

declare module "uWebSockets.js" {
  interface TemplatedApp {
    /** The form with all four arguments exists, but the package's types leave it out. */
    listen(
      host: RecognizedString,
      port: number,
      options: number,
      listening: (token: us_listen_socket | false) => void,
    ): TemplatedApp;
  }
}

/** LIBUS_LISTEN_EXCLUSIVE_PORT. Without it two processes share a port and each gets some of the connections. */
const exclusivePort = 1;

/** Text frames have been checked by uWebSockets. A mark of byte order is a character like any other. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** How often a port that was free a moment ago may be taken from under us before `listen(host, 0)` gives up. */
const freePortAttempts = 5;

export const createUwsEngine: CreateEngine = (handlers, limits) => new UwsEngine(handlers, limits);

/** uWebSockets.js copies the properties of what it upgrades with onto the native socket: this one leads back to ours. */
interface Carrier<Data> {
  readonly socket: UwsSocket<Data>;
}
type Native<Data> = WebSocket<Carrier<Data>>;

/** The one object per connection. Every method of a closed native socket throws: it is let go of when it closes. */
class UwsSocket<Data> implements Socket<Data> {
  readonly data: Data;
  readonly remoteAddress: string;
  native: Native<Data> | undefined = undefined;
  /** The native socket dropped something: nothing may follow it. */
  holed = false;

  constructor(data: Data, remoteAddress: string) {
    this.data = data;
    this.remoteAddress = remoteAddress;
  }

  send(payload: Payload): SendOutcome {
    const native = this.native;
    if (native === undefined || this.holed) return "dropped";
    const status = native.send(payload, typeof payload !== "string");
    // Where it says 2, `dropped` has been called already, and the engine is about to cut this socket.
    return status === 1 ? "sent" : status === 0 ? "queued" : "dropped";
  }

  subscribe(nativeTopic: string): void {
    this.native?.subscribe(nativeTopic);
  }

  unsubscribe(nativeTopic: string): void {
    this.native?.unsubscribe(nativeTopic);
  }

  bufferedBytes(): number {
    return this.native?.getBufferedAmount() ?? 0;
  }

  ping(): void {
    this.native?.ping();
  }

  cork(work: () => void): void {
    if (this.native === undefined) work();
    else this.native.cork(work);
  }

  close(code: number, reason: string): void {
    this.native?.end(code, reason);
  }

  terminate(): void {
    this.native?.close();
  }
}

class UwsEngine<Data> implements Engine<Data> {
  readonly name = "uws";
  readonly #handlers: EngineHandlers<Data>;
  readonly #limits: EngineLimits;
  readonly #app: TemplatedApp;
  readonly #turnEnd = new TurnEnd();
  #lastAddress = "";
  /** Sockets that dropped something and have to be cut, as soon as the native code is not iterating over them. */
  #holed: UwsSocket<Data>[] = [];

  constructor(handlers: EngineHandlers<Data>, limits: EngineLimits) {
    this.#handlers = handlers;
    this.#limits = limits;
    this.#app = App();
    this.#app.ws("/*", this.#websocket(limits));
    this.#app.any("/*", (native, request) => this.#answer(native, copyRequest(native, request)));
  }

  async listen(host: string, port: number): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      // Never ask uSockets for port 0: it then leaves SO_REUSEADDR off, and after `close` the connections in TIME_WAIT
      // keep the port from everybody for a minute.
      const wanted = port === 0 ? await bindable(host, 0) : port;
      const token = await new Promise<us_listen_socket | false>((resolve) => {
        this.#app.listen(host, wanted, exclusivePort, resolve);
      });
      if (token) return us_socket_local_port(token);
      if (port === 0 && attempt < freePortAttempts) continue;
      // uSockets does not say why. Node.js meets the same obstacle and rejects with its name.
      await bindable(host, wanted);
      throw Object.assign(new Error(`${host}:${wanted} was taken a moment ago`), { code: "EADDRINUSE" });
    }
  }

  publish(nativeTopic: string, payload: Payload, except?: Socket<Data>): void {
    if (this.#holed.length > 0) this.#cutHoled();
    const isBinary = typeof payload !== "string";
    // A publish by a socket without any subscription reaches nobody: the app publishes unless there is one to leave out.
    const publisher = except === undefined ? undefined : (except as UwsSocket<Data>).native;
    if (publisher?.isSubscribed(nativeTopic)) publisher.publish(nativeTopic, payload, isBinary);
    else this.#app.publish(nativeTopic, payload, isBinary);
    if (this.#holed.length > 0) this.#cutHoled();
  }

  subscriberCount(nativeTopic: string): number {
    return this.#app.numSubscribers(nativeTopic);
  }

  async close(): Promise<void> {
    this.#app.close();
  }

  /**
   * `dropped` is called while native code walks through subscribers, where closing one would break the walk. So the
   * socket is noted, and cut before anything can be published behind the hole: when the publish that dropped returns,
   * before the next one, or after this phase of the event loop. Direct sends see `holed`.
   */
  #noteHole(socket: UwsSocket<Data>): void {
    if (socket.holed) return;
    socket.holed = true;
    if (this.#holed.push(socket) === 1) setImmediate(() => this.#cutHoled());
  }

  #cutHoled(): void {
    const holed = this.#holed;
    this.#holed = [];
    for (const socket of holed) socket.terminate();
  }

  #websocket(limits: EngineLimits) {
    const handlers = this.#handlers;
    return {
      maxPayloadLength: limits.maxPayloadBytes,
      maxBackpressure: limits.maxBufferedBytes,
      closeOnBackpressureLimit: true,
      idleTimeout: engineIdleMs / 1000,
      sendPingsAutomatically: false,
      compression: 0,
      upgrade: (reply: NativeReply, request: NativeRequest, context: us_socket_context_t) =>
        this.#upgrade(reply, request, context),
      open(native: Native<Data>) {
        const socket = ours(native);
        socket.native = native;
        try {
          handlers.open(socket);
        } catch (error) {
          handlers.failed(error);
          socket.close(1011, "");
        }
      },
      message(native: Native<Data>, message: ArrayBuffer, isBinary: boolean) {
        const socket = ours(native);
        try {
          handlers.message(socket, toPayload(message, isBinary));
        } catch (error) {
          handlers.failed(error);
          socket.close(1011, "");
        }
      },
      drain(native: Native<Data>) {
        const socket = ours(native);
        try {
          handlers.drain(socket);
        } catch (error) {
          handlers.failed(error);
          socket.close(1011, "");
        }
      },
      pong(native: Native<Data>) {
        const socket = ours(native);
        try {
          handlers.pong(socket);
        } catch (error) {
          handlers.failed(error);
          socket.close(1011, "");
        }
      },
      dropped: (native: Native<Data>) => this.#noteHole(ours(native)),
      close(native: Native<Data>, code: number, message: ArrayBuffer) {
        const socket = ours(native);
        socket.native = undefined;
        const reason = Buffer.from(message).toString();
        // Called within `end` and `close` too: fanwire hears of it when its own call has returned.
        queueMicrotask(() => {
          try {
            handlers.closed(socket, code, reason);
          } catch (error) {
            // There is no connection left to close.
            handlers.failed(error);
          }
        });
      },
    };
  }

  /**
   * Decides in this very call. After an `await` the request is gone and the upgrade has to be corked, and this version then
   * closes a socket about a millisecond after it opened.
   */
  #upgrade(reply: NativeReply, request: NativeRequest, context: us_socket_context_t): void {
    const copy = copyRequest(reply, request);
    if (!isWebSocketHandshake(copy)) {
      this.#answer(reply, copy);
      return;
    }
    try {
      const decision = this.#handlers.upgrade(copy);
      if ("refuse" in decision) {
        writeReply(reply, copy, decision.refuse);
        return;
      }
      const carrier: Carrier<Data> = { socket: new UwsSocket(decision.accept, this.#addressOf(copy)) };
      const key = copy.headers.get("sec-websocket-key")!;
      reply.upgrade(carrier, key, decision.subprotocol ?? "", "", context);
    } catch (error) {
      this.#handlers.failed(error);
      writeReply(reply, copy, internalError);
    }
  }

  /** Behind a proxy everybody has the same address: then all keep one string. */
  #addressOf({ remoteAddress }: HttpRequest): string {
    if (remoteAddress !== this.#lastAddress) this.#lastAddress = remoteAddress;
    return this.#lastAddress;
  }

  #answer(native: NativeReply, request: HttpRequest): void {
    let reply: HttpReply | Promise<HttpReply>;
    let isGone = false;
    let body: BodyCollector | undefined;
    const readBody = () => {
      if (isGone) throw bodyIsGone();
      isGone = true;
      body = new BodyCollector(this.#limits, announcedLength(request.headers));
      collect(native, body);
      return body.whole;
    };
    try {
      reply = this.#handlers.http(request, readBody);
    } catch (error) {
      this.#handlers.failed(error);
      reply = internalError;
    }
    isGone = true;
    if (reply instanceof Promise) this.#answerLater(native, request, reply, body);
    else this.#write(native, request, reply);
  }

  /** To be called corked. */
  #write(native: NativeReply, request: HttpRequest, reply: HttpReply): void {
    if (reply.stream) this.#stream(native, reply, reply.stream);
    else writeReply(native, request, reply);
  }

  #stream(native: NativeReply, reply: HttpReply, handlers: StreamHandlers): void {
    writeHead(native, reply);
    const sink = new UwsSink(native);
    const stream = this.#buffered(handlers, sink);
    native.onAborted(() => stream.gone());
    sink.resume(stream);
    stream.opened();
  }

  #buffered(handlers: StreamHandlers, sink: StreamSink): BufferedStream {
    const { failed } = this.#handlers;
    const { maxBufferedBytes } = this.#limits;
    return new BufferedStream({ handlers, maxBufferedBytes, turnEnd: this.#turnEnd, failed }, sink);
  }

  #answerLater(
    native: NativeReply,
    request: HttpRequest,
    pending: Promise<HttpReply>,
    body: BodyCollector | undefined,
  ): void {
    let aborted = false;
    native.onAborted(() => {
      aborted = true;
      body?.fail("aborted");
    });
    void pending
      .catch((error: unknown) => {
        this.#handlers.failed(error);
        return internalError;
      })
      .then((reply) => {
        if (!aborted) native.cork(() => this.#write(native, request, reply));
        else if (reply.stream) this.#buffered(reply.stream, noSink).gone();
      });
  }
}

/** The bytes are the native side's and are taken back when the callback returns. */
function collect(native: NativeReply, into: BodyCollector): void {
  native.onData((chunk, isLast) => {
    if (into.isSettled) return;
    into.add(new Uint8Array(chunk.slice(0)));
    if (isLast) into.end();
  });
}

function ours<Data>(native: Native<Data>): UwsSocket<Data> {
  return (native as unknown as Carrier<Data>).socket;
}

/**
 * The bytes are the native side's and are taken back when the handler returns: both forms are copies. Binary ones are Buffers:
 * those come from Node's pool, where an ArrayBuffer for each frame is allocated by itself, and msgpackr reads strings out of them
 * natively. Together that halved what a MessagePack publication costs beside the kernel's send. A decoder makes a text at a third of
 * what a Buffer and its `toString` take.
 */
function toPayload(message: ArrayBuffer, isBinary: boolean): Payload {
  return isBinary ? Buffer.from(new Uint8Array(message)) : utf8.decode(message);
}

/** The native request is gone when its handler returns. */
function copyRequest(native: NativeReply, request: NativeRequest): HttpRequest {
  const headers = new Map<string, string>();
  request.forEach((name, value) => {
    const earlier = headers.get(name);
    // Cookies are the exception that RFC 9110 makes, and Bun joins them so.
    const glue = name === "cookie" ? "; " : ", ";
    headers.set(name, earlier === undefined ? value : earlier + glue + value);
  });
  return {
    method: request.getCaseSensitiveMethod(),
    path: request.getUrl(),
    query: request.getQuery(),
    headers,
    remoteAddress: Buffer.from(native.getRemoteAddressAsText()).toString(),
  };
}
