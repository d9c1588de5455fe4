// Presence as far as one node knows it: the member tables of topics in memory, and the one timer that ends stays. All there is to
// know of a single node; redis-presence.ts adds what the others tell.

import { MemberTable } from "../hub/presence.ts";
import type { Member, PresenceEvents, PresencePage } from "./presence.ts";

export interface LocalPresenceOptions {
  readonly graceMs: number;
  readonly now: () => number;
  /** Runs `work` later, and answers how to call it off. Default: a timer of the runtime that keeps no process alive. */
  readonly after?: (delayMs: number, work: () => void) => () => void;
}

/** How often the end of a grace is looked for, as a share of it: so much longer than promised it may last. */
const lookShare = 0.1;
const leastLookMs = 10;

export class LocalPresence {
  readonly #options: LocalPresenceOptions;
  readonly #events: PresenceEvents;
  readonly #tables = new Map<string, MemberTable>();
  /** Topics in which the grace of somebody is running. */
  readonly #waiting = new Map<string, MemberTable>();
  /** There while somebody's grace is running. */
  #stopTimer: (() => void) | undefined;

  constructor(options: LocalPresenceOptions, events: PresenceEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** How many topics somebody is in. */
  get topicCount(): number {
    return this.#tables.size;
  }

  /** Whether somebody's grace is running, and with it the timer. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  enter(topic: string, member: Member): void {
    let table = this.#tables.get(topic);
    if (!table) {
      table = new MemberTable(this.#options.graceMs);
      this.#tables.set(topic, table);
    }
    if (!table.enter(member)) return;
    const { sessionId: _, ...user } = member;
    this.#events.came(topic, user, table.count);
  }

  exit(topic: string, sessionId: string): void {
    const table = this.#tables.get(topic);
    table?.exit(sessionId, this.#options.now());
    if (!table?.isWaiting) return;
    this.#waiting.set(topic, table);
    this.#look();
  }

  present(topic: string, limit: number): PresencePage {
    return this.#tables.get(topic)?.page(limit) ?? { count: 0, members: [] };
  }

  /** Ends the stays whose grace has passed. Runs by itself as long as there is one to wait for. */
  expire(): void {
    const now = this.#options.now();
    for (const [topic, table] of this.#waiting) {
      table.expire(now, (user) => this.#events.went(topic, user, table.count));
      if (!table.isWaiting) this.#waiting.delete(topic);
      if (table.count === 0) this.#tables.delete(topic);
    }
  }

  close(): void {
    this.#stopTimer?.();
    this.#waiting.clear();
    this.#tables.clear();
  }

  #look(): void {
    if (this.#stopTimer !== undefined) return;
    const lookMs = Math.max(leastLookMs, this.#options.graceMs * lookShare);
    const { after = runtimeTimer } = this.#options;
    this.#stopTimer = after(lookMs, () => {
      this.#stopTimer = undefined;
      this.expire();
      if (this.isWaiting) this.#look();
    });
  }
}

function runtimeTimer(delayMs: number, work: () => void): () => void {
  const timer = setTimeout(work, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}
