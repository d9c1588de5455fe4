// A client that comes back, whatever ends its connection, and asks again where it is told to; knows no mode's promise.

import { connect, HandshakeRefused, type WebSocketClient } from "../support/websocket.ts";

/** Longer than any fault lasts: a node that is silent is waited for. */
const patienceMs = 120_000;
const pauseMs = 50;

/** A frame from the server. Which fields are there depends on its type. */
export interface Frame {
  readonly type: string;
  readonly id?: number;
  readonly topic?: string;
  readonly epoch?: string;
  readonly offset?: number;
  readonly code?: string | number;
  readonly retryable?: boolean;
  readonly recovered?: boolean;
  readonly key?: string;
  readonly removed?: boolean;
  readonly data?: unknown;
  readonly publications?: readonly Item[];
}

/** A publication as it stands in an answer. */
export type Item = Omit<Frame, "type">;

export interface SteadyOptions {
  /** Where to connect now. */
  readonly port: () => number;
  /** A token for a connection that begins now. */
  readonly token: () => string;
  /** What to name to a proxy as the room. */
  readonly room?: string;
}

export abstract class SteadyClient {
  /** How often a connection ended that this client did not end itself. */
  disconnects = 0;
  /** The statuses of handshakes that were refused. */
  readonly turnedAway: number[] = [];
  /** How many connections ended because their token had expired. */
  expired = 0;
  readonly #options: SteadyOptions;
  readonly #asked = new Map<number, (answer: Frame | undefined) => void>();
  #raw: WebSocketClient | undefined;
  #running: Promise<void> | undefined;
  #isOver = false;
  #nextId = 1;

  constructor(options: SteadyOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    this.#raw?.destroy();
    await this.#running;
  }

  /** Extends the token of the connection there is. */
  refresh(): void {
    this.#raw?.sendJson({ type: "refresh", id: this.#nextId++, token: this.#options.token() });
  }

  /** Resolves to the answer, or to nothing where the connection ended before it came. */
  protected request(frame: object): Promise<Frame | undefined> {
    const raw = this.#raw;
    if (!raw) return Promise.resolve(undefined);
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      raw.sendJson({ ...frame, id });
    });
  }

  /** A connection has begun. */
  protected abstract opened(): void;

  /** A frame that answers nothing, or a positive answer before whoever waits for it hears of it: in order. */
  protected abstract received(frame: Frame): void;

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#serve();
      } catch (error) {
        if (error instanceof HandshakeRefused) this.turnedAway.push(error.status);
        // Whatever it was: the connection is gone, and the next one shows whether that mattered.
      }
      if (this.#isOver) break;
      this.disconnects += 1;
      await pause();
    }
    this.#forget();
  }

  async #serve(): Promise<void> {
    const headers = [["Authorization", `Bearer ${this.#options.token()}`]] as const;
    const { room } = this.#options;
    const path = `/ws?join=none${room === undefined ? "" : `&room=${room}`}`;
    const raw = await connect(this.#options.port(), { path, headers, deadlineMs: patienceMs });
    try {
      await raw.next();
      if (this.#isOver) return;
      this.#raw = raw;
      this.opened();
      for (;;) this.#took(await raw.nextJson<Frame>());
    } finally {
      this.#forget();
      const { code } = await raw.closed();
      if (code === 4001) this.expired += 1;
      raw.destroy();
    }
  }

  #took(frame: Frame): void {
    if (frame.type !== "error") this.received(frame);
    if (frame.id === undefined) return;
    const answered = this.#asked.get(frame.id);
    this.#asked.delete(frame.id);
    answered?.(frame);
  }

  #forget(): void {
    this.#raw = undefined;
    for (const answered of this.#asked.values()) answered(undefined);
    this.#asked.clear();
  }
}

export function pause(durationMs = pauseMs): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

/** Resolves once it is so; rejects at the deadline with what was waited for. */
export async function until(isSo: () => boolean, deadlineMs: number, what: () => string): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!isSo()) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what()}`);
    await pause(20);
  }
}
