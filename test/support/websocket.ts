// A raw WebSocket client for tests, on node:net: it can do everything a browser forbids, and never does it unasked.
//
//   const client = await connect(port, { path: "/ws?token=x", protocols: ["fanwire.v1.json"] });
//   client.sendJson({ type: "ping", id: 1 });
//   expect(await client.nextJson()).toMatchObject({ type: "pong", id: 1 });
//   client.close();
//   expect(await client.closed()).toEqual({ code: 1000, reason: "" });
//
// Every wait has a deadline and says at its end what it waited for and what the connection had come to.
import { createHash, randomBytes } from "node:crypto";
import { connect as connectTcp, type Socket } from "node:net";
import { decodeClose, encodeClose, encodeFrame, FrameReader, type OutboundFrame, opcodes } from "./frames.ts";

export { encodeFrame, type OutboundFrame, opcodes } from "./frames.ts";

/** A text message is a string, a binary one bytes. */
export type Message = string | Buffer;

export interface ConnectOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string;
  /** The address to come from, such as `127.0.0.2`. Default: whatever the system takes. */
  readonly localAddress?: string;
  /** Path with query. Default `/`. */
  readonly path?: string;
  /** Offered in this order in one header. */
  readonly protocols?: readonly string[];
  /** Added behind the handshake's own, a name may occur twice; one of the handshake's names replaces it. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** Sent behind the handshake without waiting for its answer, which the standard forbids. */
  readonly early?: Uint8Array;
  /** Answer pings, as the standard wants. Default true. */
  readonly answersPings?: boolean;
  /** Answer a close frame with one and end the connection. Default true. */
  readonly answersClose?: boolean;
  /** How long any single wait may take. Default 5,000 ms. */
  readonly deadlineMs?: number;
}

export interface Closing {
  /** 1006 when the connection ended without a close frame, 1005 when the frame had no code. */
  readonly code: number;
  readonly reason: string;
}

/** A server's answer to a handshake, or to anything else that speaks HTTP. Header names are in lower case. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** The server answered the handshake with something else than 101. */
export class HandshakeRefused extends Error {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;

  constructor(answer: HttpAnswer, body: string) {
    super(`handshake refused: ${answer.status} ${body}`);
    this.status = answer.status;
    this.headers = answer.headers;
    this.body = body;
  }
}

/** Opens a connection. Rejects with `HandshakeRefused`, or with the socket's error. */
export async function connect(port: number, options: ConnectOptions = {}): Promise<WebSocketClient> {
  const socket = connectTcp({
    port,
    host: options.host ?? "127.0.0.1",
    ...(options.localAddress !== undefined && { localAddress: options.localAddress }),
  });
  const key = randomBytes(16).toString("base64");
  socket.write(Buffer.concat([Buffer.from(handshake(port, key, options)), options.early ?? Buffer.of()]));
  const { head, rest } = await within(options.deadlineMs ?? 5_000, readHead(socket), () => "the handshake");
  const answer = parseHead(head);
  if (answer.status !== 101) throw new HandshakeRefused(answer, await readBody(socket, rest, answer));
  const expected = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  if (answer.headers.get("sec-websocket-accept") !== expected) throw new Error("wrong sec-websocket-accept");
  return new WebSocketClient(socket, rest, answer, options);
}

/** Connects where the test expects a refusal, and resolves to it. */
export async function refusal(port: number, options: ConnectOptions = {}): Promise<HandshakeRefused> {
  try {
    const client = await connect(port, options);
    client.destroy();
  } catch (error) {
    if (error instanceof HandshakeRefused) return error;
    throw error;
  }
  throw new Error("the handshake was accepted");
}

/** One open connection. Messages queue up until they are asked for: `next` takes the oldest. */
export class WebSocketClient {
  /** The server's answer to the handshake. */
  readonly answer: HttpAnswer;
  /** The subprotocol it chose, if any. */
  readonly protocol: string | undefined;
  readonly #socket: Socket;
  readonly #options: ConnectOptions;
  readonly #frames = new FrameReader();
  readonly #messages: Message[] = [];
  readonly #pings: string[] = [];
  readonly #pongs: string[] = [];
  #fragments: Buffer[] = [];
  #fragmentsOpcode = 0;
  #closing: Closing | undefined;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void)[] = [];

  constructor(socket: Socket, first: Buffer, answer: HttpAnswer, options: ConnectOptions) {
    this.#socket = socket;
    this.#options = options;
    this.answer = answer;
    this.protocol = answer.headers.get("sec-websocket-protocol");
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => this.#end());
    socket.on("end", () => {
      socket.end();
      this.#end();
    });
    socket.on("close", () => this.#end());
    if (first.length > 0) this.#receive(first);
    if (socket.destroyed || socket.readableEnded) this.#end();
    socket.resume();
  }

  /** The next message. Rejects when the connection ends first. */
  next(): Promise<Message> {
    return this.#take(this.#messages, "a message");
  }

  /** The next message, parsed as JSON. */
  async nextJson<T = Record<string, unknown>>(): Promise<T> {
    return JSON.parse(String(await this.next())) as T;
  }

  /** The next `count` messages. */
  async nextMany(count: number): Promise<Message[]> {
    const messages: Message[] = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Everything sent to this client up to the moment at which the server sees a ping sent now; also nothing. */
  async settled(): Promise<Message[]> {
    const token = randomBytes(8).toString("hex");
    this.ping(token);
    await this.#until(() => this.#pongs.includes(token), "the pong that bounds what has arrived");
    this.#pongs.splice(this.#pongs.indexOf(token), 1);
    return this.#messages.splice(0);
  }

  /** The payload of the next ping from the server. */
  nextPing(): Promise<string> {
    return this.#take(this.#pings, "a ping");
  }

  /** The payload of the next pong from the server. */
  nextPong(): Promise<string> {
    return this.#take(this.#pongs, "a pong");
  }

  /** How the connection ended, once it has: after the last byte. Messages not yet asked for stay available. */
  async closed(): Promise<Closing> {
    await this.#until(() => this.#ended, "the end of the connection");
    return this.#closing ?? { code: 1006, reason: "" };
  }

  /** Reads to the end of the connection: all messages not yet asked for, and how it ended. */
  async rest(): Promise<{ messages: Message[]; closing: Closing }> {
    const closing = await this.closed();
    return { messages: this.#messages.splice(0), closing };
  }

  /** Messages that wait to be asked for. */
  get waiting(): number {
    return this.#messages.length;
  }

  send(payload: string | Uint8Array): void {
    this.sendFrame({ opcode: typeof payload === "string" ? opcodes.text : opcodes.binary, payload });
  }

  sendJson(value: unknown): void {
    this.send(JSON.stringify(value));
  }

  /** One text message in several frames. */
  sendFragments(parts: readonly string[]): void {
    parts.forEach((payload, i) => {
      const opcode = i === 0 ? opcodes.text : opcodes.continuation;
      this.sendFrame({ opcode, payload, fin: i === parts.length - 1 });
    });
  }

  sendFrame(frame: OutboundFrame): void {
    this.sendRaw(encodeFrame(frame));
  }

  sendRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  ping(payload = ""): void {
    this.sendFrame({ opcode: opcodes.ping, payload });
  }

  /** Sends a close frame; `closed` tells how the server answered. */
  close(code = 1000, reason = ""): void {
    this.sendFrame({ opcode: opcodes.close, payload: encodeClose(code, reason) });
  }

  /** Stops reading, so that the server's side fills up: the kernel's buffers first, then the server's own. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Ends the sending half without a close frame. */
  endWriting(): void {
    this.#socket.end();
  }

  /** Drops the connection without a close frame. */
  destroy(): void {
    this.#socket.destroy();
  }

  async #take<T>(queue: T[], what: string): Promise<T> {
    await this.#until(() => queue.length > 0 || this.#ended, what);
    if (queue.length > 0) return queue.shift()!;
    throw new Error(`waited for ${what}, but ${this.#state()}`);
  }

  async #until(reached: () => boolean, what: string): Promise<void> {
    const deadlineMs = this.#options.deadlineMs ?? 5_000;
    const waiting = async () => {
      while (!reached()) {
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#ended) throw new Error(`waited for ${what}, but ${this.#state()}`);
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    };
    await within(deadlineMs, waiting(), () => `${what} (${this.#state()})`);
  }

  #state(): string {
    const closing = this.#closing;
    if (closing !== undefined) return `the connection was closed: ${closing.code} ${closing.reason}`;
    return this.#ended ? "the connection was cut" : `open, ${this.#messages.length} messages unread`;
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.push(chunk)) this.#accept(frame.opcode, frame.fin, frame.payload);
    } catch (error) {
      this.#failure = error as Error;
    }
    this.#notify();
  }

  #accept(opcode: number, fin: boolean, payload: Buffer): void {
    if (opcode === opcodes.ping) {
      this.#pings.push(payload.toString());
      if (this.#options.answersPings ?? true) this.sendFrame({ opcode: opcodes.pong, payload });
    } else if (opcode === opcodes.pong) {
      this.#pongs.push(payload.toString());
    } else if (opcode === opcodes.close) {
      this.#closing = decodeClose(payload);
      if (this.#options.answersClose ?? true) {
        this.sendFrame({ opcode, payload });
        this.#socket.end();
      }
    } else {
      this.#assemble(opcode, fin, payload);
    }
  }

  #assemble(opcode: number, fin: boolean, payload: Buffer): void {
    if (opcode !== opcodes.continuation) this.#fragmentsOpcode = opcode;
    this.#fragments.push(payload);
    if (!fin) return;
    const whole = this.#fragments.length === 1 ? payload : Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#messages.push(this.#fragmentsOpcode === opcodes.text ? whole.toString() : whole);
  }

  #end(): void {
    this.#ended = true;
    this.#notify();
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** Settles as the promise does, or rejects after `deadlineMs` saying what did not come. */
export async function within<T>(deadlineMs: number, promise: Promise<T>, what: () => string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${deadlineMs} ms: ${what()}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function handshake(port: number, key: string, options: ConnectOptions): string {
  const own: [string, string][] = [
    ["Host", `${options.host ?? "127.0.0.1"}:${port}`],
    ["Upgrade", "websocket"],
    ["Connection", "Upgrade"],
    ["Sec-WebSocket-Version", "13"],
    ["Sec-WebSocket-Key", key],
  ];
  if (options.protocols !== undefined) own.push(["Sec-WebSocket-Protocol", options.protocols.join(", ")]);
  const added = options.headers ?? [];
  const replaced = new Set(added.map(([name]) => name.toLowerCase()));
  const lines = [...own.filter(([name]) => !replaced.has(name.toLowerCase())), ...added];
  return `GET ${options.path ?? "/"} HTTP/1.1\r\n${lines.map((line) => line.join(": ")).join("\r\n")}\r\n\r\n`;
}

/** Everything up to the empty line, and what came behind it. */
function readHead(socket: Socket): Promise<{ head: string; rest: Buffer }> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const fail = (error?: Error) => reject(error ?? new Error("the connection ended within the handshake"));
    const read = (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) return;
      // What follows belongs to the next reader, which listens a turn later.
      socket.pause();
      socket.off("data", read).off("error", fail).off("close", fail);
      socket.on("error", () => undefined);
      resolve({ head: bytes.subarray(0, end).toString("latin1"), rest: bytes.subarray(end + 4) });
    };
    socket.on("data", read).once("error", fail).once("close", fail);
  });
}

function parseHead(head: string): HttpAnswer {
  const [statusLine, ...lines] = head.split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(statusLine?.split(" ")[1]), headers };
}

async function readBody(socket: Socket, first: Buffer, answer: HttpAnswer): Promise<string> {
  const length = Number(answer.headers.get("content-length") ?? 0);
  let body = first;
  socket.resume();
  for await (const chunk of body.length < length ? socket : []) {
    body = Buffer.concat([body, chunk as Buffer]);
    if (body.length >= length) break;
  }
  socket.destroy();
  return body.toString();
}
