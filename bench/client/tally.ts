// Counts what one subscriber hears of numbered publications: each once, and where they are of one topic in their order.

import type { Connection, Listener } from "./connection.ts";
import { SequencePlace } from "./payload.ts";

const graceMs = 3000;

export class Tally implements Listener {
  received = 0;
  /** Doubles, those that were overtaken, and numbers that nobody published. */
  disordered = 0;
  /** Frames that are no publication. */
  unexpected = 0;
  readonly #wanted: number;
  readonly #isOrdered: boolean;
  readonly #seen: Uint8Array;
  readonly #place: SequencePlace;
  #newest = -1;
  #complete: (() => void) | undefined;

  /** Becomes the connection's listener. */
  constructor(connection: Connection, wanted: number, isOrdered: boolean) {
    this.#wanted = wanted;
    this.#isOrdered = isOrdered;
    this.#seen = new Uint8Array(wanted);
    this.#place = new SequencePlace(connection.format);
    connection.listener = this;
  }

  get lost(): number {
    return this.#wanted - this.#seen.reduce((sum, one) => sum + one, 0);
  }

  message(_: Connection, buffer: Buffer, start: number, end: number): void {
    const sequence = this.#place.read(buffer, start, end);
    if (sequence === -1) {
      this.unexpected++;
      return;
    }
    this.received++;
    const isOvertaken = this.#isOrdered && sequence <= this.#newest;
    if (isOvertaken || sequence >= this.#wanted || this.#seen[sequence] === 1) this.disordered++;
    else this.#seen[sequence] = 1;
    this.#newest = Math.max(this.#newest, sequence);
    if (this.received === this.#wanted) this.#complete?.();
  }

  /** Resolves to how many there were, once all are here or the grace is over. */
  async complete(): Promise<number> {
    if (this.received < this.#wanted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#complete = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.received;
  }
}
