// Plain HTTP for tests, on node:net: bytes as they are written, answers as they come. What fetch would forbid is its purpose.

import { connect as connectTcp, type Socket } from "node:net";
import { within } from "./websocket.ts";

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** A connection on which requests are written in whatever pieces a test wants. */
export class HttpConnection {
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #isOver = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => {
      this.#rest = Buffer.concat([this.#rest, chunk]);
      this.#wake?.();
    });
    // A reset is an end too: what came before it is there.
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isOver = true;
      this.#wake?.();
    });
  }

  static open(port: number): Promise<HttpConnection> {
    const opened = new Promise<HttpConnection>((resolve, reject) => {
      const socket = connectTcp(port, "127.0.0.1", () => resolve(new HttpConnection(socket)));
      socket.setNoDelay(true);
      socket.once("error", reject);
    });
    return within(5_000, opened, () => "a connection");
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Resolves when everything written is on its way. */
  async flushed(): Promise<void> {
    if (this.#socket.writableLength === 0) return;
    await within(5_000, new Promise<void>((resolve) => this.#socket.once("drain", resolve)), () => "a drain");
  }

  /** The next answer, or undefined when the connection ends before it is whole. */
  answer(): Promise<RawAnswer | undefined> {
    return within(10_000, this.#read(), () => `an answer; so far: ${this.#rest.toString("latin1")}`);
  }

  /** Resolves when the connection is over, and to what was not asked for by then. */
  async closed(): Promise<string> {
    const end = async () => {
      while (!this.#isOver) await this.#more();
    };
    await within(15_000, end(), () => "the end of the connection");
    return this.#rest.toString("latin1");
  }

  /** Says that nothing more will be written. */
  end(): void {
    this.#socket.end();
  }

  /** Cuts the connection in the middle of whatever there is. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #read(): Promise<RawAnswer | undefined> {
    for (;;) {
      const end = this.#rest.indexOf("\r\n\r\n");
      if (end >= 0) {
        const answer = parseHead(this.#rest.subarray(0, end).toString("latin1"));
        const bodyEnd = end + 4 + Number(answer.headers.get("content-length") ?? 0);
        if (this.#rest.length >= bodyEnd) {
          const body = this.#rest.subarray(end + 4, bodyEnd);
          this.#rest = this.#rest.subarray(bodyEnd);
          return { ...answer, body };
        }
      }
      if (this.#isOver) return undefined;
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

function parseHead(head: string): { status: number; headers: Map<string, string> } {
  const [first = "", ...lines] = head.split("\r\n");
  const headers = new Map<string, string>();
  for (const line of lines) {
    const at = line.indexOf(":");
    headers.set(line.slice(0, at).toLowerCase(), line.slice(at + 1).trim());
  }
  return { status: Number(first.split(" ")[1]), headers };
}

/** A request's head. Header lines as they are to be sent. */
export function head(method: string, target: string, ...lines: string[]): string {
  return `${[`${method} ${target} HTTP/1.1`, "Host: localhost", ...lines].join("\r\n")}\r\n\r\n`;
}

/** A whole request with a body of announced length. */
export function posted(target: string, body: string | Uint8Array, ...lines: string[]): Buffer {
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return Buffer.concat([Buffer.from(head("POST", target, length, ...lines)), Buffer.from(body)]);
}

/** One chunk of a chunked body; an empty one ends it. */
export function chunk(body: string): string {
  return `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n`;
}
