// All connections of this node: admits them, authenticates them, keeps their time, and closes them politely.

import type { Application } from "../application.ts";
import { type Claims, clockToleranceMs, createGuest } from "../auth/auth.ts";
import type { Limits } from "../config/limits.ts";
import type { HttpRequest, Payload, Socket, UpgradeDecision } from "../engine/engine.ts";
import { type CloseReason, FanwireError } from "../errors.ts";
import type { Hub } from "../hub/hub.ts";
import type { Joined } from "../hub/recovery.ts";
import type { Log } from "../log.ts";
import { ownTopics } from "../requests/access.ts";
import { withDeadline } from "../requests/deadline.ts";
import type { Requests } from "../requests/requests.ts";
import type { FrameFormat } from "../wire/format.ts";
import { type ClientFrame, type JoinedTopic, type MessageFrame, protocolVersion } from "../wire/frames.ts";
import { messageOf } from "../wire/message.ts";
import { type AdmissionRules, type CodedRefusal, type Refusal, readHandshake, refusal } from "./admission.ts";
import { BufferSampler } from "./buffer-sampler.ts";
import { ConnectionCaps } from "./connection-caps.ts";
import { noConnections } from "./connection-counts.ts";
import { Drain } from "./drain.ts";
import type { EventStream, EventStreamHost } from "./event-stream.ts";
import { Session, type SessionHost } from "./session.ts";

/** Whoever is connected, in whichever way. */
export type Connection = Session | EventStream;

export interface ConnectionsOptions {
  readonly nodeId: string;
  readonly limits: Limits;
  readonly hub: Hub;
  readonly requests: Requests;
  readonly admission: AdmissionRules;
  /** Whose a request is: its peer's, or whom a proxy names. */
  readonly addressOf: (request: HttpRequest) => string;
  /** Absent in development mode, where whoever brings no token is a guest. */
  readonly verify: ((token: string) => Promise<Claims>) | undefined;
  readonly application: Application;
  readonly log: Log;
  readonly now: () => number;
  readonly newId: () => string;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Where Redis is known to be away a new client is told so instead of waiting: what can be joined, can be by then. */
export const awayPauseMs = 250;
/** What an engine says of a connection that ended without a close frame. */
const abnormalClosure = 1006;

export class Connections implements SessionHost, EventStreamHost {
  readonly limits: Limits;
  readonly now: () => number;
  readonly counts = noConnections();
  readonly buffers: BufferSampler;
  readonly #options: ConnectionsOptions;
  readonly random: () => number;
  /** To be told of requests for event streams, which count before there is one. */
  readonly caps: ConnectionCaps;
  readonly #sessions = new Set<Connection>();
  /** Topics that could not be joined for a client yet, because their position was unavailable. */
  readonly #unjoined = new Map<Session, Set<string>>();
  readonly #drain: Drain;
  #isDraining = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.limits = options.limits;
    this.random = options.random;
    this.caps = new ConnectionCaps(options.limits);
    this.now = options.now;
    this.buffers = new BufferSampler(this.#sessions);
    const leaveTopics = (session: Connection) => options.hub.unsubscribeAll(session);
    this.#drain = new Drain(this.#sessions, options.limits, leaveTopics);
  }

  get count(): number {
    return this.#sessions.size;
  }

  get sessions(): ReadonlySet<Connection> {
    return this.#sessions;
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  upgrade(request: HttpRequest): UpgradeDecision<Session> {
    const decision = this.#decide(request);
    if ("refuse" in decision) this.counts.refused[decision.refuse.reason] += 1;
    return decision;
  }

  #decide(request: HttpRequest): { accept: Session; subprotocol?: string } | { refuse: Refusal } {
    const read = readHandshake(request, this.#options.admission);
    if ("refuse" in read) return read;
    const address = this.#options.addressOf(request);
    const refuse = this.refuse(address);
    if (refuse) return { refuse };
    const { format, credential, autoJoin } = read.handshake;
    const session = new Session(this, this.#options.newId(), format, credential, autoJoin);
    if (address !== request.remoteAddress) session.forwardedFor = address;
    return read.subprotocol === undefined
      ? { accept: session }
      : { accept: session, subprotocol: read.subprotocol };
  }

  /** Refuses whoever comes now, or answers undefined. */
  refuse(address: string): CodedRefusal | undefined {
    if (this.#isDraining) return refusal("draining", "This node is closing.");
    return this.caps.refuse(address);
  }

  open(socket: Socket<Session>): void {
    const session = socket.data;
    this.caps.opened(session.forwardedFor ?? socket.remoteAddress);
    this.#add(session);
    void session.opened(socket);
  }

  message(socket: Socket<Session>, payload: Payload): void {
    socket.data.received(payload);
  }

  drain(socket: Socket<Session>): void {
    socket.data.drained();
  }

  pong(socket: Socket<Session>): void {
    socket.data.ponged();
  }

  closed(socket: Socket<Session>, code: number): void {
    socket.data.closed(code);
  }

  authenticate(credential: string | undefined): Claims | Promise<Claims> {
    const { verify } = this.#options;
    if (!verify && credential === undefined) return createGuest();
    if (!verify)
      throw new FanwireError("unauthorized", "Development mode has no secret to verify a token with.");
    if (credential === undefined) throw new FanwireError("unauthorized", "There is no token.");
    const late = () => new FanwireError("timeout", "The token could not be verified in time.");
    return withDeadline(verify(credential), this.limits.authTimeoutMs, late);
  }

  authenticated(userId: string): void {
    this.caps.authenticated(userId);
  }

  async welcome(session: Session): Promise<void> {
    const { hub, nodeId } = this.#options;
    const topics = session.autoJoin ? this.joinable(session.userId, session.format) : [];
    const opened = Promise.allSettled(topics.map((topic) => hub.open(topic)));
    await (hub.bridgeIsAlive ? opened : Promise.race([opened, pause(awayPauseMs)]));
    if (session.isOver) return;
    const subscriptions: JoinedTopic[] = [];
    const values: MessageFrame[] = [];
    let isGreeted = false;
    for (const topic of topics) {
      this.#join(session, topic, (joined) => {
        if (isGreeted) return announceLate(session, topic, joined);
        subscriptions.push({ topic, mode: joined.mode, ...joined.position });
        values.push(...valuesOf(topic, joined));
      });
    }
    const { expiresAt } = session.claims;
    session.send({
      type: "connected",
      sessionId: session.id,
      userId: session.userId,
      nodeId,
      timestamp: this.now(),
      heartbeatMs: this.limits.heartbeatMs,
      ...(expiresAt !== undefined && { expiresAt }),
      protocol: protocolVersion,
      subscriptions,
    });
    isGreeted = true;
    session.isWelcomed = true;
    for (const value of values) session.send(value);
    this.#tellOf(session);
  }

  begun(stream: EventStream): void {
    const { hub } = this.#options;
    this.#add(stream);
    // Who asked before the draining began has not been told of it.
    if (this.#isDraining) {
      stream.close("draining");
      return;
    }
    for (const topic of stream.topics) {
      const since = stream.since(topic);
      const maxRateHz = hub.namespace(topic).mode === "latest" ? stream.maxRateHz : undefined;
      const wish = { ...(since && { since }), ...(maxRateHz !== undefined && { maxRateHz }) };
      hub
        .subscribe(stream, topic, wish, (joined) => stream.joined(topic, joined))
        ?.catch((failure: unknown) => this.#failStream(stream, failure));
    }
    stream.isWelcomed = true;
    this.#tellOf(stream);
  }

  handle(session: Session, frame: ClientFrame, frameBytes: number): void {
    if (frame.type !== "ping") this.#drain.check(session);
    // From here on the client says itself whether it is in the topic.
    if (frame.type === "subscribe" || frame.type === "unsubscribe") this.#forget(session, frame.topic);
    this.#options.requests.handle(session, frame, frameBytes);
  }

  failed(failure: unknown): void {
    this.#options.log.error("handler-failed", { error: failure });
  }

  drained(session: Connection): void {
    this.#options.hub.feeder.drained(session);
  }

  ended(session: Connection, code: number, reason: CloseReason | undefined): void {
    this.caps.ended(session.remoteAddress, session.isAuthenticated ? session.userId : undefined);
    // An event stream whose client left before its answer never was among them.
    if (!this.#sessions.delete(session)) return;
    this.counts.open[session.format.index]! -= 1;
    this.counts.ended[reason ?? (code === abnormalClosure ? "lost" : "client")] += 1;
    if (session instanceof Session) this.#unjoined.delete(session);
    this.#options.hub.unsubscribeAll(session);
    if (this.#sessions.size === 0) this.#drain.emptied();
    if (!session.isWelcomed) return;
    this.#tell("onDisconnect", () => {
      const { userId, id: sessionId } = session;
      return this.#options.application.onDisconnect?.({ userId, sessionId, code });
    });
  }

  /** Once a second. */
  tick(): void {
    for (const session of this.#sessions) session.tick(clockToleranceMs);
    this.buffers.tick();
    for (const [session, topics] of this.#unjoined) {
      for (const topic of [...topics]) {
        if (!session.isBusyWith(topic)) this.#joinLate(session, topic);
      }
    }
  }

  /** Closes a user's connections. One whose token is being verified at the moment is not known to be the user's yet. */
  disconnect(userId: string, reason: string | undefined): void {
    for (const session of this.#sessions) {
      if (session.isAuthenticated && session.userId === userId) session.close("disconnected", reason);
    }
  }

  /** Takes nobody in from now on. */
  startDraining(): void {
    this.#isDraining = true;
  }

  /** Tells every client, closes all of them (drain.ts), and resolves when they are gone or `exitMs` has passed. */
  closeAll(exitMs: number): Promise<void> {
    return this.#drain.closeAll(exitMs);
  }

  /** The topics that a user is joined to without asking, as far as a format can carry them. */
  joinable(userId: string, format: FrameFormat): string[] {
    return ownTopics(userId).filter((topic) => {
      return format.binary || !this.#options.hub.namespace(topic).binary;
    });
  }

  #add(session: Connection): void {
    this.#sessions.add(session);
    this.counts.open[session.format.index]! += 1;
    this.counts.opened[session.format.index]! += 1;
  }

  #failStream(stream: EventStream, failure: unknown): void {
    if (!(failure instanceof FanwireError)) this.failed(failure);
    const internal = () => new FanwireError("internal", "The server failed to do this.");
    stream.fail(failure instanceof FanwireError ? failure : internal());
  }

  #tellOf({ userId, id: sessionId }: Connection): void {
    this.#tell("onConnect", () => this.#options.application.onConnect?.({ userId, sessionId }));
  }

  #join(session: Session, topic: string, answer: (joined: Joined) => void): void {
    void session.inOrder(topic, () => {
      return this.#options.hub.subscribe(session, topic, {}, answer)?.catch(() => {
        if (session.isOver) return;
        const topics = this.#unjoined.get(session) ?? new Set();
        this.#unjoined.set(session, topics.add(topic));
      });
    });
  }

  /** Stays among the unjoined until it has worked, so that the client's own word on the topic counts meanwhile. */
  #joinLate(session: Session, topic: string): void {
    if (session.subscriptions.has(topic)) {
      this.#forget(session, topic);
      return;
    }
    void session.inOrder(topic, () => {
      const announce = (joined: Joined) => {
        this.#forget(session, topic);
        announceLate(session, topic, joined);
      };
      // Of a failure nothing has to be said: it is tried again.
      return this.#options.hub.subscribe(session, topic, {}, announce)?.catch(() => undefined);
    });
  }

  #forget(session: Session, topic: string): void {
    const topics = this.#unjoined.get(session);
    topics?.delete(topic);
    if (topics?.size === 0) this.#unjoined.delete(session);
  }

  #tell(hook: string, call: () => unknown): void {
    const failed = (error: unknown) => this.#options.log.error("hook-failed", { hook, error });
    try {
      Promise.resolve(call()).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}

/** What a topic of mode `latest` has, as the messages a client would have got. */
function valuesOf(topic: string, { publications = [] }: Joined): MessageFrame[] {
  return publications.map((publication) => messageOf(topic, publication));
}

function announceLate(session: Session, topic: string, joined: Joined): void {
  const { position, snapshot } = joined;
  if (!position) return;
  const { epoch, offset } = snapshot ?? position;
  session.send({ type: "reset", topic, epoch, offset, ...(snapshot && { snapshot }) });
  for (const value of valuesOf(topic, joined)) session.send(value);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
