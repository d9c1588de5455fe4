// The engine on Bun: sockets and native topics of Bun.serve; the only file that uses Bun's API.
import type { Server, ServerWebSocket } from "bun";
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
import { internalError, isWebSocketHandshake } from "./handshake.ts";
import { BufferedStream, type StreamSink, TurnEnd } from "./response-stream.ts";

/**
 * Bun tells nobody when it drops a publication over `backpressureLimit`, and closes that socket in a later turn only: what
 * is published until then may slip in behind the hole. So its limit is set so far above ours that it is never reached, and
 * ours is kept by looking: after a quarter of the limit was published to topics with a subscriber that is behind (which
 * `publish` does tell), and at once where a publication was dropped all the same.
 */
function nativeLimits(maxBufferedBytes: number) {
  const bytesBetweenLooks = maxBufferedBytes / 4;
  // Bytes are counted in UTF-16 units, up to three bytes each. Behind them may wait what Bun batches within a turn: 32
  // publications of less than 16 KiB for each socket.
  const batched = 32 * 16 * 1024;
  return { bytesBetweenLooks, backpressureLimit: maxBufferedBytes + 3 * bytesBetweenLooks + 2 * batched };
}

/** An upper bound for a frame's header, so that tiny publications count for what they buffer. */
const frameHeaderBytes = 10;

export const createBunEngine: CreateEngine = (handlers, limits) => new BunEngine(handlers, limits);

/** The one object per connection. Bun keeps it as the native socket's `data`; it holds the native socket while that lives. */
class BunSocket<Data> implements Socket<Data> {
  readonly data: Data;
  readonly remoteAddress: string;
  native: ServerWebSocket<BunSocket<Data>> | undefined = undefined;
  readonly #maxBufferedBytes: number;

  constructor(data: Data, remoteAddress: string, maxBufferedBytes: number) {
    this.data = data;
    this.remoteAddress = remoteAddress;
    this.#maxBufferedBytes = maxBufferedBytes;
  }

  send(payload: Payload): SendOutcome {
    const native = this.native;
    if (native === undefined) return "dropped";
    const status = native.send(payload);
    if (status > 0) return "sent";
    // As uWebSockets.js does: what is over the limit before a send does not get it.
    const before = native.getBufferedAmount() - payload.length;
    if (status < 0 && before <= this.#maxBufferedBytes) return "queued";
    // Zero also says that an empty payload left, zero bytes of it.
    if (status === 0 && payload.length === 0 && native.readyState === 1) return "sent";
    // Cut now, so that nothing can follow the hole.
    native.terminate();
    return "dropped";
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
    this.native?.close(code, reason);
  }

  terminate(): void {
    this.native?.terminate();
  }
}

/** Bun keeps what the client has yet to take, all of it, and says when there is nothing left. */
class BunSink implements StreamSink {
  #controller: ReadableStreamDirectController | undefined;
  #stream: BufferedStream | undefined;
  #over: (() => void) | undefined;

  /** Resolves when the stream is over, which ends the answer. */
  serve(controller: ReadableStreamDirectController, stream: BufferedStream): Promise<void> {
    this.#controller = controller;
    this.#stream = stream;
    const over = new Promise<void>((resolve) => {
      this.#over = resolve;
    });
    stream.opened();
    return over;
  }

  write(chunk: string): boolean {
    const written = this.#controller!.write(chunk);
    const flushed = this.#controller!.flush();
    const late = written instanceof Promise ? written : flushed;
    if (!(late instanceof Promise)) return true;
    const drained = () => this.#stream!.drained();
    late.then(drained, drained);
    return false;
  }

  end(): void {
    this.#over?.();
  }

  cut(): void {
    this.#controller?.close(new Error("cut"));
    this.#over?.();
  }
}

class BunEngine<Data> implements Engine<Data> {
  readonly name = "bun";
  readonly #handlers: EngineHandlers<Data>;
  readonly #limits: EngineLimits;
  readonly #open = new Set<BunSocket<Data>>();
  readonly #bytesBetweenLooks: number;
  /** Bytes published to topics with a subscriber that is behind, since the last look at all sockets' buffers. */
  #bytesSinceLook = 0;
  readonly #turnEnd = new TurnEnd();
  #server: Server<BunSocket<Data>> | undefined;
  #lastAddress = "";

  constructor(handlers: EngineHandlers<Data>, limits: EngineLimits) {
    this.#handlers = handlers;
    this.#limits = limits;
    this.#bytesBetweenLooks = nativeLimits(limits.maxBufferedBytes).bytesBetweenLooks;
  }

  async listen(host: string, port: number): Promise<number> {
    // An exclusive port is Bun's default outside of a cluster: `reusePort` is named so that it stays so inside one.
    this.#server = Bun.serve({
      hostname: host,
      port,
      reusePort: false,
      development: false,
      // Out of the way: body.ts counts, and what it refuses is answered with words instead of a bare 413.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      fetch: (request, server) => this.#fetch(request, server),
      websocket: this.#websocket(),
    });
    return this.#server.port!;
  }

  publish(nativeTopic: string, payload: Payload, except?: Socket<Data>): void {
    const publisher = except === undefined ? undefined : (except as BunSocket<Data>).native;
    const status = (publisher ?? this.#server)?.publish(nativeTopic, payload) ?? 1;
    // The worst of all subscribers: -1 where one is behind, 0 where one was dropped, but also where there is nobody.
    if (status > 0) return;
    if (status < 0) this.#noteBehind(payload.length + frameHeaderBytes);
    else if (this.subscriberCount(nativeTopic) > (publisher?.isSubscribed(nativeTopic) ? 1 : 0))
      this.#cutOverLimit();
  }

  subscriberCount(nativeTopic: string): number {
    return this.#server?.subscriberCount(nativeTopic) ?? 0;
  }

  async close(): Promise<void> {
    await this.#server?.stop(true);
  }

  #noteBehind(bytes: number): void {
    this.#bytesSinceLook += bytes;
    if (this.#bytesSinceLook >= this.#bytesBetweenLooks) this.#cutOverLimit();
  }

  #cutOverLimit(): void {
    this.#bytesSinceLook = 0;
    for (const socket of this.#open) {
      if (socket.bufferedBytes() > this.#limits.maxBufferedBytes) socket.terminate();
    }
  }

  #fetch(request: Request, server: Server<BunSocket<Data>>) {
    const copy = copyRequest(request, server.requestIP(request)?.address ?? "");
    if (isWebSocketHandshake(copy)) return this.#upgrade(request, copy, server);
    return this.#answer(request, copy, server);
  }

  #upgrade(request: Request, copy: HttpRequest, server: Server<BunSocket<Data>>): Response | undefined {
    try {
      const decision = this.#handlers.upgrade(copy);
      if ("refuse" in decision) return toResponse(decision.refuse);
      const socket = new BunSocket(decision.accept, this.#addressOf(copy), this.#limits.maxBufferedBytes);
      // Bun echoes the first subprotocol offered unless it is told one; told an empty one it sends none.
      const headers = { "sec-websocket-protocol": decision.subprotocol ?? "" };
      return server.upgrade(request, { data: socket, headers }) ? undefined : toResponse({ status: 400 });
    } catch (error) {
      this.#handlers.failed(error);
      return toResponse(internalError);
    }
  }

  /** Behind a proxy everybody has the same address: then all keep one string. */
  #addressOf({ remoteAddress }: HttpRequest): string {
    if (remoteAddress !== this.#lastAddress) this.#lastAddress = remoteAddress;
    return this.#lastAddress;
  }

  async #answer(request: Request, copy: HttpRequest, server: Server<BunSocket<Data>>): Promise<Response> {
    let isGone = false;
    const readBody = () => {
      if (isGone) throw bodyIsGone();
      isGone = true;
      return this.#readBody(request, copy);
    };
    try {
      const pending = this.#handlers.http(copy, readBody);
      isGone = true;
      const reply = await pending;
      if (!reply.stream) return toResponse(reply);
      // Bun's own, of 10 s: how long a stream may be silent is not an engine's business.
      server.timeout(request, 0);
      return this.#stream(reply, reply.stream);
    } catch (error) {
      this.#handlers.failed(error);
      return toResponse(internalError);
    }
  }

  #stream({ status, headers = {} }: HttpReply, handlers: StreamHandlers): Response {
    const { failed } = this.#handlers;
    const { maxBufferedBytes } = this.#limits;
    const sink = new BunSink();
    const stream = new BufferedStream({ handlers, maxBufferedBytes, turnEnd: this.#turnEnd, failed }, sink);
    const body = new ReadableStream({
      type: "direct",
      pull: (controller) => sink.serve(controller, stream),
      // Also where the client has left before: then there was no `pull`.
      cancel: () => stream.gone(),
    });
    // Without a timeout, an idle connection would stay when the answer has ended.
    return new Response(body, { status, headers: { ...headers, connection: "close" } });
  }

  #readBody(request: Request, copy: HttpRequest): Promise<Uint8Array> {
    const length = announcedLength(copy.headers);
    const collector = new BodyCollector(this.#limits, length);
    if (!collector.isSettled) void collect(request, length, collector);
    return collector.whole;
  }

  #websocket() {
    type Native = ServerWebSocket<BunSocket<Data>>;
    const handlers = this.#handlers;
    const open = this.#open;
    return {
      maxPayloadLength: this.#limits.maxPayloadBytes,
      backpressureLimit: nativeLimits(this.#limits.maxBufferedBytes).backpressureLimit,
      closeOnBackpressureLimit: true,
      idleTimeout: engineIdleMs / 1000,
      sendPings: false,
      perMessageDeflate: false,
      open(native: Native) {
        const socket = native.data;
        socket.native = native;
        open.add(socket);
        try {
          handlers.open(socket);
        } catch (error) {
          handlers.failed(error);
          socket.close(1011, "");
        }
      },
      message(native: Native, payload: Payload) {
        try {
          handlers.message(native.data, payload);
        } catch (error) {
          handlers.failed(error);
          native.data.close(1011, "");
        }
      },
      drain(native: Native) {
        try {
          handlers.drain(native.data);
        } catch (error) {
          handlers.failed(error);
          native.data.close(1011, "");
        }
      },
      pong(native: Native) {
        try {
          handlers.pong(native.data);
        } catch (error) {
          handlers.failed(error);
          native.data.close(1011, "");
        }
      },
      close(native: Native, code: number, reason: string) {
        const socket = native.data;
        socket.native = undefined;
        open.delete(socket);
        // Bun calls this within `close`, `terminate` and `send`: fanwire hears of it when its own call has returned.
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
}

async function collect(request: Request, length: number | undefined, into: BodyCollector): Promise<void> {
  try {
    if (length !== undefined) {
      // Without a stream, which would cost more than most bodies do.
      into.add(new Uint8Array(await request.arrayBuffer()));
    } else {
      for await (const chunk of request.body ?? []) {
        into.add(chunk);
        if (into.isSettled) return;
      }
    }
    into.end();
  } catch {
    into.fail("aborted");
  }
}

function copyRequest(request: Request, remoteAddress: string): HttpRequest {
  const [path, query] = splitTarget(request.url);
  return { method: request.method, path, query, headers: new Map(request.headers), remoteAddress };
}

/** Bun gives an absolute URL, or the bare request target where `Host` is unusable. */
function splitTarget(url: string): [path: string, query: string] {
  const pathAt = url.startsWith("/") ? 0 : url.indexOf("/", url.indexOf("://") + 3);
  const queryAt = url.indexOf("?", pathAt);
  if (queryAt < 0) return [url.slice(pathAt), ""];
  return [url.slice(pathAt, queryAt), url.slice(queryAt + 1)];
}

function toResponse(reply: HttpReply): Response {
  return new Response((reply.body ?? null) as ConstructorParameters<typeof Response>[0], {
    status: reply.status,
    headers: reply.headers ?? {},
  });
}
