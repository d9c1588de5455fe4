// One answer that goes on: what it was given and the kernel has not, in order, within a bound; knows neither engine and not what
// the bytes say.

import type { ResponseStream, SendOutcome, StreamHandlers } from "./engine.ts";
import { engineIdleMs } from "./engine.ts";

/** How an engine passes on what streams were given. */
export interface StreamSink {
  /** Passes a chunk on, all of it. False: some of it waits, and the stream is told by `drained` when it may have left. */
  write(chunk: string): boolean;
  /** Ends the answer behind all that was passed on. */
  end(): void;
  /** Ends the connection at once. */
  cut(): void;
}

/** Of a stream that never opened. */
export const noSink: StreamSink = { write: () => true, end: () => undefined, cut: () => undefined };

/** Passed on at once, about: what waits then is counted until all of it has left. */
const chunkBytes = 65_536;

/** What is written in one turn leaves at its end, so that a stream costs one write per turn however much it is given. */
export class TurnEnd {
  #streams: BufferedStream[] = [];

  add(stream: BufferedStream): void {
    // A microtask would come while uWebSockets.js still gathers what goes to another socket.
    if (this.#streams.push(stream) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const streams = this.#streams;
    this.#streams = [];
    for (const stream of streams) stream.flush();
  }
}

export interface StreamOptions {
  readonly handlers: StreamHandlers;
  readonly maxBufferedBytes: number;
  readonly turnEnd: TurnEnd;
  /** Hears of handlers that throw. */
  readonly failed: (error: unknown) => void;
}

export class BufferedStream implements ResponseStream {
  readonly #options: StreamOptions;
  readonly #sink: StreamSink;
  #waiting: string[] = [];
  #waitingBytes = 0;
  /** What the sink holds back; 0 while it passes on whatever it gets. */
  #heldBytes = 0;
  #isScheduled = false;
  #state: "open" | "ending" | "over" = "open";
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(options: StreamOptions, sink: StreamSink) {
    this.#options = options;
    this.#sink = sink;
  }

  /** The answer's head is written. Not called where the client left before: then there is only `gone`. */
  opened(): void {
    this.#call(() => this.#options.handlers.open(this));
    // With the head, and not a turn later.
    this.flush();
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  send(payload: string): SendOutcome {
    if (this.#state !== "open") return "dropped";
    if (this.bufferedBytes() > this.#options.maxBufferedBytes) {
      this.terminate();
      return "dropped";
    }
    this.#waiting.push(payload);
    this.#waitingBytes += Buffer.byteLength(payload);
    if (this.#heldBytes > 0) return "queued";
    this.#schedule();
    return "sent";
  }

  bufferedBytes(): number {
    return this.#state === "over" ? 0 : this.#waitingBytes + this.#heldBytes;
  }

  cork(work: () => void): void {
    work();
  }

  end(): void {
    if (this.#state !== "open") return;
    this.#state = "ending";
    this.#deadline = setTimeout(() => this.terminate(), engineIdleMs);
    this.#schedule();
  }

  terminate(): void {
    if (this.#state === "over") return;
    this.#finish();
    this.#sink.cut();
  }

  /** What the sink held back has left, all of it or some. */
  drained(): void {
    if (this.#state === "over") return;
    this.#heldBytes = 0;
    this.flush();
  }

  /** The connection is over, by the client or by a cut. */
  gone(): void {
    this.#finish();
  }

  /** Passes on as much as there is, until the sink holds something back. */
  flush(): void {
    this.#isScheduled = false;
    if (this.#state === "over" || this.#heldBytes > 0) return;
    const before = this.#waitingBytes;
    while (this.#waiting.length > 0 && this.#heldBytes === 0) {
      const { chunk, bytes } = this.#take();
      if (!this.#sink.write(chunk)) this.#heldBytes = bytes;
    }
    if (this.#heldBytes > 0) return;
    if (this.#state === "ending") {
      this.#finish();
      this.#sink.end();
    } else if (before > 0) this.#call(() => this.#options.handlers.drain());
  }

  /** A chunk of whole payloads from the front. */
  #take(): { readonly chunk: string; readonly bytes: number } {
    const taken = this.#waiting;
    if (this.#waitingBytes <= chunkBytes) {
      const bytes = this.#waitingBytes;
      this.#waiting = [];
      this.#waitingBytes = 0;
      return { chunk: taken.length === 1 ? taken[0]! : taken.join(""), bytes };
    }
    let count = 0;
    let bytes = 0;
    while (count < taken.length && bytes < chunkBytes) bytes += Buffer.byteLength(taken[count++]!);
    this.#waiting = taken.slice(count);
    this.#waitingBytes -= bytes;
    return { chunk: taken.slice(0, count).join(""), bytes };
  }

  #schedule(): void {
    if (this.#isScheduled || this.#heldBytes > 0) return;
    this.#isScheduled = true;
    this.#options.turnEnd.add(this);
  }

  #finish(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#waiting = [];
    clearTimeout(this.#deadline);
    // In a later turn, so that a loop over many streams sees none of them go meanwhile.
    queueMicrotask(() => this.#call(() => this.#options.handlers.closed()));
  }

  #call(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.#options.failed(error);
      this.terminate();
    }
  }
}
