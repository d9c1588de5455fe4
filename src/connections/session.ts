// One connection's life: authentication, the order and the limits of what comes in, heartbeat, expiry and the end.
// Knows no topics and not what a request does: that is requests.ts.

import type { Claims } from "../auth/auth.ts";
import type { Member } from "../bridge/presence.ts";
import type { Limits } from "../config/limits.ts";
import type { Payload, Socket } from "../engine/engine.ts";
import { type CloseReason, closeRules, FanwireError } from "../errors.ts";
import type { SocketSubscriber, Subscription } from "../hub/active-topic.ts";
import { FewMap } from "../hub/few.ts";
import { payloadBytes, type WireFormat } from "../wire/format.ts";
import type { ClientFrame, ServerFrame } from "../wire/frames.ts";
import { frameId, parseClientFrame } from "../wire/inbound.ts";
import type { ConnectionCounts } from "./connection-counts.ts";
import { InboundRates } from "./inbound-rates.ts";

/** What a session needs of its node. One object per server. */
export interface SessionHost {
  readonly limits: Limits;
  readonly now: () => number;
  readonly counts: ConnectionCounts;
  /** Resolves to who the connection is, or rejects: with a FanwireError `unauthorized`, or where it cannot tell. */
  authenticate(credential: string | undefined): Claims | Promise<Claims>;
  /** Counts a user's connection. Throws FanwireError `too-many` where the user has too many of them. */
  authenticated(userId: string): void;
  /** The connection is authenticated: joins what it joins by itself, sends `connected`. Requests wait until it resolves. */
  welcome(session: Session): Promise<void>;
  /** Does what a frame asks for, now or later; answers go through `reply` and `fail`. Throws FanwireError. */
  handle(session: Session, frame: ClientFrame, frameBytes: number): void;
  /** Somebody who fell behind may be fed again. */
  drained(session: Session): void;
  /** Hears of what went wrong unexpectedly, of the server's own fault. */
  failed(failure: unknown): void;
  /** `reason`: why the server closed the connection, if it did. */
  ended(session: Session, code: number, reason: CloseReason | undefined): void;
}

/** What engines close with when a handler throws. */
const internalErrorCode = 1011;
/** More than the values that a frame has beside its `data`. */
const maxFrameValues = 32;

export class Session implements SocketSubscriber {
  readonly id: string;
  readonly format: WireFormat;
  readonly subscriptions = new FewMap<Subscription>();
  behind: Set<Subscription> | undefined = undefined;
  behindSinceMs = 0;
  /** Whether the client has been sent `connected`. Its host says so. */
  isWelcomed = false;
  /** Whom a trusted proxy has named as the peer. Its host says so. */
  forwardedFor: string | undefined = undefined;
  /** Whether to join the topics that are joined for every client. */
  readonly autoJoin: boolean;
  readonly #host: SessionHost;
  #socket: Socket<Session> | undefined;
  #credential: string | undefined;
  #claims: Claims | undefined;
  #isReady = false;
  #isOver = false;
  #closedFor: CloseReason | undefined;
  /** Frames that wait for authentication, or for the client to read its answers. */
  #waiting: Payload[] | undefined;
  #waitingBytes = 0;
  #inFlight = 0;
  #lastSeenMs: number;
  /** When the peer was pinged, if nothing has come from it since. */
  #pingedAtMs: number | undefined;
  #isOverdue = false;
  /** There from the first frame on. */
  #rates: InboundRates | undefined;
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
    this.#lastSeenMs = host.now();
  }

  get socket(): Socket<Session> {
    return this.#socket!;
  }

  /** Who the client is. Only there once the connection is authenticated. */
  get claims(): Claims {
    return this.#claims!;
  }

  /** Whose the connection is, as far as this node believes. */
  get remoteAddress(): string {
    return this.forwardedFor ?? this.#socket!.remoteAddress;
  }

  get userId(): string {
    return this.#claims!.userId;
  }

  get member(): Member {
    const { userId, info } = this.claims;
    return { sessionId: this.id, userId, ...(info && { info }) };
  }

  get isAuthenticated(): boolean {
    return this.#claims !== undefined;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** How fast the client may send. */
  get rates(): InboundRates {
    this.#rates ??= new InboundRates(this.#host.limits, this.#host.now());
    return this.#rates;
  }

  /** The handshake is done. Never rejects: the peer is told by a close code. */
  async opened(socket: Socket<Session>): Promise<void> {
    this.#socket = socket;
    const credential = this.#credential;
    this.#credential = undefined;
    try {
      const claims = await this.#host.authenticate(credential);
      if (this.#isOver) return;
      this.#host.authenticated(claims.userId);
      this.#claims = claims;
      await this.#host.welcome(this);
      if (this.#isOver) return;
      this.#isReady = true;
      this.#resume();
    } catch (failure) {
      if (!(failure instanceof FanwireError)) this.#host.failed(failure);
      this.close(
        failure instanceof FanwireError && failure.code === "unauthorized" ? "unauthorized" : "overloaded",
      );
    }
  }

  received(payload: Payload): void {
    const nowMs = this.#host.now();
    this.#seen(nowMs);
    if (this.#isOver) return;
    if (this.#isReady && !this.#waiting && this.#canAnswer) this.#take(payload, nowMs);
    else this.#keep(payload);
  }

  ponged(): void {
    this.#seen(this.#host.now());
  }

  drained(): void {
    if (this.#isOver) return;
    this.#scheduleResume();
    this.#host.drained(this);
  }

  closed(code: number): void {
    this.#isOver = true;
    this.#waiting = undefined;
    this.#whenRead?.();
    for (const controller of this.#calls ?? []) controller.abort();
    this.#host.ended(this, code, this.#closedFor);
  }

  /** Once a second: pings a silent peer, ends a dead one and one whose token has run out. */
  tick(toleranceMs: number): void {
    if (this.#isOver || !this.#socket) return;
    this.#scheduleResume();
    const now = this.#host.now();
    const { heartbeatMs, heartbeatTimeoutMs } = this.#host.limits;
    // The pong of a slow peer waits behind all that it has yet to read: how long it may be slow is the feeder's to judge.
    if (this.behind) this.#seen(now);
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

  /** Sends a frame that is encoded already, in this session's format. */
  sendEncoded(payload: Payload): void {
    if (!this.#isOver) this.#socket!.send(payload);
  }

  /** Answers a request, if it asked for an answer. */
  reply(id: number | undefined, fields: Readonly<Record<string, unknown>>): void {
    if (id !== undefined) this.send({ type: "ok", id, ...fields });
  }

  /** Tells of a failure, with the request's `id` where it has one. */
  fail(id: number | undefined, failure: FanwireError): void {
    const { code, message, retryable } = failure;
    this.#host.counts.errors[code] += 1;
    this.send({ type: "error", ...(id !== undefined && { id }), code, message, retryable });
  }

  /** The server is about to close the connection. Clients are to spread their return over that time. */
  announce(retryAfterMs: number): void {
    this.send({ type: "closing", code: closeRules.draining.code, retryAfterMs });
  }

  /** Replaces who the client is by a later token of the same user. */
  refresh(claims: Claims): void {
    this.#claims = claims;
  }

  /** `words`: what the peer reads as the reason, where it is not the reason's name. */
  close(reason: CloseReason, words: string = reason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#closedFor = reason;
    this.#socket?.close(closeRules[reason].code, words);
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

  /** Whether an operation on this topic has not finished. */
  isBusyWith(topic: string): boolean {
    return this.#tails?.has(topic) ?? false;
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

  /** Counts what goes on after the operation that was let in by `enter`: it is the same request, and never refused. */
  goOn(): void {
    this.#inFlight += 1;
  }

  leave(): void {
    this.#inFlight -= 1;
  }

  /** Whether something the client asked for is still going on. */
  get isOwedAnswers(): boolean {
    return this.#inFlight > 0;
  }

  /** A client that does not read its answers gets no further ones until it does. */
  get #canAnswer(): boolean {
    return this.#socket!.bufferedBytes() <= this.#host.limits.softBufferedBytes;
  }

  #seen(nowMs: number): void {
    this.#lastSeenMs = nowMs;
    this.#pingedAtMs = undefined;
    this.#isOverdue = false;
  }

  #keep(payload: Payload): void {
    this.#waiting ??= [];
    this.#waiting.push(payload);
    this.#waitingBytes += payloadBytes(payload);
    const { maxRequestsInFlight, maxWaitingBytes } = this.#host.limits;
    if (this.#waiting.length > maxRequestsInFlight || this.#waitingBytes > maxWaitingBytes) {
      this.close(this.#isReady ? "slow-consumer" : "rate-limited");
    }
  }

  /** Never from inside the drain callback: Bun may not call it again after a large send in it (oven-sh/bun#38177). */
  #scheduleResume(): void {
    if (this.#isResuming || (!this.#waiting && !this.#whenRead)) return;
    this.#isResuming = true;
    setImmediate(() => {
      this.#isResuming = false;
      if (this.#isOver) return;
      this.#whenRead?.();
      this.#whenRead = undefined;
      try {
        if (this.#isReady) this.#resume();
      } catch (failure) {
        this.#fault(failure);
      }
    });
  }

  /** What an engine does about a handler that throws, for what runs outside of its handlers. */
  #fault(failure: unknown): void {
    this.#host.failed(failure);
    this.#isOver = true;
    this.#socket!.close(internalErrorCode, "");
  }

  #resume(): void {
    const waiting = this.#waiting ?? [];
    let taken = 0;
    while (taken < waiting.length && !this.#isOver && this.#canAnswer) {
      this.#take(waiting[taken++]!, this.#host.now());
    }
    const rest = waiting.slice(taken);
    this.#waiting = rest.length > 0 ? rest : undefined;
    this.#waitingBytes = rest.reduce((bytes, payload) => bytes + payloadBytes(payload), 0);
  }

  #take(payload: Payload, nowMs: number): void {
    const { limits } = this.#host;
    const bytes = payloadBytes(payload);
    this.#host.counts.frames[this.format.index]! += 1;
    this.#host.counts.frameBytes[this.format.index]! += bytes;
    if (bytes > limits.maxFrameBytes) {
      this.close("too-large");
      return;
    }
    let id: number | undefined;
    try {
      const value = this.format.decodeFrame(payload, limits.maxDataValues + maxFrameValues);
      id = frameId(value);
      this.rates.take(bytes, nowMs);
      this.#host.handle(this, parseClientFrame(value, id), bytes);
    } catch (failure) {
      this.#refuse(id, failure, bytes);
    }
  }

  #refuse(id: number | undefined, failure: unknown, bytes: number): void {
    if (!(failure instanceof FanwireError)) throw failure;
    this.fail(id, failure);
    const now = this.#host.now();
    if (failure.code === "rate-limited" && !this.rates.refused(bytes, now)) this.close("rate-limited");
    const isBad = failure.code === "bad-frame" || failure.code === "unknown-type";
    if (isBad && !this.rates.bad(now)) this.close("protocol-error");
  }
}
