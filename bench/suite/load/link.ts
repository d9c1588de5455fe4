// One connection of the generator over a raw Bun socket: upgrade, greeting, then every frame to a listener. Knows a protocol only
// by its interface, and counts nothing but chunks, frames and bytes.

import { maskedFrame, opcode, scanFrames } from "../../client/frames.ts";
import type { Greeting, Member, Protocol, Recovery, Sink } from "../protocol.ts";

export interface LinkSettings {
  readonly port: number;
  /** The generator's own address: one address has ports for some 28,000 connections to one server. */
  readonly source: string;
  readonly protocol: Protocol;
  readonly member: Member;
  readonly listener: LinkListener;
  /** Of a member that comes back. */
  readonly recovery?: Recovery | undefined;
}

/** Hears what arrives; `arriving` comes before the deliveries of each received chunk. */
export interface LinkListener extends Sink {
  arriving(link: Link): void;
  /** The server, or the way to it, ended the connection. Not called for a link that was never ready. */
  lost(link: Link): void;
}

type BunSocket = Bun.Socket<Link>;

/** A handshake that takes longer has failed. */
const openTimeoutMs = 30_000;

export class Link {
  /** Of all links of the process. `strangers`: frames that held no publication and asked for no answer. */
  static readonly totals = { chunks: 0, frames: 0, bytes: 0, strangers: 0 };

  readonly member: Member;
  readonly port: number;
  isClosed = false;
  readonly #socket: BunSocket;
  readonly #protocol: Protocol;
  readonly #listener: LinkListener;
  readonly #greeting: Greeting | undefined;
  readonly #recovery: Recovery | undefined;
  #rest: Buffer | undefined;
  #unsent: Buffer[] = [];
  #state: "upgrading" | "greeting" | "ready" = "upgrading";
  #opened: { resolve(link: Link): void; reject(error: Error): void } | undefined;

  private constructor(socket: BunSocket, settings: LinkSettings) {
    this.#socket = socket;
    this.#protocol = settings.protocol;
    this.#listener = settings.listener;
    this.member = settings.member;
    this.port = settings.port;
    this.#recovery = settings.recovery;
    this.#greeting = settings.protocol.greeting(settings.member, settings.recovery);
  }

  /** Resolves once the server has confirmed all of the member's topics. */
  static async open(settings: LinkSettings): Promise<Link> {
    // Before it is connected a socket has no link yet.
    const ended = ({ data }: { data: Link | undefined }) => (data === undefined ? undefined : data.#ended());
    // `localAddress` exists and works, but Bun's types leave it out.
    const source = { localAddress: settings.source };
    const socket = await Bun.connect<Link>({
      hostname: "127.0.0.1",
      port: settings.port,
      ...source,
      socket: {
        data: (bunSocket, chunk) => bunSocket.data.#received(chunk),
        drain: (bunSocket) => bunSocket.data.#flush(),
        close: (bunSocket) => ended(bunSocket),
        error: (bunSocket) => ended(bunSocket),
      },
    });
    const link = new Link(socket, settings);
    socket.data = link;
    return new Promise((resolve, reject) => {
      link.#opened = { resolve, reject };
      setTimeout(() => link.#fail(new Error("not ready in time")), openTimeoutMs).unref();
      link.write(Buffer.from(upgradeRequest(settings)));
    });
  }

  /** The buffer may be reused after the call. */
  write(bytes: Buffer): void {
    if (this.isClosed) return;
    const written = this.#unsent.length > 0 ? 0 : Math.max(0, this.#socket.write(bytes));
    if (written < bytes.length) this.#unsent.push(Buffer.from(bytes.subarray(written)));
  }

  /** Ends it with a reset: no goodbye, no port that stays taken for a minute. The listener does not hear of it. */
  cut(): void {
    this.isClosed = true;
    this.#socket.terminate();
  }

  #flush(): void {
    const waiting = this.#unsent;
    this.#unsent = [];
    for (const bytes of waiting) this.write(bytes);
  }

  #received(chunk: Buffer): void {
    Link.totals.chunks++;
    Link.totals.bytes += chunk.length;
    // In a handshake too: the chunk with its last answer may hold the first publications.
    this.#listener.arriving(this);
    let buffer = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    if (this.#state === "upgrading") {
      const headEnd = buffer.indexOf("\r\n\r\n");
      if (headEnd === -1) {
        this.#rest = Buffer.from(buffer);
        return;
      }
      const head = buffer.toString("latin1", 0, headEnd);
      if (!head.startsWith("HTTP/1.1 101")) {
        this.#fail(new Error(head.split("\r\n", 1)[0]));
        return;
      }
      this.#upgraded();
      buffer = buffer.subarray(headEnd + 4);
    }
    const used = scanFrames(buffer, this);
    // A copy: the socket's buffer is Bun's and may be filled again.
    if (used < buffer.length) this.#rest = Buffer.from(buffer.subarray(used));
  }

  #upgraded(): void {
    if (this.#greeting === undefined) {
      this.#becomeReady();
      return;
    }
    this.#state = "greeting";
    for (const frame of this.#greeting.first()) this.write(frame);
  }

  #becomeReady(): void {
    this.#state = "ready";
    this.#opened?.resolve(this);
    this.#opened = undefined;
  }

  /** Called by scanFrames. */
  frame(code: number, buffer: Buffer, start: number, end: number): void {
    if (code === opcode.ping) this.write(maskedFrame(opcode.pong, buffer.subarray(start, end)));
    else if (code === opcode.close) this.#socket.end();
    else if (code === opcode.pong) return;
    else if (this.#state === "ready") this.#heard(buffer, start, end);
    else this.#greeted(buffer, start, end);
  }

  #heard(buffer: Buffer, start: number, end: number): void {
    Link.totals.frames++;
    this.#recovery?.heard(buffer, start, end);
    const found = this.#protocol.read(buffer, start, end, this.#listener);
    if (found > 0 && this.#protocol.hasPingsAmongPublications !== true) return;
    const answer = this.#protocol.control?.(buffer, start, end);
    if (answer !== undefined) this.write(answer);
    else if (found === 0) Link.totals.strangers++;
  }

  #greeted(buffer: Buffer, start: number, end: number): void {
    try {
      const next = this.#greeting?.heard(buffer, start, end) ?? "ready";
      this.#recovery?.missed(buffer, start, end, this.#listener);
      if (next === "ready") this.#becomeReady();
      else for (const frame of next) this.write(frame);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    if (this.#opened === undefined) return;
    this.#opened.reject(error);
    this.#opened = undefined;
    this.cut();
  }

  #ended(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.#state === "ready") this.#listener.lost(this);
    else this.#fail(new Error("closed during the handshake"));
  }
}

function upgradeRequest({ port, protocol, member }: LinkSettings): string {
  const { subprotocol, headers = {} } = protocol;
  return [
    `GET ${protocol.path(member)} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...(subprotocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${subprotocol}`]),
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "\r\n",
  ].join("\r\n");
}
