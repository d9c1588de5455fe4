// What each client frame does: checks access, size and mode, then asks hub, bridge or application, and answers.

import type { Application } from "../application.ts";
import type { Claims } from "../auth/auth.ts";
import type { Bridge, Position, Publication } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import type { NamespaceOptions } from "../config/options.ts";
import type { Session } from "../connections/session.ts";
import { FanwireError } from "../errors.ts";
import type { Hub } from "../hub/hub.ts";
import type { Joined } from "../hub/recovery.ts";
import type { Log } from "../log.ts";
import { checkData } from "../wire/data.ts";
import type {
  ClientFrame,
  HistoryFrame,
  Mode,
  PresenceFrame,
  PublishFrame,
  RefreshFrame,
  SubscribeFrame,
  UnsubscribeFrame,
} from "../wire/frames.ts";
import { publicationOf } from "../wire/message.ts";
import { Access } from "./access.ts";
import { Calls } from "./calls.ts";
import { historyAnswer } from "./history-answer.ts";
import { presenceAnswer } from "./presence-answer.ts";
import { checkPublication, checkSize, scopedKey } from "./publication-rules.ts";
import { checkFormat, checkHistory, checkPresence } from "./reading-rules.ts";

export interface RequestsOptions {
  readonly hub: Hub;
  readonly bridge: Bridge;
  readonly application: Application;
  readonly verify: (token: string) => Promise<Claims>;
  readonly limits: Limits;
  readonly log: Log;
  readonly now: () => number;
}

export class Requests {
  /** Publications of clients that were accepted. */
  readonly accepted: Record<Mode, number> = { volatile: 0, stream: 0, latest: 0 };
  readonly #options: RequestsOptions;
  readonly #access: Access;
  readonly #calls: Calls;

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#access = new Access(options.application, options.limits);
    this.#calls = new Calls(options);
  }

  /** Throws FanwireError. */
  handle(session: Session, frame: ClientFrame, frameBytes: number): void {
    try {
      this.#handle(session, frame, frameBytes);
    } catch (failure) {
      throw this.#asFanwireError(failure);
    }
  }

  #handle(session: Session, frame: ClientFrame, frameBytes: number): void {
    switch (frame.type) {
      case "ping":
        this.#ping(session, frame.id);
        break;
      case "subscribe":
        this.#subscribe(session, frame);
        break;
      case "unsubscribe":
        this.#unsubscribe(session, frame);
        break;
      case "publish":
        this.#publish(session, frame, frameBytes);
        break;
      case "history":
        this.#history(session, frame);
        break;
      case "presence":
        this.#presence(session, frame);
        break;
      case "refresh":
        this.#refresh(session, frame);
        break;
      case "call":
        this.#concurrently(session, frame.id, this.#calls.begin(session, frame));
        break;
    }
  }

  #ping(session: Session, id: number | undefined): void {
    session.send({ type: "pong", ...(id !== undefined && { id }), timestamp: this.#options.now() });
  }

  #subscribe(session: Session, frame: SubscribeFrame): void {
    const namespace = this.#options.hub.namespace(frame.topic);
    checkFormat(session.format, namespace);
    if (frame.maxRateHz !== undefined && namespace.mode !== "latest") {
      throw new FanwireError("mode-mismatch", "`maxRateHz` is for topics of mode latest.");
    }
    this.#inOrder(session, frame.topic, frame.id, () => {
      const allowed = this.#access.mayRead(session, frame.topic, namespace);
      const subscribe = () => {
        this.#checkTopicCount(session, frame.topic);
        return this.#options.hub.subscribe(session, frame.topic, frame, (joined) => {
          session.reply(frame.id, subscribed(frame.topic, joined));
        });
      };
      return whenAllowed(session, allowed, frame, subscribe);
    });
  }

  #unsubscribe(session: Session, frame: UnsubscribeFrame): void {
    this.#inOrder(session, frame.topic, frame.id, () => {
      if (!this.#options.hub.unsubscribe(session, frame.topic)) {
        throw new FanwireError("not-subscribed", `There is no subscription to ${frame.topic}.`);
      }
      session.reply(frame.id, { topic: frame.topic });
      return undefined;
    });
  }

  #publish(session: Session, frame: PublishFrame, frameBytes: number): void {
    const namespace = this.#options.hub.namespace(frame.topic);
    checkSize(namespace, frameBytes);
    const nowMs = this.#options.now();
    session.rates.takePublication(namespace, nowMs);
    checkPublication(frame, namespace.mode);
    const { maxDataDepth: maxDepth, maxDataValues: maxValues } = this.#options.limits;
    checkData(frame.data, { maxDepth, maxValues, binary: namespace.binary });
    const publication = publicationOf(frame, nowMs, session.userId);
    const isBusy = session.isBusyWith(frame.topic);
    const allowed = isBusy ? undefined : this.#access.mayPublish(session, frame.topic, namespace);
    if (typeof allowed !== "boolean") {
      this.#publishLater(session, frame, publication, namespace, allowed);
    } else if (mayGoOn(session, allowed, frame)) {
      // The usual case, at a game's rates: nothing to wait for, so nothing is put in line.
      if (namespace.mode !== "volatile") session.enter();
      this.#publishNow(session, frame, publication, namespace.mode);
    }
  }

  /** Publishes after what goes on in the topic already. `allowed`: the answer to come, where it has been asked for. */
  #publishLater(
    session: Session,
    frame: PublishFrame,
    publication: Publication,
    namespace: NamespaceOptions,
    allowed: Promise<boolean> | undefined,
  ): void {
    this.#inOrder(session, frame.topic, frame.id, () => {
      const answer = allowed ?? this.#access.mayPublish(session, frame.topic, namespace);
      return whenAllowed(session, answer, frame, () => {
        if (namespace.mode !== "volatile") session.goOn();
        this.#publishNow(session, frame, publication, namespace.mode);
        return undefined;
      });
    });
  }

  /** What is not volatile is counted as in flight already, and leaves when the bridge has answered. */
  #publishNow(session: Session, frame: PublishFrame, publication: Publication, mode: Mode): void {
    if (mode === "volatile") {
      this.#options.hub.publishVolatile(frame.topic, publication, frame.echo === false ? session : undefined);
      this.accepted.volatile += 1;
      session.reply(frame.id, {});
      return;
    }
    const key = scopedKey(session.userId, frame.idempotencyKey);
    let answer: Position | Promise<Position>;
    try {
      // The bridge keeps the order of the calls: nothing has to wait for its answer.
      answer = this.#options.bridge.publish(frame.topic, publication, key);
    } catch (failure) {
      this.#refused(session, frame, failure);
      return;
    }
    if (answer instanceof Promise) {
      answer.then(
        (position) => this.#accepted(session, frame, mode, position),
        (failure: unknown) => this.#refused(session, frame, failure),
      );
    } else this.#accepted(session, frame, mode, answer);
  }

  #accepted(session: Session, frame: PublishFrame, mode: Mode, { epoch, offset }: Position): void {
    this.accepted[mode] += 1;
    session.leave();
    session.reply(frame.id, { epoch, offset });
  }

  #refused(session: Session, frame: PublishFrame, failure: unknown): void {
    session.leave();
    session.fail(frame.id, this.#asFanwireError(failure));
  }

  #history(session: Session, frame: HistoryFrame): void {
    const { hub, bridge, limits } = this.#options;
    const namespace = hub.namespace(frame.topic);
    checkHistory(frame, namespace, session.format, limits);
    this.#inOrder(session, frame.topic, frame.id, () => {
      const allowed = this.#access.mayRead(session, frame.topic, namespace);
      return whenAllowed(session, allowed, frame, () => {
        return session.answerLarge(async () => {
          session.reply(frame.id, await historyAnswer(bridge, frame, limits));
        });
      });
    });
  }

  #presence(session: Session, frame: PresenceFrame): void {
    const { hub, bridge, limits } = this.#options;
    const namespace = hub.namespace(frame.topic);
    checkPresence(namespace);
    this.#inOrder(session, frame.topic, frame.id, () => {
      const allowed = this.#access.mayRead(session, frame.topic, namespace);
      return whenAllowed(session, allowed, frame, () => {
        return session.answerLarge(async () => {
          session.reply(frame.id, await presenceAnswer(bridge, frame.topic, limits));
        });
      });
    });
  }

  #refresh(session: Session, frame: RefreshFrame): void {
    this.#concurrently(session, frame.id, async () => {
      const claims = await this.#options.verify(frame.token);
      if (claims.userId !== session.userId) {
        throw new FanwireError("unauthorized", "A token of another user cannot refresh this connection.");
      }
      session.refresh(claims);
      const left = await this.#leaveUngranted(session);
      session.reply(frame.id, {
        ...(claims.expiresAt !== undefined && { expiresAt: claims.expiresAt }),
        ...(left.length > 0 && { left }),
      });
    });
  }

  async #leaveUngranted(session: Session): Promise<string[]> {
    const left: string[] = [];
    const topics = [...session.subscriptions].map(({ topic: { name: topic } }) => {
      return session.inOrder(topic, async () => {
        const { hub } = this.#options;
        if (await this.#stillMayRead(session, topic)) return;
        if (hub.unsubscribe(session, topic)) left.push(topic);
      });
    });
    await Promise.all(topics);
    return left;
  }

  /** What cannot be found out is not granted. */
  async #stillMayRead(session: Session, topic: string): Promise<boolean> {
    try {
      return await this.#access.mayRead(session, topic, this.#options.hub.namespace(topic));
    } catch (error) {
      this.#options.log.error("authorize-failed", { topic, userId: session.userId, error });
      return false;
    }
  }

  #checkTopicCount(session: Session, topic: string): void {
    const most = this.#options.limits.maxTopicsPerConnection;
    if (session.subscriptions.size >= most && !session.subscriptions.has(topic)) {
      throw new FanwireError("too-many", `A connection has at most ${most} topics.`);
    }
  }

  /** Runs an operation after the earlier ones on its topic, counts it while it is waited for, and answers its failure. */
  #inOrder(
    session: Session,
    topic: string,
    id: number | undefined,
    operation: () => Promise<void> | undefined,
  ): void {
    session.enter();
    const settle = (failure?: unknown) => {
      session.leave();
      if (failure !== undefined && !session.isOver) session.fail(id, this.#asFanwireError(failure));
    };
    void session.inOrder(topic, () => {
      if (session.isOver) return void settle();
      try {
        const running = operation();
        if (running) return running.then(() => settle(), settle);
        settle();
      } catch (failure) {
        settle(failure);
      }
      return undefined;
    });
  }

  #concurrently(session: Session, id: number | undefined, operation: () => Promise<void>): void {
    session.enter();
    operation()
      .catch((failure: unknown) => session.fail(id, this.#asFanwireError(failure)))
      .finally(() => session.leave());
  }

  #asFanwireError(failure: unknown): FanwireError {
    if (failure instanceof FanwireError) return failure;
    this.#options.log.error("request-failed", { error: failure });
    return new FanwireError("internal", "The server failed to do this.");
  }
}

function subscribed(topic: string, joined: Joined): Readonly<Record<string, unknown>> {
  const { position, ...rest } = joined;
  return { topic, ...position, ...rest };
}

interface Request {
  readonly type: string;
  readonly topic: string;
}

/** Whether a request goes on. Throws FanwireError `forbidden` where the client must not. */
function mayGoOn(session: Session, allowed: boolean, frame: Request): boolean {
  // The client may have left meanwhile, and what has been undone for it must not be done again.
  if (session.isOver || allowed) return !session.isOver;
  throw new FanwireError("forbidden", `The token does not grant ${frame.type} on ${frame.topic}.`);
}

/** Goes on when access is given; most often that is known at once, and then nothing is awaited. */
function whenAllowed(
  session: Session,
  allowed: boolean | Promise<boolean>,
  frame: Request,
  go: () => Promise<void> | undefined,
): Promise<void> | undefined {
  const proceed = (answer: boolean) => (mayGoOn(session, answer, frame) ? go() : undefined);
  return typeof allowed === "boolean" ? proceed(allowed) : allowed.then(proceed);
}
