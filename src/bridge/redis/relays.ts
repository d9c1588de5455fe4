// Volatile publications on their way to the other nodes: those of one turn and topic share an envelope, and what a slow Redis
// cannot take is dropped. Knows no topics' state, and waits for nothing.

import type { Call } from "../connection.ts";
import { type Clock, onceATurn } from "./clock.ts";

export interface RelaysLink {
  readonly isConnected: boolean;
  /** Calls without a reply. */
  readonly outstanding: number;
  run(calls: readonly Call[]): Promise<unknown>;
}

export interface RelaysOptions {
  readonly clock: Clock;
  readonly link: RelaysLink;
  readonly relay: (topic: string, packed: readonly Uint8Array[]) => Call;
}

/** Publications in one envelope. */
const maxItems = 512;
const callsPerRun = 256;
/** Volatile is worth nothing late: what is behind so many calls is dropped. */
const maxOutstanding = 4096;

export class Relays {
  readonly counts = { sent: 0, dropped: 0 };
  readonly #options: RelaysOptions;
  #waiting = new Map<string, Uint8Array[]>();
  readonly #flushLater: () => void;

  constructor(options: RelaysOptions) {
    this.#options = options;
    this.#flushLater = onceATurn(options.clock, () => this.#flush());
  }

  relay(topic: string, packed: Uint8Array): void {
    const items = this.#waiting.get(topic);
    if (items) items.push(packed);
    else this.#waiting.set(topic, [packed]);
    this.#flushLater();
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    const { link, relay } = this.#options;
    let calls: Call[] = [];
    for (const [topic, items] of waiting) {
      if (!link.isConnected || link.outstanding > maxOutstanding) {
        this.counts.dropped += items.length;
        continue;
      }
      this.counts.sent += items.length;
      for (let from = 0; from < items.length; from += maxItems) {
        calls.push(
          relay(topic, from === 0 && items.length <= maxItems ? items : items.slice(from, from + maxItems)),
        );
      }
      if (calls.length < callsPerRun) continue;
      this.#run(calls);
      calls = [];
    }
    if (calls.length > 0) this.#run(calls);
  }

  #run(calls: readonly Call[]): void {
    // At most once: what became of it is nobody's concern, and the connection's end is told elsewhere.
    this.#options.link.run(calls).catch(() => undefined);
  }
}
