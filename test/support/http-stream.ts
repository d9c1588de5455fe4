// The reader of one answer that goes on, on node:net: it can stop reading, and sees bytes as they come, chunk framing taken off.

import { connect as connectTcp, type Socket } from "node:net";
import { within } from "./websocket.ts";

export class StreamReader {
  readonly #socket: Socket;
  #raw: Buffer = Buffer.alloc(0);
  #head: { readonly status: number; readonly headers: ReadonlyMap<string, string> } | undefined;
  #text = "";
  #bytes: Buffer[] = [];
  #hasEnded = false;
  #isClosed = false;
  #wake: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#isClosed = true;
      this.#notify();
    });
  }

  /** Sends a GET; header lines as they are to be sent. */
  static open(port: number, target: string, ...lines: readonly string[]): Promise<StreamReader> {
    const opened = new Promise<StreamReader>((resolve, reject) => {
      const socket = connectTcp(port, "127.0.0.1", () => {
        const reader = new StreamReader(socket);
        socket.write(`${[`GET ${target} HTTP/1.1`, "Host: localhost", ...lines].join("\r\n")}\r\n\r\n`);
        resolve(reader);
      });
      socket.once("error", reject);
    });
    return within(5_000, opened, () => `a connection for ${target}`);
  }

  /** What has come of the body so far and was not taken. */
  get text(): string {
    return this.#text;
  }

  /** Whether the answer came to its end, and was not cut. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async head(): Promise<{ readonly status: number; readonly headers: ReadonlyMap<string, string> }> {
    await this.#until(() => this.#head !== undefined || this.#isClosed, "the head of an answer");
    if (!this.#head) throw new Error("the connection was closed before an answer");
    return this.#head;
  }

  /** Takes the body up to and with these words. */
  async take(words: string, deadlineMs?: number): Promise<string> {
    // What was looked through already is not again, whenever more comes: it may be megabytes.
    let looked = 0;
    const isThere = () => {
      const isFound = this.#text.indexOf(words, looked) >= 0;
      looked = Math.max(0, this.#text.length - words.length);
      return isFound || this.#isClosed || this.#hasEnded;
    };
    await this.#until(isThere, words, deadlineMs);
    const at = this.#text.indexOf(words);
    if (at < 0) throw new Error(`the answer ended before ${words}: ${this.#text.slice(-300)}`);
    const taken = this.#text.slice(0, at + words.length);
    this.#text = this.#text.slice(at + words.length);
    return taken;
  }

  /** The rest of the body, once the answer or its connection is over. */
  async rest(deadlineMs = 10_000): Promise<string> {
    await this.#until(() => this.#hasEnded || this.#isClosed, "the end of an answer", deadlineMs);
    const rest = this.#text;
    this.#text = "";
    return rest;
  }

  async closed(deadlineMs = 10_000): Promise<void> {
    await this.#until(() => this.#isClosed, "the end of the connection", deadlineMs);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  write(bytes: string): void {
    this.#socket.write(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    this.#raw = this.#raw.length === 0 ? data : Buffer.concat([this.#raw, data]);
    if (!this.#head) this.#readHead();
    if (this.#head) this.#readBody();
    this.#notify();
  }

  #readHead(): void {
    const end = this.#raw.indexOf("\r\n\r\n");
    if (end < 0) return;
    const [first = "", ...lines] = this.#raw.subarray(0, end).toString("latin1").split("\r\n");
    const headers = new Map<string, string>();
    for (const line of lines) {
      const at = line.indexOf(":");
      headers.set(line.slice(0, at).toLowerCase(), line.slice(at + 1).trim());
    }
    this.#head = { status: Number(first.split(" ")[1]), headers };
    this.#raw = this.#raw.subarray(end + 4);
  }

  /** uWebSockets.js writes the end of a chunk with the next one, so a chunk is read without waiting for it. */
  #readBody(): void {
    if (this.#head!.headers.get("transfer-encoding") !== "chunked") {
      this.#bytes.push(this.#raw);
      this.#raw = Buffer.alloc(0);
      const text = Buffer.concat(this.#bytes);
      this.#text = text.toString();
      this.#hasEnded =
        text.length >= Number(this.#head!.headers.get("content-length") ?? Number.POSITIVE_INFINITY);
      return;
    }
    for (;;) {
      let at = 0;
      while (this.#raw[at] === 13 || this.#raw[at] === 10) at++;
      const lineEnd = this.#raw.indexOf("\r\n", at);
      if (lineEnd < 0) return;
      const size = Number.parseInt(this.#raw.subarray(at, lineEnd).toString("latin1"), 16);
      if (size === 0) {
        this.#hasEnded = true;
        return;
      }
      if (this.#raw.length < lineEnd + 2 + size) return;
      // Chunks are made of whole texts here, so no character lies across two of them.
      this.#text += this.#raw.subarray(lineEnd + 2, lineEnd + 2 + size).toString();
      this.#raw = this.#raw.subarray(lineEnd + 2 + size);
    }
  }

  async #until(isThere: () => boolean, what: string, deadlineMs = 10_000): Promise<void> {
    const arrival = async () => {
      while (!isThere()) await new Promise<void>((resolve) => this.#wake.push(resolve));
    };
    await within(deadlineMs, arrival(), () => `${what}; so far: ${this.#text.slice(-300)}`);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
