// One topic the application listens to: asks for it, goes on from where it was, and says what it knows. Knows no sockets.

import type { Position } from "../bridge/bridge.ts";
import type { ErrorFrame, MessageFrame, Mode, ResetFrame, StayFrame } from "../wire/frames.ts";
import type { Answer, Unnumbered } from "./connection.ts";
import { Continuity, type SubscribeOk } from "./continuity.ts";
import { refusal } from "./error.ts";
import type { Listening, ListeningState, Reset, SubscribeOptions } from "./options.ts";

/** What a subscription needs of its client. */
export interface SubscriptionHost {
  /** Sends, if connected, and calls back with the answer in its turn. False where it is not connected. */
  ask(frame: Unnumbered, done: (answer: Answer) => void): boolean;
  /** Asks the host to call `ask` of those that want it, after a pause. */
  retryLater(): void;
  learn(topic: string, mode: Mode): void;
  /** Runs the application's code, whose exceptions are its own. */
  guard(work: () => void): void;
  /** It is over, and perhaps the server does not know that. */
  ended(subscription: Subscription, isToBeLeft: boolean): void;
}

/** Asked so often from one position without getting past it, that position is given up. */
const mostFruitless = 3;

export class Subscription implements Listening {
  topic: string;
  readonly #options: SubscribeOptions;
  readonly #host: SubscriptionHost;
  readonly #continuity: Continuity;
  #state: ListeningState = "pending";
  /** Whether there is something that a `reset` could be about. */
  #hasBegun: boolean;
  #fruitless = 0;
  #askedAtOffset = -1;
  /** Identifies the newest question: what answers an older one is ignored. */
  #question = 0;

  constructor(topic: string, options: SubscribeOptions, host: SubscriptionHost) {
    this.topic = topic;
    this.#options = options;
    this.#host = host;
    this.#continuity = new Continuity(options.since);
    this.#hasBegun = options.since !== undefined;
  }

  get state(): ListeningState {
    return this.#state;
  }

  get mode(): Mode | undefined {
    return this.#continuity.mode;
  }

  get position(): Position | undefined {
    return this.#continuity.position;
  }

  unsubscribe(): void {
    if (this.#state === "ended") return;
    const wasAsked = this.#state !== "pending";
    this.#state = "ended";
    this.#host.ended(this, wasAsked);
  }

  /** Subscribes, or again: from the position there is. */
  ask(): void {
    const { position } = this.#continuity;
    const { maxRateHz } = this.#options;
    const question = ++this.#question;
    const isSent = this.#host.ask(
      {
        type: "subscribe",
        topic: this.topic,
        ...(position && { since: position }),
        ...(maxRateHz !== undefined && { maxRateHz }),
      },
      (answer) => {
        if (question === this.#question && this.#state === "asked") this.#answered(answer);
      },
    );
    if (this.#state !== "ended") this.#state = isSent ? "asked" : "pending";
  }

  /** The same under another name: nothing of what was there holds any more. */
  rename(topic: string): void {
    if (topic === this.topic) return;
    this.topic = topic;
    this.#continuity.position = undefined;
  }

  lost(): void {
    if (this.#state !== "ended") this.#state = "pending";
  }

  message(frame: MessageFrame): void {
    if (this.#state === "subscribed" && !this.#take(frame)) this.#fill();
  }

  reset({ epoch, offset, snapshot }: ResetFrame): void {
    if (this.#state !== "subscribed") return;
    this.#continuity.begin({ epoch, offset });
    this.#tellReset({ topic: this.topic, epoch, offset, snapshot });
  }

  stay(frame: StayFrame): void {
    if (this.#state === "subscribed") this.#tell(() => this.#options.onPresence?.(frame));
  }

  #answered(answer: Answer): void {
    if (answer.type === "error") {
      this.#state = "pending";
      if (answer.retryable) return void this.#host.retryLater();
      return void this.#fail(answer);
    }
    this.#resume(answer as SubscribeOk);
  }

  #fail(frame: ErrorFrame): void {
    this.#state = "ended";
    this.#host.ended(this, false);
    this.#host.guard(() => this.#options.onError?.(refusal(frame)));
  }

  #resume(ok: SubscribeOk): void {
    const { topic } = this;
    const { epoch, offset, snapshot, mode, maxRateHz, publications = [] } = ok;
    const position = epoch !== undefined && offset !== undefined ? { epoch, offset } : undefined;
    const hadBegun = this.#hasBegun;
    const recovered = this.#continuity.resume(ok);
    this.#state = "subscribed";
    this.#hasBegun = position !== undefined;
    this.#host.learn(topic, mode);
    if (position && hadBegun && !recovered) this.#tellReset({ topic, ...position, snapshot });
    const subscribed = { topic, mode, recovered, position, snapshot, maxRateHz };
    this.#tell(() => this.#options.onSubscribed?.(subscribed));
    // All of them, even if the application has closed the client by now: they count as delivered.
    const isWhole = publications.every((publication) =>
      this.#take({ ...publication, type: "message", topic }),
    );
    if (!(isWhole && this.#continuity.reaches(ok)) && this.#state === "subscribed") this.#fill();
  }

  /** Asks for what is missing. Where asking does not help, the position is given up, and the application is told. */
  #fill(): void {
    const { offset } = this.#continuity.position!;
    this.#fruitless = offset === this.#askedAtOffset ? this.#fruitless + 1 : 0;
    this.#askedAtOffset = offset;
    if (this.#fruitless < mostFruitless) return void this.ask();
    this.#continuity.position = undefined;
    this.#state = "pending";
    this.#host.retryLater();
  }

  /** False: something before it is missing. */
  #take(message: MessageFrame): boolean {
    const verdict = this.#continuity.take(message);
    if (verdict === "new") this.#tell(() => this.#options.onMessage(message));
    return verdict !== "hole";
  }

  #tellReset(reset: Reset): void {
    this.#tell(() => this.#options.onReset?.(reset));
  }

  #tell(work: () => void): void {
    if (this.#state !== "ended") this.#host.guard(work);
  }
}
