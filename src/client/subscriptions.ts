// All topics the application listens to: asked for in one burst after each connection, and again after a pause where that failed. Knows no sockets.

import type { MessageFrame, Mode, ResetFrame, ServerFrame, StayFrame } from "../wire/frames.ts";
import { pauseMs } from "./backoff.ts";
import type { Answer, Connection, Unnumbered } from "./connection.ts";
import type { Environment } from "./environment.ts";
import type { SubscribeOptions } from "./options.ts";
import { Subscription, type SubscriptionHost } from "./subscription.ts";
import type { VolatileNamespaces } from "./volatile-namespaces.ts";

/** Stands for the user's own topic, whose name the client knows once it is connected. No topic has this name. */
export const own = "user:";

export class Subscriptions implements SubscriptionHost {
  readonly guard: (work: () => void) => void;
  readonly #environment: Environment;
  readonly #connection: Pick<Connection, "prepare" | "ask">;
  readonly #volatile: VolatileNamespaces;
  /** By the name the application gave. */
  readonly #byName = new Map<string, Subscription>();
  #userId: string | undefined;
  #failures = 0;
  #pause: (() => void) | undefined;

  constructor(
    environment: Environment,
    connection: Pick<Connection, "prepare" | "ask">,
    volatile: VolatileNamespaces,
    guard: (work: () => void) => void,
  ) {
    this.#environment = environment;
    this.#connection = connection;
    this.#volatile = volatile;
    this.guard = guard;
  }

  add(name: string, options: SubscribeOptions): Subscription {
    if (this.#byName.has(name)) throw new TypeError(`${name} is subscribed to already.`);
    const subscription = new Subscription(name, options, this);
    this.#byName.set(name, subscription);
    this.#askFor(name, subscription);
    return subscription;
  }

  ask(frame: Unnumbered, done: (answer: Answer) => void): boolean {
    if (this.#userId === undefined) return false;
    this.#connection.ask(this.#connection.prepare(frame), done);
    return true;
  }

  learn(topic: string, mode: Mode): void {
    this.#failures = 0;
    this.#volatile.learn(topic, mode);
  }

  ended(subscription: Subscription, isToBeLeft: boolean): void {
    for (const [name, other] of this.#byName) if (other === subscription) this.#byName.delete(name);
    // Whether it was there to be left does not matter.
    if (isToBeLeft) this.ask({ type: "unsubscribe", topic: subscription.topic }, () => undefined);
  }

  connected(userId: string): void {
    this.#userId = userId;
    for (const [name, subscription] of this.#byName) this.#askFor(name, subscription);
  }

  lost(): void {
    this.#userId = undefined;
    this.#pause?.();
    this.#pause = undefined;
    for (const subscription of this.#byName.values()) subscription.lost();
  }

  /** The server left these topics: whether for good, it says to whoever asks again. */
  left(topics: readonly string[]): void {
    for (const topic of topics) this.#find(topic)?.ask();
  }

  frame(frame: ServerFrame): void {
    const { topic } = frame as MessageFrame;
    if (topic === undefined) return;
    const subscription = this.#find(topic);
    if (frame.type === "message") subscription?.message(frame);
    else if (frame.type === "reset") subscription?.reset(frame as ResetFrame);
    else if (frame.type === "join" || frame.type === "leave") subscription?.stay(frame as StayFrame);
  }

  #find(topic: string): Subscription | undefined {
    return this.#byName.get(topic) ?? (topic === own + this.#userId ? this.#byName.get(own) : undefined);
  }

  /** One pause for all that failed meanwhile. */
  retryLater(): void {
    if (this.#pause) return;
    this.#failures += 1;
    const { clock, random } = this.#environment;
    this.#pause = clock.after(pauseMs(this.#failures, random), () => {
      this.#pause = undefined;
      for (const [name, subscription] of this.#byName) {
        if (subscription.state === "pending") this.#askFor(name, subscription);
      }
    });
  }

  #askFor(name: string, subscription: Subscription): void {
    if (name === own && this.#userId !== undefined) subscription.rename(own + this.#userId);
    subscription.ask();
  }
}
