// Watches the leases of the other instances: who has none any more is dead, and what it left is removed. Knows no topics.

import type { PresenceStore } from "../store-presence.ts";
import type { Operation } from "../store-reply.ts";
import type { Clock } from "./clock.ts";

/** The leases are looked at so often, and when the next one would run out. */
const lookMs = 5000;
/** Redis ends a lease at its millisecond, or a little later. */
const slackMs = 10;
const topicsPerPurge = 64;

export interface LeaseWatchOptions {
  readonly instance: string;
  readonly store: PresenceStore;
  readonly clock: Clock;
  readonly ask: <Answer>(operation: () => Operation<Answer>) => Promise<Answer>;
  /** Whoever knows sessions of this instance has to look whether it is still there. */
  readonly ended: (instance: string) => void;
}

export class LeaseWatch {
  readonly #options: LeaseWatchOptions;
  #live: ReadonlySet<string> = new Set();
  #isLooking = false;
  #isStopped = true;
  #stopTimer: (() => void) | undefined;

  constructor(options: LeaseWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#isStopped = false;
    if (!this.#isLooking) void this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopTimer?.();
  }

  async #look(): Promise<void> {
    this.#stopTimer?.();
    this.#isLooking = true;
    let nextMs = lookMs;
    try {
      nextMs = await this.#read();
    } catch {
      // Redis is away, or refuses: the next look comes anyway, and the shard knows what to do about the connection.
    }
    this.#isLooking = false;
    if (!this.#isStopped) this.#stopTimer = this.#options.clock.after(nextMs, () => void this.#look());
  }

  async #read(): Promise<number> {
    const { ask, store, ended, instance: own } = this.#options;
    const leases = await ask(() => store.leases());
    const before = this.#live;
    const live = [...leases].filter(([, leftMs]) => leftMs > 0);
    this.#live = new Set(live.map(([instance]) => instance));
    const gone = new Set([...before].filter((instance) => !this.#live.has(instance)));
    for (const [instance, leftMs] of leases) if (leftMs <= 0) gone.add(instance);
    gone.delete(own);
    for (const instance of gone) {
      await this.#purge(instance);
      ended(instance);
    }
    return Math.min(lookMs, ...live.map(([, leftMs]) => leftMs + slackMs));
  }

  /** Every node does, which does no harm: an instance that is back by then has its lease again, and is left alone. */
  async #purge(instance: string): Promise<void> {
    const { ask, store } = this.#options;
    while (await ask(() => store.purge(instance, topicsPerPurge))) {
      // One page of topics after the other.
    }
  }
}
