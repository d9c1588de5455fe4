// One client of an event stream over a raw Bun socket: the request, the answer's chunks, and each event to a listener. The least work
// per byte, like connection.ts, so that the two can be compared.

import { Connection, dropAll, type Listener, type Subscriber } from "./connection.ts";

type BunSocket = Bun.Socket<EventConnection>;

const head = Buffer.from("\r\n\r\n");
const line = Buffer.from("\r\n");
const carriageReturn = 0x0d;
const dataLine = Buffer.from("\ndata: ");
const blank = Buffer.from("\n\n");

export class EventConnection implements Subscriber {
  listener: Listener = dropAll;
  index: number;
  readonly format = "json";
  chunks = 0;
  isClosed = false;
  readonly #socket: BunSocket;
  #rest: Buffer | undefined;
  /** The beginning of an event whose end is in the next chunk of the answer. */
  #event: Buffer | undefined;
  #hasBegun = false;
  #ready: (() => void) | undefined;
  #failed: ((error: Error) => void) | undefined;
  #at = 0;

  private constructor(socket: BunSocket, index: number) {
    this.#socket = socket;
    this.index = index;
  }

  /** Resolves once the server has told the stream's first id: the topics are joined. */
  static async open(port: number, topics: readonly string[], index: number): Promise<EventConnection> {
    const socket = await Bun.connect<EventConnection>({
      hostname: "127.0.0.1",
      port,
      socket: {
        data: (bunSocket, chunk) => bunSocket.data.#received(chunk),
        close: (bunSocket) => bunSocket.data.#ended(),
      },
    });
    const connection = new EventConnection(socket, index);
    socket.data = connection;
    const query = topics.map((topic) => `&topic=${topic}`).join("");
    return new Promise((resolve, reject) => {
      connection.#ready = () => resolve(connection);
      connection.#failed = reject;
      socket.write(`GET /sse?join=none${query} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
    });
  }

  close(): void {
    this.#socket.end();
  }

  /** Ends it with a reset: no goodbye, and no port that stays taken for a minute. */
  cut(): void {
    this.#socket.terminate();
  }

  #received(chunk: Buffer): void {
    this.#at = Bun.nanoseconds();
    Connection.totals.chunks++;
    Connection.totals.bytes += chunk.length;
    this.chunks++;
    let buffer = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    this.#rest = undefined;
    if (!this.#hasBegun) {
      const end = buffer.indexOf(head);
      if (end === -1) {
        this.#rest = buffer;
        return;
      }
      if (!buffer.toString("latin1", 0, end).startsWith("HTTP/1.1 200")) {
        this.#fail(buffer.toString("latin1"));
        return;
      }
      this.#hasBegun = true;
      buffer = buffer.subarray(end + head.length);
    }
    const used = this.#parts(buffer);
    if (used < buffer.length) this.#rest = buffer.subarray(used);
  }

  /**
   * Takes whole chunks of the answer: a length in base 16, a line's end, so many bytes, a line's end. The last one comes from
   * uWebSockets.js only with the next chunk.
   */
  #parts(buffer: Buffer): number {
    let at = 0;
    while (true) {
      const lengthAt = buffer[at] === carriageReturn ? at + line.length : at;
      const lengthEnd = buffer.indexOf(line, lengthAt);
      if (lengthEnd === -1) return at;
      const start = lengthEnd + line.length;
      const end = start + Number.parseInt(buffer.toString("latin1", lengthAt, lengthEnd), 16);
      if (!(end <= buffer.length)) return at;
      this.#text(buffer, start, end);
      at = end;
    }
  }

  #text(buffer: Buffer, start: number, end: number): void {
    if (this.#event !== undefined) {
      const whole = Buffer.concat([this.#event, buffer.subarray(start, end)]);
      this.#event = undefined;
      this.#text(whole, 0, whole.length);
      return;
    }
    let at = start;
    while (at < end) {
      const blockEnd = buffer.indexOf(blank, at);
      if (blockEnd === -1 || blockEnd + blank.length > end) break;
      this.#took(buffer, at, blockEnd + blank.length);
      at = blockEnd + blank.length;
    }
    if (at < end) this.#event = Buffer.from(buffer.subarray(at, end));
  }

  #took(buffer: Buffer, start: number, end: number): void {
    if (this.#ready) {
      const ready = this.#ready;
      this.#ready = undefined;
      const text = buffer.toString("utf8", start, end);
      if (text.startsWith("id: ")) ready();
      else this.#fail(text);
    } else if (buffer.subarray(start, end).indexOf(dataLine) !== -1) {
      Connection.totals.frames++;
      this.listener.message(this, buffer, start, end, this.#at);
    }
  }

  #fail(what: string): void {
    this.#failed?.(new Error(`no event stream: ${what}`));
    this.#socket.end();
  }

  #ended(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#failed?.(new Error("closed before the first event"));
    this.listener.closed?.(this, 1006, "");
  }
}
