// A process of a simulation: what happens in it happens by its clock and its connections, so that it can be paused and killed.
// Knows nothing of what runs in it.

import type { Connect, RedisConnection } from "../../src/bridge/connection.ts";
import type { Clock } from "../../src/bridge/redis/clock.ts";
import type { ModelRedis } from "./model-redis.ts";
import type { ModelConnection } from "./model-redis-connection.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export class SimulatedProcess {
  readonly clock: Clock;
  readonly #time: VirtualClock;
  readonly #redis: ModelRedis;
  readonly #opened = new Set<ModelConnection>();
  /** What came while it was paused. */
  #held: (() => void)[] = [];
  #isPaused = false;
  #isDead = false;

  constructor(time: VirtualClock, redis: ModelRedis) {
    this.#time = time;
    this.#redis = redis;
    this.clock = {
      // Whole milliseconds, as Date.now gives.
      now: () => Math.floor(time.now()),
      after: (delayMs, work) => this.#after(delayMs, work),
      defer: (work) => void this.#after(0, work),
    };
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Runs work of this process, now or when it runs again; never, once it is dead. */
  do(work: () => void): void {
    if (this.#isDead) return;
    if (this.#isPaused) this.#held.push(work);
    else work();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    const held = this.#held;
    this.#held = [];
    for (const work of held) this.#time.after(0, () => this.do(work));
  }

  /** `arriving`: how much of what each connection has sent still reaches Redis. */
  kill(arriving: number): void {
    this.#isDead = true;
    this.#held = [];
    for (const connection of this.connections) connection.cut("the process was killed", arriving);
  }

  /** Those that Redis believes in: also ones that this process has given up. */
  get connections(): readonly ModelConnection[] {
    return this.#redis.connections.filter((connection) => this.#opened.has(connection));
  }

  readonly connect: Connect = (address, handlers, timeoutMs) =>
    this.#here(
      this.#redis
        .connect(
          address,
          {
            message: (channel, payload) => this.do(() => handlers.message(channel, payload)),
            closed: (reason) => this.do(() => handlers.closed(reason)),
          },
          timeoutMs,
        )
        .then((connection) => this.#owned(connection as ModelConnection)),
    );

  #owned(connection: ModelConnection): RedisConnection {
    this.#opened.add(connection);
    if (this.#isDead) connection.cut("the process was killed");
    return {
      run: (calls) => this.#here(connection.run(calls)),
      subscribe: (channels) => this.#here(connection.subscribe(channels)),
      unsubscribe: (channels) => this.#here(connection.unsubscribe(channels)),
      get outstanding() {
        return connection.outstanding;
      },
      close: () => connection.close(),
    };
  }

  #after(delayMs: number, work: () => void): () => void {
    let isOff = false;
    const cancel = this.#time.after(delayMs, () =>
      this.do(() => {
        if (!isOff) work();
      }),
    );
    return () => {
      isOff = true;
      cancel();
    };
  }

  /** A paused process does not hear of what came of something. */
  #here<Result>(work: Promise<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      work.then(
        (result) => this.do(() => resolve(result)),
        (failure) => this.do(() => reject(failure)),
      );
    });
  }
}
