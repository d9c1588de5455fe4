// Subscribers of a keyed topic that asked for the same rate: a few of them read every value, of the others it is counted.

import { createHistogram } from "../measure/histogram.ts";
import { type Connection, type Listener, openMany, type Target } from "./connection.ts";
import { TickerReader } from "./ticker-reader.ts";
import { sequencesOf, type TickerSource } from "./ticker-source.ts";

/** `maxRateHz`; undefined: every publication. */
export type RateHz = number | undefined;

export interface GroupSettings {
  readonly topic: string;
  readonly rateHz: RateHz;
  readonly subscribers: number;
  readonly readers: number;
  readonly keys: number;
}

export class TickerGroup implements Listener {
  readonly settings: GroupSettings;
  readonly connections: readonly Connection[];
  readonly readers: readonly TickerReader[];
  /** How old the newest value of a key is that a reader holds, over keys, readers and time; nanoseconds. */
  age = createHistogram();
  #counted = 0;

  private constructor(connections: readonly Connection[], settings: GroupSettings) {
    this.settings = settings;
    this.connections = connections;
    for (const connection of connections) connection.listener = this;
    const read = connections.slice(0, settings.readers);
    this.readers = read.map((connection) => new TickerReader(connection, settings.keys));
  }

  static async join(target: Target, settings: GroupSettings): Promise<TickerGroup> {
    const { topic, rateHz, subscribers } = settings;
    const connections = await openMany(target, subscribers);
    const group = new TickerGroup(connections, settings);
    const subscribe = { type: "subscribe", topic, ...(rateHz !== undefined && { maxRateHz: rateHz }) };
    const oks = await Promise.all(connections.map((connection) => connection.request(subscribe)));
    for (const [at, reader] of group.readers.entries()) {
      for (const sequence of sequencesOf(oks[at] as Record<string, unknown>)) reader.take(sequence);
    }
    return group;
  }

  message(): void {
    this.#counted++;
  }

  /** Of all its connections, like the bytes. */
  get frames(): number {
    return this.readers.reduce((sum, reader) => sum + reader.frames, this.#counted);
  }

  get bytes(): number {
    return this.connections.reduce((sum, connection) => sum + connection.bytes, 0);
  }

  get cut(): number {
    return this.connections.filter((connection) => connection.isClosed).length;
  }

  get backwards(): number {
    return this.readers.reduce((sum, reader) => sum + reader.backwards, 0);
  }

  /** Of how many keys its readers hold something older. */
  olderThan(newest: Int32Array): number {
    return this.readers.reduce((sum, reader) => sum + reader.olderThan(newest), 0);
  }

  sampleAge(source: TickerSource, now: number): void {
    for (const { held } of this.readers) {
      for (const sequence of held)
        if (sequence >= 0) this.age.recordValue(now - source.publishedAt(sequence));
    }
  }

  leave(): void {
    for (const connection of this.connections) connection.cut();
  }
}
