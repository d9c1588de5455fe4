// One connection's life: authentication, the order and the limits of what comes in, heartbeat, expiry and the end.
// Knows no topics and not what a request does: that is requests.ts.

import type { Subscriber, Subscription } from "./active-topic.ts";
import type { Claims } from "./auth.ts";
import type { Payload, Socket } from "./engine/engine.ts";
import { type CloseReason, closeRules, FanwireError } from "./errors.ts";
import { payloadBytes } from "./feeder.ts";
import type { Limits } from "./limits.ts";
import { type Rate, TokenBucket } from "./rate.ts";
import type { WireFormat } from "./wire/format.ts";
import type { ClientFrame, ServerFrame } from "./wire/frames.ts";
import { frameId, parseClientFrame } from "./wire/inbound.ts";

/** What a session needs of its node. One object per server. */
export interface SessionHost {
  readonly limits: Limits;
  readonly now: () => number;
  /** Resolves to who the connection is, or rejects with a FanwireError `unauthorized`. */
  authenticate(credential: string | undefined): Claims | Promise<Claims>;
  /** The connection is authenticated: joins what it joins by itself, sends `connected`. Requests wait until it resolves. */
  welcome(session: Session): Promise<void>;
  /** Does what a frame asks for, now or later; answers go through `reply` and `fail`. Throws FanwireError. */
  handle(session: Session, frame: ClientFrame, frameBytes: number): void;
  /** Somebody who fell behind may be fed again. */
  drained(session: Session): void;
  ended(session: Session, code: number): void;
}

/** Bad frames above the burst are forgiven at this rate. */
const badFramesForgivenPerSecond = 1;

export class Session implements Subscriber {
  readonly id: string;
  readonly format: WireFormat;
  readonly subscriptions = new Map<string, Subscription>();
  behind: Set<Subscription> | undefined = undefined;
  behindSinceMs = 0;
  /** Whether to join the topics that are joined for every client. */
  readonly autoJoin: boolean;
  readonly #host: SessionHost;
  #socket: Socket<Session> | undefined;
  #credential: string | undefined;
  #claims: Claims | undefined;
  #isReady = false;
  #isOver = false;
  /** Frames that wait for authentication, or for the client to read its answers. */
  #waiting: Payload[] = [];
  #waitingBytes = 0;
  #inFlight = 0;
  #lastSeenMs: number;
  /** When the peer was pinged, if nothing has come from it since. */
  #pingedAtMs: number | undefined;
  #isOverdue = false;
  readonly #frames: TokenBucket;
  readonly #refusals: TokenBucket;
  readonly #badFrames: TokenBucket;
  /** Per topic the last operation that has not finished, while there is one. */
  #tails: Map<string, Promise<void>> | undefined;
  #calls: Set<AbortController> | undefined;
  /** The last large answer that has not been sent, while there is one, and who waits for the client to read. */
  #largeAnswer: Promise<void> | undefined;
  #whenRead: (() => void) | undefined;
  #isResuming = false;

  constructor(
    host: SessionHost,
    id: string,
    format: WireFormat,
    credential: string | undefined,
    autoJoin: boolean,
  ) {
    this.#host = host;
    this.id = id;
    this.format = format;
    this.#credential = credential;
    this.autoJoin = autoJoin;
    const now = host.now();
    this.#lastSeenMs = now;
    this.#frames = new TokenBucket(this.#frameRate, now);
    this.#refusals = new TokenBucket(this.#frameRate, now);
    this.#badFrames = new TokenBucket(this.#badFrameRate, now);
  }

  get socket(): Socket<Session> {
    return this.#socket!;
  }

  /** Who the client is. Only there once the connection is authenticated. */
  get claims(): Claims {
    return this.#claims!;
  }

  get userId(): string {
    return this.#claims!.userId;
  }

  get isAuthenticated(): boolean {
    return this.#claims !== undefined;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get #frameRate(): Rate {
    return { burst: this.#host.limits.frameBurst, perSecond: this.#host.limits.framesPerSecond };
  }

  get #badFrameRate(): Rate {
    return { burst: this.#host.limits.badFrameBurst, perSecond: badFramesForgivenPerSecond };
  }

  /** The handshake is done. Never rejects: the peer is told by a close code. */
  async opened(socket: Socket<Session>): Promise<void> {
    this.#socket = socket;
    const credential = this.#credential;
    this.#credential = undefined;
    try {
      this.#claims = await this.#host.authenticate(credential);
      if (this.#isOver) return;
      await this.#host.welcome(this);
      if (this.#isOver) return;
      this.#isReady = true;
      this.#resume();
    } catch (failure) {
      this.close(
        failure instanceof FanwireError && failure.code === "unauthorized" ? "unauthorized" : "overloaded",
      );
    }
  }

  received(payload: Payload): void {
    this.#seen();
    if (this.#isOver) return;
    if (this.#isReady && this.#waiting.length === 0 && this.#canAnswer) this.#take(payload);
    else this.#keep(payload);
  }

  ponged(): void {
    this.#seen();
  }

  drained(): void {
    if (this.#isOver) return;
    this.#scheduleResume();
    this.#host.drained(this);
  }

  closed(code: number): void {
    this.#isOver = true;
    this.#waiting = [];
    this.#whenRead?.();
    for (const controller of this.#calls ?? []) controller.abort();
    this.#host.ended(this, code);
  }

  /** Once a second: pings a silent peer, ends a dead one and one whose token has run out. */
  tick(toleranceMs: number): void {
    if (this.#isOver || !this.#socket) return;
    this.#scheduleResume();
    const now = this.#host.now();
    const { heartbeatMs, heartbeatTimeoutMs } = this.#host.limits;
    // The pong of a slow peer waits behind all that it has yet to read: how long it may be slow is the feeder's to judge.
    if (this.behind) this.#seen();
    if (this.#claims?.expiresAt !== undefined && this.#claims.expiresAt + toleranceMs <= now) {
      this.close("token-expired");
    } else if (this.#pingedAtMs !== undefined) {
      if (now - this.#pingedAtMs < heartbeatTimeoutMs) return;
      // Judged at the second look: after the server itself was held up, the first comes before what arrived meanwhile.
      if (this.#isOverdue) this.close("heartbeat-timeout");
      this.#isOverdue = true;
    } else if (now - this.#lastSeenMs >= heartbeatMs) {
      this.#pingedAtMs = now;
      this.#socket.ping();
    }
  }

  send(frame: ServerFrame): void {
    if (!this.#isOver) this.#socket!.send(this.format.encode(frame));
  }

  /** Answers a request, if it asked for an answer. */
  reply(id: number | undefined, fields: Readonly<Record<string, unknown>>): void {
    if (id !== undefined) this.send({ type: "ok", id, ...fields });
  }

  /** Tells of a failure, with the request's `id` where it has one. */
  fail(id: number | undefined, failure: FanwireError): void {
    const { code, message, retryable } = failure;
    this.send({ type: "error", ...(id !== undefined && { id }), code, message, retryable });
  }

  /** Replaces who the client is by a later token of the same user. */
  refresh(claims: Claims): void {
    this.#claims = claims;
  }

  close(reason: CloseReason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket?.close(closeRules[reason].code, reason);
  }

  /**
   * Runs an operation on a topic after the ones before it, so that effects are in order per topic. One that is done at once
   * costs nothing. Settles as the operation does.
   */
  inOrder(topic: string, operation: () => Promise<void> | undefined): Promise<void> | undefined {
    const before = this.#tails?.get(topic);
    const running = before ? before.then(operation) : operation();
    if (!running) return undefined;
    this.#tails ??= new Map();
    const done = () => {
      if (this.#tails?.get(topic) === tail) this.#tails.delete(topic);
    };
    const tail = running.then(done, done);
    this.#tails.set(topic, tail);
    return running;
  }

  /**
   * Runs what ends in a large answer: after the ones before it, and once the client has read those. A short request must not
   * fill the socket, however many of them come at once.
   */
  answerLarge(work: () => Promise<void>): Promise<void> {
    const running = (this.#largeAnswer ?? Promise.resolve()).then(async () => {
      while (!this.#isOver && !this.#canAnswer) {
        await new Promise<void>((resolve) => {
          this.#whenRead = resolve;
        });
      }
      if (!this.#isOver) await work();
    });
    this.#largeAnswer = running.catch(() => undefined);
    return running;
  }

  /** The controller whose signal a call's handler gets; it aborts when the connection ends. */
  startCall(): AbortController {
    const controller = new AbortController();
    this.#calls ??= new Set();
    this.#calls.add(controller);
    return controller;
  }

  endCall(controller: AbortController): void {
    this.#calls?.delete(controller);
    controller.abort();
  }

  /** Counts a request until it is settled. Throws FanwireError `too-many` when the client has too many of them. */
  enter(): void {
    const most = this.#host.limits.maxRequestsInFlight;
    if (this.#inFlight >= most) {
      throw new FanwireError("too-many", `A connection has at most ${most} requests in flight.`);
    }
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
  }

  /** A client that does not read its answers gets no further ones until it does. */
  get #canAnswer(): boolean {
    return this.#socket!.bufferedBytes() <= this.#host.limits.softBufferedBytes;
  }

  #seen(): void {
    this.#lastSeenMs = this.#host.now();
    this.#pingedAtMs = undefined;
    this.#isOverdue = false;
  }

  #keep(payload: Payload): void {
    this.#waiting.push(payload);
    this.#waitingBytes += payloadBytes(payload);
    const { maxRequestsInFlight, maxWaitingBytes } = this.#host.limits;
    if (this.#waiting.length > maxRequestsInFlight || this.#waitingBytes > maxWaitingBytes) {
      this.close(this.#isReady ? "slow-consumer" : "rate-limited");
    }
  }

  /** Never from inside the drain callback: Bun may not call it again after a large send in it (oven-sh/bun#38177). */
  #scheduleResume(): void {
    if (this.#isResuming || (this.#waiting.length === 0 && !this.#whenRead)) return;
    this.#isResuming = true;
    setImmediate(() => {
      this.#isResuming = false;
      if (this.#isOver) return;
      this.#whenRead?.();
      this.#whenRead = undefined;
      if (this.#isReady) this.#resume();
    });
  }

  #resume(): void {
    const waiting = this.#waiting;
    let taken = 0;
    while (taken < waiting.length && !this.#isOver && this.#canAnswer) this.#take(waiting[taken++]!);
    this.#waiting = waiting.slice(taken);
    this.#waitingBytes = this.#waiting.reduce((bytes, payload) => bytes + payloadBytes(payload), 0);
  }

  #take(payload: Payload): void {
    const { limits, now } = this.#host;
    const bytes = payloadBytes(payload);
    if (bytes > limits.maxFrameBytes) {
      this.close("too-large");
      return;
    }
    let id: number | undefined;
    try {
      const value = this.format.decode(payload);
      id = frameId(value);
      if (!this.#frames.take(this.#frameRate, now())) throw this.#overRate();
      this.#host.handle(this, parseClientFrame(value), bytes);
    } catch (failure) {
      this.#refuse(id, failure);
    }
  }

  #overRate(): FanwireError {
    const { frameBurst, framesPerSecond } = this.#host.limits;
    return new FanwireError(
      "rate-limited",
      `A connection sends at most ${frameBurst} frames at once and ${framesPerSecond} a second.`,
    );
  }

  #refuse(id: number | undefined, failure: unknown): void {
    if (!(failure instanceof FanwireError)) throw failure;
    this.fail(id, failure);
    const now = this.#host.now();
    // Who goes on after having been refused as often as it may send at once does not listen.
    if (failure.code === "rate-limited" && !this.#refusals.take(this.#frameRate, now)) {
      this.close("rate-limited");
    }
    const isBad = failure.code === "bad-frame" || failure.code === "unknown-type";
    if (isBad && !this.#badFrames.take(this.#badFrameRate, now)) this.close("protocol-error");
  }
}
