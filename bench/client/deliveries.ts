// The account of one window: which publication reached which subscriber, how late, how often, in what order.

import { Completion } from "../measure/completion.ts";
import { createHistogram, type Histogram } from "../measure/histogram.ts";

export interface DeliverySettings {
  readonly publications: number;
  readonly subscribers: number;
  /** The server repeats sequence numbers from here on (the bare engines publish a ring of prepared frames). */
  readonly ring?: number;
}

/** Subscribers are numbered from 0, publications likewise. Times are nanoseconds of one clock. */
export class Deliveries {
  readonly expected: number;
  /** Receipt minus intended time: what a user waits, the generator's own delays included. */
  readonly fromIntended: Histogram = createHistogram();
  /** Receipt minus the time the frame really left: the same without the publisher's lateness. */
  readonly fromSent: Histogram = createHistogram();
  received = 0;
  lost = 0;
  disordered = 0;
  lowestLatencyNs = Number.POSITIVE_INFINITY;
  lastAt = 0;
  readonly #intended: Float64Array;
  readonly #sent: Float64Array;
  readonly #next: Int32Array;
  readonly #receivers: Int32Array;
  readonly #last: Float64Array;
  readonly #ring: number;
  readonly #subscribers: number;
  readonly #completion = new Completion();

  constructor({ publications, subscribers, ring = 0 }: DeliverySettings) {
    this.expected = publications * subscribers;
    this.#intended = new Float64Array(publications);
    this.#sent = new Float64Array(publications);
    this.#receivers = new Int32Array(publications);
    this.#last = new Float64Array(publications);
    this.#next = new Int32Array(subscribers);
    this.#ring = ring;
    this.#subscribers = subscribers;
  }

  publishing(sequence: number, intendedAt: number, sentAt: number): void {
    this.#intended[sequence] = intendedAt;
    this.#sent[sequence] = sentAt;
  }

  receivedAt(subscriber: number, wireSequence: number, at: number): void {
    this.received++;
    this.lastAt = at;
    const next = this.#next[subscriber] as number;
    const step = this.#step(wireSequence, next);
    if (step < 0) {
      this.disordered++;
      return;
    }
    if (step > 0) this.lost += step;
    const sequence = next + step;
    this.#next[subscriber] = sequence + 1;
    this.#time(sequence, at);
    if (this.received === this.expected) this.#completion.reached();
  }

  /** How far ahead of the expected number this one is; negative: a double, or one overtaken. */
  #step(wireSequence: number, next: number): number {
    if (this.#ring === 0) return wireSequence - next;
    const ahead = (((wireSequence - next) % this.#ring) + this.#ring) % this.#ring;
    return ahead > this.#ring / 2 ? ahead - this.#ring : ahead;
  }

  #time(sequence: number, at: number): void {
    const sinceSent = at - (this.#sent[sequence] as number);
    if (sinceSent < this.lowestLatencyNs) this.lowestLatencyNs = sinceSent;
    if (!(sinceSent >= 0)) return;
    this.fromSent.recordValue(sinceSent);
    this.fromIntended.recordValue(at - (this.#intended[sequence] as number));
    this.#receivers[sequence] = (this.#receivers[sequence] as number) + 1;
    this.#last[sequence] = at;
  }

  /** Per publication that reached everybody: when the last one had it, from the intended time. */
  lastReceiver(): Histogram {
    const histogram = createHistogram();
    this.#last.forEach((at, sequence) => {
      if (this.#receivers[sequence] !== this.#subscribers) return;
      histogram.recordValue(at - (this.#intended[sequence] as number));
    });
    return histogram;
  }

  /** Resolves when everything expected is here, or after the grace. */
  complete(graceMs: number): Promise<void> {
    return this.received >= this.expected ? Promise.resolve() : this.#completion.within(graceMs);
  }
}
