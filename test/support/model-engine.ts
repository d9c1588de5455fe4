// Sockets and native topics in memory, with peers that read or do not: the engine's contract without an engine.

import type { Engine, Payload, SendOutcome, Socket } from "../../src/engine/engine.ts";

const sizeOf = (payload: Payload) =>
  typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;

export class ModelSocket implements Socket<undefined> {
  readonly data = undefined;
  readonly remoteAddress = "127.0.0.1";
  /** Everything the peer has read, in order. */
  readonly read: Payload[] = [];
  readonly #engine: ModelEngine;
  readonly #buffer: Payload[] = [];
  #buffered = 0;
  #isReading = true;
  isOpen = true;
  closedWith = 0;
  mostBuffered = 0;
  onDrain: () => void = () => undefined;

  constructor(engine: ModelEngine) {
    this.#engine = engine;
  }

  send(payload: Payload): SendOutcome {
    if (!this.isOpen) return "dropped";
    if (this.#isReading && this.#buffer.length === 0) {
      this.read.push(payload);
      return "sent";
    }
    this.#buffer.push(payload);
    this.#buffered += sizeOf(payload);
    this.mostBuffered = Math.max(this.mostBuffered, this.#buffered);
    return "queued";
  }

  subscribe(nativeTopic: string): void {
    if (this.isOpen) this.#engine.members(nativeTopic).add(this);
  }

  unsubscribe(nativeTopic: string): void {
    this.#engine.members(nativeTopic).delete(this);
  }

  bufferedBytes(): number {
    return this.isOpen ? this.#buffered : 0;
  }

  ping(): void {
    // Nobody asks a model for its health.
  }

  cork(work: () => void): void {
    work();
  }

  close(code: number): void {
    this.closedWith = code;
    this.terminate();
  }

  terminate(): void {
    this.isOpen = false;
    this.#engine.forget(this);
  }

  /** The peer stops reading: what is sent stays in the buffer. */
  pause(): void {
    this.#isReading = false;
  }

  /** The peer reads up to so many messages; the rest waits. */
  take(count: number): void {
    const taken = this.#buffer.splice(0, count);
    if (taken.length === 0) return;
    for (const payload of taken) {
      this.#buffered -= sizeOf(payload);
      this.read.push(payload);
    }
    this.onDrain();
  }

  resume(): void {
    this.#isReading = true;
    this.take(Number.POSITIVE_INFINITY);
  }
}

export class ModelEngine implements Pick<Engine<undefined>, "publish"> {
  readonly #topics = new Map<string, Set<ModelSocket>>();
  /** Calls of `publish`. */
  publishes = 0;

  members(nativeTopic: string): Set<ModelSocket> {
    const members = this.#topics.get(nativeTopic) ?? new Set();
    this.#topics.set(nativeTopic, members);
    return members;
  }

  forget(socket: ModelSocket): void {
    for (const members of this.#topics.values()) members.delete(socket);
  }

  publish(nativeTopic: string, payload: Payload, except?: Socket<unknown>): void {
    this.publishes += 1;
    for (const socket of this.members(nativeTopic)) if (socket !== except) socket.send(payload);
  }
}
