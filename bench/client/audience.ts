// The account of many subscribers of two topics, one kept in order and one volatile: what each of them heard, when, and in what order.

import { createHistogram, type Histogram } from "../measure/histogram.ts";
import type { Connection, Listener } from "./connection.ts";

/** `data` of each publication. `sentAtNs`: of the clock that all processes of a run share. */
export interface Note {
  readonly publisher: number;
  /** Per publisher and topic from 0 on. */
  readonly number: number;
  readonly sentAtNs: number;
}

export interface AudienceCounts {
  received: number;
  lost: number;
  /** Doubles, and those that were overtaken. */
  disordered: number;
}

/** A message as it stands in a frame; the same bytes are read once for all subscribers. */
interface Message {
  readonly type: string;
  readonly topic: string;
  readonly offset?: number;
  readonly data: Note;
}

export type AudienceMode = "stream" | "volatile";

export class Audience implements Listener {
  readonly counts: Record<AudienceMode, AudienceCounts> = {
    stream: { received: 0, lost: 0, disordered: 0 },
    volatile: { received: 0, lost: 0, disordered: 0 },
  };
  /** From the moment a publication left to the arrival at each subscriber. */
  readonly latency: Record<AudienceMode, Histogram> = {
    stream: createHistogram(),
    volatile: createHistogram(),
  };
  /** By offset, which publication of the stream has it: `publisher:number`. */
  readonly order: string[] = [];
  /** Deliveries that say otherwise than one before. */
  contradictions = 0;
  /** Frames that are no publication. */
  unexpected = 0;
  /** Connections that ended. */
  cut = 0;
  readonly #streamTopic: string;
  readonly #publishers: number;
  readonly #clockOffsetNs: number;
  /** By subscriber, the offset that is to come. */
  readonly #nextOffset: Int32Array;
  /** By subscriber and publisher, the number that is to come. */
  readonly #nextNumber: Int32Array;
  #lastBytes = Buffer.alloc(0);
  #last: Message | undefined;

  /** Subscribers are connections with indexes from 0 on. */
  constructor(streamTopic: string, subscribers: number, publishers: number, clockOffsetNs: number) {
    this.#streamTopic = streamTopic;
    this.#publishers = publishers;
    this.#clockOffsetNs = clockOffsetNs;
    this.#nextOffset = new Int32Array(subscribers);
    this.#nextNumber = new Int32Array(subscribers * publishers);
  }

  /** The subscriber's `ok` for the stream: its first message has the next offset. */
  joined(subscriber: number, offset: number): void {
    this.#nextOffset[subscriber] = offset + 1;
  }

  message(connection: Connection, buffer: Buffer, start: number, end: number, at: number): void {
    const message = this.#read(buffer, start, end);
    if (message.type !== "message") {
      this.unexpected++;
      return;
    }
    const { data, offset, topic } = message;
    const mode = topic === this.#streamTopic ? "stream" : "volatile";
    this.latency[mode].recordValue(Math.max(0, at + this.#clockOffsetNs - data.sentAtNs));
    if (mode === "stream") this.#heardStream(connection.index, offset as number, data);
    else this.#heardVolatile(connection.index * this.#publishers + data.publisher, data.number);
  }

  closed(): void {
    this.cut++;
  }

  #heardStream(subscriber: number, offset: number, { publisher, number }: Note): void {
    this.#count(this.counts.stream, this.#nextOffset, subscriber, offset);
    const id = `${publisher}:${number}`;
    this.order[offset] ??= id;
    if (this.order[offset] !== id) this.contradictions++;
  }

  #heardVolatile(place: number, number: number): void {
    this.#count(this.counts.volatile, this.#nextNumber, place, number);
  }

  #count(counts: AudienceCounts, next: Int32Array, place: number, heard: number): void {
    counts.received++;
    const step = heard - (next[place] as number);
    if (step < 0) {
      counts.disordered++;
      return;
    }
    counts.lost += step;
    next[place] = heard + 1;
  }

  #read(buffer: Buffer, start: number, end: number): Message {
    const isLast =
      end - start === this.#lastBytes.length &&
      buffer.compare(this.#lastBytes, 0, this.#lastBytes.length, start, end) === 0;
    if (this.#last !== undefined && isLast) return this.#last;
    this.#lastBytes = Buffer.from(buffer.subarray(start, end));
    this.#last = JSON.parse(this.#lastBytes.toString()) as Message;
    return this.#last;
  }
}
