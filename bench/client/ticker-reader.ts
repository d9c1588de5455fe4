// A subscriber of a keyed topic that keeps the newest value of each key, as its user would see them; knows no server.

import type { Connection, Listener } from "./connection.ts";
import { SequencePlace } from "./payload.ts";

/** Publications of all keys are numbered through from 0; the key of number n is n modulo the number of keys. */
export class TickerReader implements Listener {
  readonly connection: Connection;
  /** The number of the newest value by key; -1 where there is none. */
  readonly held: Int32Array;
  /** Values that were older than what was held already. */
  backwards = 0;
  frames = 0;
  readonly #place: SequencePlace;

  constructor(connection: Connection, keys: number) {
    this.connection = connection;
    this.held = new Int32Array(keys).fill(-1);
    this.#place = new SequencePlace(connection.format);
    connection.listener = this;
  }

  message(_connection: Connection, buffer: Buffer, start: number, end: number): void {
    this.frames++;
    const sequence = this.#place.read(buffer, start, end);
    if (sequence >= 0) this.take(sequence);
  }

  take(sequence: number): void {
    const key = sequence % this.held.length;
    if (sequence < (this.held[key] as number)) this.backwards++;
    else this.held[key] = sequence;
  }

  /** Of how many keys something older is held. */
  olderThan(newest: Int32Array): number {
    return newest.reduce(
      (count, sequence, key) => count + ((this.held[key] as number) < sequence ? 1 : 0),
      0,
    );
  }
}
