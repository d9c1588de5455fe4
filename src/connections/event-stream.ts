// One event stream's life: what it is sent and under which id, its heartbeat, its token's expiry, and its end. Knows no request
// and no access: that is event-requests.ts.

import type { Claims } from "../auth/auth.ts";
import type { Member } from "../bridge/presence.ts";
import type { Limits } from "../config/limits.ts";
import type { ResponseStream, SendOutcome, StreamHandlers } from "../engine/engine.ts";
import { type CloseReason, closeRules, type FanwireError } from "../errors.ts";
import type { StreamSubscriber, Subscription } from "../hub/active-topic.ts";
import { FewMap } from "../hub/few.ts";
import type { Joined } from "../hub/recovery.ts";
import { SharedFrame } from "../wire/format.ts";
import type { ErrorFrame } from "../wire/frames.ts";
import { comment, idLine, retryLine, sse } from "../wire/sse.ts";
import type { ConnectionCounts } from "./connection-counts.ts";
import type { StreamPosition } from "./stream-position.ts";

/** What an event stream needs of its node. */
export interface EventStreamHost {
  readonly limits: Pick<Limits, "sseHeartbeatMs" | "slowConsumerTimeoutMs">;
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly counts: Pick<ConnectionCounts, "errors">;
  /** The answer has begun: joins the topics. */
  begun(stream: EventStream): void;
  /** It may be fed again. */
  drained(stream: EventStream): void;
  /** `reason`: why the server ended it, if it did. */
  ended(stream: EventStream, code: number, reason: CloseReason | undefined): void;
}

/** Who the client is, and what it wants. */
export interface EventStreamRequest {
  readonly claims: Claims;
  readonly remoteAddress: string;
  readonly topics: readonly string[];
  readonly position: StreamPosition;
  /** In mode `latest`: at most so many times a second. */
  readonly maxRateHz: number | undefined;
}

/** What a client is asked to wait, at most, before it comes back. A browser would, whatever the reason; so some wait long. */
const returnMs: Readonly<Record<CloseReason, number>> = {
  unauthorized: 5000,
  "too-large": 5000,
  draining: 5000,
  overloaded: 5000,
  disconnected: 3_600_000,
  "token-expired": 1000,
  "slow-consumer": 0,
  "rate-limited": 5000,
  "protocol-error": 5000,
  "heartbeat-timeout": 0,
};
/** RFC 6455's word for an end without a close code: an event stream's client has none to say. */
const noCode = 1005;

/** Until the answer begins nothing is sent. */
const unopened = { bufferedBytes: () => 0, cork: (work: () => void) => work() };

export class EventStream implements StreamSubscriber, StreamHandlers {
  readonly id: string;
  readonly format = sse;
  readonly claims: Claims;
  readonly isAuthenticated = true;
  readonly remoteAddress: string;
  readonly topics: readonly string[];
  readonly maxRateHz: number | undefined;
  readonly subscriptions = new FewMap<Subscription>();
  behind: Set<Subscription> | undefined = undefined;
  behindSinceMs = 0;
  /** Whether the application has been told of it. */
  isWelcomed = false;
  readonly #host: EventStreamHost;
  readonly #position: StreamPosition;
  #socket: ResponseStream | undefined;
  /** Whether the first id has been sent. */
  #hasBegun = false;
  #lastSentMs = 0;
  /** Since when the client has taken nothing of what waits for it. */
  #stuckSinceMs: number | undefined;
  #isOver = false;
  #hasSaidClosing = false;
  #closedFor: CloseReason | undefined;

  constructor(host: EventStreamHost, id: string, request: EventStreamRequest) {
    this.#host = host;
    this.id = id;
    this.claims = request.claims;
    this.remoteAddress = request.remoteAddress;
    this.topics = request.topics;
    this.maxRateHz = request.maxRateHz;
    this.#position = request.position;
  }

  get socket(): StreamSubscriber["socket"] {
    return this.#socket ?? unopened;
  }

  get userId(): string {
    return this.claims.userId;
  }

  get member(): Member {
    const { userId, info } = this.claims;
    return { sessionId: this.id, userId, ...(info && { info }) };
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** A client that asks for nothing is owed none. */
  get isOwedAnswers(): boolean {
    return false;
  }

  open(socket: ResponseStream): void {
    this.#socket = socket;
    this.#host.begun(this);
    this.#hasBegun = true;
    // By itself no event: it tells the client where it is, and takes the answer's head along.
    this.#sendId();
  }

  drain(): void {
    this.#stuckSinceMs = undefined;
    if (!this.#isOver) this.#host.drained(this);
  }

  closed(): void {
    this.#isOver = true;
    const code = this.#closedFor ? closeRules[this.#closedFor].code : noCode;
    this.#host.ended(this, code, this.#closedFor);
  }

  /** A topic is joined. What the client is owed follows as events. */
  joined(topic: string, { position, recovered, snapshot }: Joined): void {
    if (!position) return;
    if (snapshot) {
      const { epoch, offset } = snapshot;
      this.deliver(new SharedFrame({ type: "reset", topic, epoch, offset, snapshot }));
    } else if (this.#position.of(topic) && !recovered) {
      this.deliver(new SharedFrame({ type: "reset", topic, ...position }));
    } else {
      this.#position.set(topic, position);
      if (this.#hasBegun) this.#sendId();
    }
  }

  /** What the client has of a topic that it brought back. */
  since(topic: string): { readonly epoch: string; readonly offset: number } | undefined {
    return this.#position.of(topic);
  }

  /** Sends one frame of a topic, under the id that has it. */
  deliver(shared: SharedFrame): SendOutcome {
    const { frame } = shared;
    if (frame.type === "message") {
      if (frame.offset !== undefined) this.#position.moveTo(frame.topic, frame.offset);
    } else if (frame.type === "reset") this.#position.set(frame.topic, frame);
    return this.#send(idLine(this.#position.id) + shared.payload(sse));
  }

  /** Once a second: a comment on a silent stream, and the end of one whose token has run out or whose client takes nothing. */
  tick(toleranceMs: number): void {
    if (this.#isOver || !this.#socket) return;
    const now = this.#host.now();
    const { sseHeartbeatMs, slowConsumerTimeoutMs } = this.#host.limits;
    const { expiresAt } = this.claims;
    if (expiresAt !== undefined && expiresAt + toleranceMs <= now) this.close("token-expired");
    else if (this.#socket.bufferedBytes() > 0) {
      this.#stuckSinceMs ??= now;
      if (now - this.#stuckSinceMs >= slowConsumerTimeoutMs) this.close("slow-consumer");
    } else if (now - this.#lastSentMs >= sseHeartbeatMs) this.#send(comment);
  }

  /** The server is about to end it. The client is to come back within that time, each after a part of its own. */
  announce(retryAfterMs: number): void {
    this.#sayClosing("draining", "draining", retryAfterMs);
  }

  /** Ends it over a failure that no answer can carry any more. */
  fail(failure: FanwireError): void {
    if (this.#isOver) return;
    this.#host.counts.errors[failure.code] += 1;
    this.#send(sse.encode(errorFrame(failure)));
    this.close("overloaded");
  }

  /** `words`: what the client reads as the reason, where it is not the reason's name. */
  close(reason: CloseReason, words: string = reason): void {
    if (this.#isOver) return;
    this.#sayClosing(reason, words, returnMs[reason]);
    this.#isOver = true;
    this.#closedFor = reason;
    this.#socket?.end();
  }

  #sayClosing(reason: CloseReason, words: string, retryAfterMs: number): void {
    if (this.#isOver || this.#hasSaidClosing) return;
    this.#hasSaidClosing = true;
    const { code } = closeRules[reason];
    // Spread, but for whoever is to stay away.
    const waitMs = Math.round(reason === "disconnected" ? retryAfterMs : retryAfterMs * this.#host.random());
    this.#send(retryLine(waitMs) + sse.encode({ type: "closing", code, reason: words, retryAfterMs }));
  }

  #sendId(): void {
    this.#send(`${idLine(this.#position.id)}\n`);
  }

  #send(text: string): SendOutcome {
    if (this.#isOver || !this.#socket) return "dropped";
    this.#lastSentMs = this.#host.now();
    return this.#socket.send(text);
  }
}

export function errorFrame({ code, message, retryable }: FanwireError): ErrorFrame {
  return { type: "error", code, message, retryable };
}
