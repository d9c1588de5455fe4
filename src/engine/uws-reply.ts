// How uWebSockets.js is handed answers: whole ones, and those that go on, as chunks of one HttpResponse. The traps of its version
// 20.48 that this file works around are told where it does so.

import { STATUS_CODES } from "node:http";
import type { HttpReply, HttpRequest } from "./engine.ts";
import type { BufferedStream, StreamSink } from "./response-stream.ts";

/** Of an HttpResponse, what answers need. */
export interface NativeReply {
  cork(work: () => void): unknown;
  writeStatus(status: string): unknown;
  writeHeader(name: string, value: string): unknown;
  write(chunk: string): boolean;
  end(body?: string | Uint8Array, closeConnection?: boolean): unknown;
  endWithoutBody(): unknown;
  close(): unknown;
  onWritable(handler: () => boolean): unknown;
}

/** Answers what there is of the header that is not written here: the native side has its own way to close a connection. */
export function writeHead(native: NativeReply, reply: HttpReply): string | undefined {
  native.writeStatus(`${reply.status} ${STATUS_CODES[reply.status] ?? ""}`);
  const { connection, ...headers } = reply.headers ?? {};
  for (const [name, value] of Object.entries(headers)) native.writeHeader(name, value);
  return connection;
}

/** Writes a whole answer. To be called corked. */
export function writeReply(native: NativeReply, request: HttpRequest, reply: HttpReply): void {
  const connection = writeHead(native, reply);
  const body = reply.body ?? "";
  if (request.method !== "HEAD") {
    // uWebSockets.js writes the header itself when it is told to do as it says.
    native.end(body, connection === "close");
    return;
  }
  if (connection !== undefined) native.writeHeader("Connection", connection);
  // `endWithoutBody` can announce a length itself, but then waits for that many bytes and never counts as an answer: the
  // process is ended for it.
  native.writeHeader("Content-Length", String(Buffer.byteLength(body)));
  native.endWithoutBody();
}

export class UwsSink implements StreamSink {
  readonly #native: NativeReply;

  constructor(native: NativeReply) {
    this.#native = native;
  }

  /**
   * Corked, because anything else is four system calls and a warning on stderr. Of a chunk below 16 KiB `write` tells then
   * whether those before it have left, not whether it will itself: the next one tells that.
   */
  write(chunk: string): boolean {
    let isThrough = true;
    this.#native.cork(() => {
      isThrough = this.#native.write(chunk);
    });
    return isThrough;
  }

  end(): void {
    // Told to close the connection as well, it closes before the last chunk has left.
    this.#native.cork(() => this.#native.end());
  }

  cut(): void {
    this.#native.close();
  }

  /** Has the stream go on when there is room. Without the empty cork the native side would keep what it holds for ever. */
  resume(stream: BufferedStream): void {
    this.#native.onWritable(() => {
      if (stream.isOver) return true;
      this.#native.cork(() => undefined);
      stream.drained();
      return true;
    });
  }
}
