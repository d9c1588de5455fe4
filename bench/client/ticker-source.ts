// The publisher of a keyed topic: key after key, each publication with its number; remembers when each left.

import type { Connection } from "./connection.ts";
import { firstSequence, PublishFrames } from "./payload.ts";

/** Times are kept for so many publications: at a thousand a second for two minutes. */
const remembered = 131_072;

export class TickerSource {
  readonly #connection: Connection;
  readonly #frames: readonly PublishFrames[];
  readonly #at = new Float64Array(remembered);
  #next = 0;

  constructor(connection: Connection, topic: string, textBytes: number, keys: number) {
    this.#connection = connection;
    this.#frames = Array.from(
      { length: keys },
      (_, key) => new PublishFrames(connection.format, topic, textBytes, `key-${key}`),
    );
  }

  /** Publications so far. */
  get count(): number {
    return this.#next;
  }

  publish(): void {
    const sequence = this.#next++;
    this.#at[sequence % remembered] = Bun.nanoseconds();
    this.#connection.write((this.#frames[sequence % this.#frames.length] as PublishFrames).at(sequence));
  }

  /** When a publication left, in nanoseconds. */
  publishedAt(sequence: number): number {
    return this.#at[sequence % remembered] as number;
  }

  /** The number of the newest publication by key; -1 where there is none. */
  newest(): Int32Array {
    const keys = this.#frames.length;
    return Int32Array.from({ length: keys }, (_, key) => {
      const last = this.#next - 1 - ((((this.#next - 1 - key) % keys) + keys) % keys);
      return Math.max(-1, last);
    });
  }
}

/** The numbers of the values that a subscriber was given with its `ok`. */
export function sequencesOf(ok: Record<string, unknown>): number[] {
  const publications = ok.publications as readonly { readonly data: { readonly seq: number } }[];
  return publications.map(({ data }) => data.seq - firstSequence);
}
