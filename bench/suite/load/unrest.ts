// Connections that end and come back: cuts some at given times, reopens whatever ended, and writes down when. Knows no protocol.

import { seededRandom, shuffled } from "../../measure/stats.ts";
import type { Account } from "./account.ts";
import type { Link } from "./link.ts";
import { sliceMs, type UnrestOrder, type UnrestRecord } from "./messages.ts";

/** Before another try where one failed. */
const retryMs = 100;

export interface UnrestParts {
  readonly order: UnrestOrder;
  /** By place; undefined while one is away. */
  readonly links: (Link | undefined)[];
  /** Opens the member's next connection at a port. */
  reopen(place: number, port: number): Promise<Link>;
  readonly recovers: boolean;
}

export class Unrest {
  readonly #parts: UnrestParts;
  readonly #random: () => number;
  readonly #ended: number[] = [];
  readonly #ready: number[] = [];
  readonly #receiving: number[] = [];
  readonly #worst: number[] = [];
  /** By place: whether it ever ended, and whether its return still waits for a publication. */
  readonly #wasAway: Uint8Array;
  readonly #isWaiting: Uint8Array;
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #account: Account | undefined;
  #startedAt = 0;
  #isOver = false;

  constructor(parts: UnrestParts) {
    this.#parts = parts;
    this.#random = seededRandom(parts.order.seed);
    this.#wasAway = new Uint8Array(parts.links.length);
    this.#isWaiting = new Uint8Array(parts.links.length);
  }

  /** The window begins after `inMs`. */
  start(account: Account, inMs: number): void {
    this.#account = account;
    this.#startedAt = performance.now() + inMs;
    account.observer = (place, afterNs, sinceIntendedNs) => this.#delivered(place, afterNs, sinceIntendedNs);
    for (const atMs of this.#parts.order.cutsAtMs) this.#later(inMs + atMs, () => this.#cutSome());
  }

  /** The server's side ended it. */
  lost(place: number): void {
    if (!this.#isOver) this.#away(place);
  }

  finish(): UnrestRecord {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    return {
      endedMs: this.#ended,
      readyMs: this.#ready,
      receivingMs: this.#receiving,
      worstNs: Array.from(this.#worst, (worst) => worst ?? 0),
      missing: this.#parts.links.filter((link) => link === undefined || link.isClosed).length,
      recovers: this.#parts.recovers,
    };
  }

  #now(): number {
    return performance.now() - this.#startedAt;
  }

  #later(ms: number, work: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    this.#timers.add(timer);
  }

  #cutSome(): void {
    const { links, order } = this.#parts;
    const places = shuffled([...links.keys()], this.#random);
    for (const place of places.slice(0, Math.round(order.share * places.length))) {
      const link = links[place];
      if (link === undefined) continue;
      link.cut();
      this.#away(place);
    }
  }

  #away(place: number): void {
    const { order, links, recovers } = this.#parts;
    links[place] = undefined;
    this.#ended.push(this.#now());
    this.#wasAway[place] = 1;
    this.#isWaiting[place] = 0;
    if (!recovers) this.#account?.forget(place);
    this.#later(order.offlineMs + this.#random() * order.spreadMs, () => void this.#comeBack(place, 0));
  }

  async #comeBack(place: number, attempt: number): Promise<void> {
    const { ports } = this.#parts.order;
    const port = ports[(place + attempt) % ports.length] as number;
    // Before the handshake is over: what a recovery brings comes with it.
    this.#isWaiting[place] = 1;
    try {
      const link = await this.#parts.reopen(place, port);
      if (this.#isOver) return link.cut();
      this.#parts.links[place] = link;
      this.#ready.push(this.#now());
    } catch {
      if (!this.#isOver) this.#later(retryMs, () => void this.#comeBack(place, attempt + 1));
    }
  }

  #delivered(place: number, afterNs: number, sinceIntendedNs: number): void {
    if (this.#isWaiting[place] === 1) {
      this.#isWaiting[place] = 0;
      this.#receiving.push(afterNs / 1e6);
    }
    if (this.#wasAway[place] === 1) return;
    const slice = Math.floor(afterNs / 1e6 / sliceMs);
    this.#worst[slice] = Math.max(this.#worst[slice] ?? 0, sinceIntendedNs);
  }
}
