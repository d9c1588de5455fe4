// A publisher that sends one publication after the other and repeats each under its idempotency key until it is acknowledged.

import { pause, SteadyClient, type SteadyOptions } from "./steady-client.ts";

export interface PublisherOptions extends SteadyOptions {
  readonly name: string;
  readonly topic: string;
  readonly intervalMs: number;
  /** Bytes to add to a publication of this number. */
  readonly padding: (number: number) => number;
}

/** One publication, as subscribers get it in `data`. */
export interface Numbered {
  readonly publisher: string;
  readonly number: number;
  /** When it was sent for the first time, in Unix milliseconds. */
  readonly sentAtMs: number;
}

export class Publisher extends SteadyClient {
  readonly name: string;
  readonly topic: string;
  /** Of each acknowledged publication, by number: where it was put, as `epoch:offset`. Empty for volatile ones. */
  readonly acknowledged = new Map<number, string>();
  /** How often something was sent again. */
  repeated = 0;
  readonly refusals: string[] = [];
  readonly #options: PublisherOptions;
  #isStopping = false;
  #done: Promise<void> | undefined;

  constructor(options: PublisherOptions) {
    super(options);
    this.name = options.name;
    this.topic = options.topic;
    this.#options = options;
  }

  override start(): void {
    super.start();
    this.#done = this.#publish();
  }

  /** Publishes no more, and resolves once what was begun is acknowledged. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }

  protected override opened(): void {
    // What was under way is repeated by whoever waits for its answer.
  }

  protected override received(): void {
    // A publisher is subscribed to nothing.
  }

  async #publish(): Promise<void> {
    for (let number = 1; !this.#isStopping; number++) {
      await this.#publishOne(number);
      await pause(this.#options.intervalMs);
    }
  }

  async #publishOne(number: number): Promise<void> {
    const frame = this.#frame(number);
    for (let attempt = 1; ; attempt++) {
      const answer = await this.request(frame);
      if (answer?.type === "ok") {
        this.acknowledged.set(number, answer.epoch === undefined ? "" : `${answer.epoch}:${answer.offset}`);
        return;
      }
      if (answer?.retryable === false) return void this.refusals.push(`${this.name}: ${answer.code}`);
      if (attempt > 1 || answer) this.repeated += 1;
      // What is volatile has no key to repeat it under: it happened, or it did not.
      if (answer === undefined && this.topic.startsWith("game:")) return;
      await pause();
    }
  }

  #frame(number: number): object {
    const { name, topic } = this;
    const isVolatile = topic.startsWith("game:");
    // What is volatile is in order per connection: what an earlier one sent may still be on its way from another node.
    const publisher = isVolatile ? volatileName(name, this.disconnects) : name;
    const padding = "x".repeat(this.#options.padding(number));
    const data = { publisher, number, sentAtMs: Date.now(), ...(padding && { padding }) };
    const frame = { type: "publish", topic, data };
    if (isVolatile) return frame;
    // Its own key: so its last publication is the newest value that everybody has to arrive at.
    const key = topic.startsWith("ticker:") ? { key: publisher } : {};
    return { ...frame, ...key, idempotencyKey: `${publisher}-${number}` };
  }
}

/** What a publisher calls itself on its connection after so many others. */
export function volatileName(name: string, connection: number): string {
  return `${name} on ${connection}`;
}
