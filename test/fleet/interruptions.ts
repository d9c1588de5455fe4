// A way of its own for each client, cut now and then and mended a little later, and the memory of when. Knows nothing of what passes.

import { Random } from "../support/random.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";

export interface InterruptionsOptions {
  /** How often each way is cut, about: half of it to one and a half. */
  readonly everyMs: number;
  /** How long it is away at most; any time below is as likely. */
  readonly longestMs: number;
  readonly seed: number;
}

/** In Unix milliseconds. */
interface Interruption {
  readonly fromMs: number;
  readonly toMs: number;
}

export class Interruptions {
  readonly #options: InterruptionsOptions;
  readonly #ways: readonly TcpProxy[];
  readonly #past: readonly Interruption[][];

  private constructor(ways: readonly TcpProxy[], options: InterruptionsOptions) {
    this.#ways = ways;
    this.#past = ways.map(() => []);
    this.#options = options;
  }

  static async to(ports: readonly number[], options: InterruptionsOptions): Promise<Interruptions> {
    return new Interruptions(await Promise.all(ports.map((port) => TcpProxy.to(port))), options);
  }

  get ports(): readonly number[] {
    return this.#ways.map(({ port }) => port);
  }

  get cuts(): number {
    return this.#past.reduce((sum, { length }) => sum + length, 0);
  }

  /** How long each of them was, in order. */
  get lengths(): readonly number[] {
    const lengths = this.#past.flat().map(({ fromMs, toMs }) => toMs - fromMs);
    return lengths.sort((one, other) => one - other);
  }

  /** How much of this time a way was cut. */
  awayMs(way: number, fromMs: number, toMs: number): number {
    const within = (each: Interruption) => Math.min(each.toMs, toMs) - Math.max(each.fromMs, fromMs);
    return this.#past[way]!.reduce((sum, each) => sum + Math.max(0, within(each)), 0);
  }

  /** Ends with every way mended. */
  async run(durationMs: number): Promise<void> {
    const endMs = Date.now() + durationMs;
    await Promise.all(this.#ways.map((_, way) => this.#interrupt(way, endMs)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#ways.map((way) => way[Symbol.asyncDispose]()));
  }

  async #interrupt(way: number, endMs: number): Promise<void> {
    const { everyMs, longestMs, seed } = this.#options;
    const random = new Random(seed * 1_000_003 + way);
    // The first one within one interval, so that not all begin together.
    let waitMs = random.below(everyMs);
    while (Date.now() + waitMs < endMs) {
      await pause(waitMs);
      const fromMs = Date.now();
      await this.#ways[way]!.cut(random.pick(["rst", "fin"] as const));
      await pause(random.below(longestMs));
      this.#ways[way]!.heal();
      this.#past[way]!.push({ fromMs, toMs: Date.now() });
      waitMs = random.between(everyMs / 2, (everyMs * 3) / 2);
    }
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}
