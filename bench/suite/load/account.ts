// What a group of connections received of a schedule: how late each delivery was, what is missing, double or out of order. Knows
// no socket; times are nanoseconds of the clock that all processes share.

import { Completion } from "../../measure/completion.ts";
import { createHistogram, type Histogram } from "../../measure/histogram.ts";
import type { Schedule, Workload } from "../workload.ts";
import { type Sequences, sequencesOf } from "./sequences.ts";

/** Publications of one window; the digits of a payload name the window above this. */
export const windowSize = 10_000_000;

/** The next ordinal of a connection that was away. */
const unknown = 0xffff_ffff;

export class Account {
  readonly fromIntended: Histogram = createHistogram();
  readonly fromSent: Histogram = createHistogram();
  /** Per publication: how many of this group's connections have it, and when the last of them did. */
  readonly receivers: Uint32Array;
  readonly lastAt: Float64Array;
  /** Deliveries and the largest latency by the second of arrival. */
  readonly perSecond: { deliveries: number; worstNs: number }[] = [];
  readonly expected: number;
  received = 0;
  lost = 0;
  doubled = 0;
  disordered = 0;
  skipped = 0;
  /** Publications of another window, to a topic that was not joined, or that nobody planned. */
  strange = 0;
  lowestLatencyNs = Number.POSITIVE_INFINITY;
  lastArrivalAt = 0;
  readonly #schedule: Schedule;
  readonly #sequences: Sequences;
  readonly #window: number;
  readonly #startNs: number;
  readonly #topics: number;
  readonly #maySkip: boolean;
  /** Where the counters of a connection's topic begin, or -1. */
  readonly #base: Int32Array;
  /** Per connection, topic and publisher: the ordinal that comes next. */
  readonly #next: Uint32Array;
  /** Told of each delivery that counts, where somebody looks at single connections. */
  observer: ((connection: number, afterNs: number, sinceIntendedNs: number) => void) | undefined;
  /** Ordinals that were overtaken, by counter. */
  readonly #missing = new Map<number, Set<number>>();
  readonly #completion = new Completion();

  /** `numbers`: the workload's numbers of this group's connections, in the order the group counts them. */
  constructor(
    workload: Workload,
    schedule: Schedule,
    numbers: readonly number[],
    window: number,
    startNs: number,
  ) {
    this.#schedule = schedule;
    this.#sequences = sequencesOf(schedule, workload.topics);
    this.#window = window;
    this.#startNs = startNs;
    this.#topics = workload.topics;
    this.#maySkip = workload.mode === "latest";
    this.receivers = new Uint32Array(schedule.topic.length);
    this.lastAt = new Float64Array(schedule.topic.length);
    this.#base = new Int32Array(numbers.length * workload.topics).fill(-1);
    const audience = new Uint32Array(workload.topics);
    let counters = 0;
    numbers.forEach((number, place) => {
      for (const topic of workload.members(number)) {
        this.#base[place * workload.topics + topic] = counters;
        counters += this.#sequences.publishers[topic] as number;
        audience[topic] = (audience[topic] as number) + 1;
      }
    });
    this.#next = new Uint32Array(counters);
    let expected = 0;
    for (const topic of schedule.topic) expected += audience[topic] as number;
    this.expected = expected;
  }

  /** `stamp`: the payload's first digits; `sentAfterNs`: from the start of the window; `connection`: its place in the group. */
  delivery(connection: number, stamp: number, sentAfterNs: number, at: number): void {
    const index = stamp - this.#window * windowSize;
    const topic = index >= 0 ? this.#schedule.topic[index] : undefined;
    const base = topic === undefined ? -1 : (this.#base[connection * this.#topics + topic] as number);
    if (base === -1) {
      this.strange++;
      return;
    }
    this.received++;
    if (this.#isNew(base + (this.#sequences.place[index] as number), index)) {
      this.#time(index, sentAfterNs, at);
      this.observer?.(connection, at - this.#startNs, at - this.#startNs - this.#intendedNs(index));
    }
    if (this.received === this.expected) this.#completion.reached();
  }

  /** A connection that comes back without recovery: what comes next is what it is told next. */
  forget(connection: number): void {
    for (let topic = 0; topic < this.#topics; topic++) {
      const base = this.#base[connection * this.#topics + topic] as number;
      const count = this.#sequences.publishers[topic] as number;
      if (base !== -1) this.#next.fill(unknown, base, base + count);
    }
  }

  #isNew(counter: number, index: number): boolean {
    const ordinal = this.#sequences.ordinal[index] as number;
    const next = this.#next[counter] as number;
    if (ordinal === next || next === unknown) {
      this.#next[counter] = next + 1;
      return true;
    }
    return ordinal > next ? this.#overtook(counter, next, ordinal) : this.#cameLate(counter, ordinal);
  }

  #overtook(counter: number, next: number, ordinal: number): boolean {
    this.#next[counter] = ordinal + 1;
    if (this.#maySkip) {
      this.skipped += ordinal - next;
      return true;
    }
    let missing = this.#missing.get(counter);
    if (missing === undefined) {
      missing = new Set();
      this.#missing.set(counter, missing);
    }
    for (let one = next; one < ordinal; one++) missing.add(one);
    this.lost += ordinal - next;
    return true;
  }

  #cameLate(counter: number, ordinal: number): boolean {
    if (this.#missing.get(counter)?.delete(ordinal) === true) {
      this.lost--;
      this.disordered++;
      return true;
    }
    if (this.#maySkip) this.disordered++;
    else this.doubled++;
    return false;
  }

  #intendedNs(index: number): number {
    return (this.#schedule.atMs[index] as number) * 1e6;
  }

  #time(index: number, sentAfterNs: number, at: number): void {
    const after = at - this.#startNs;
    const sinceSent = after - sentAfterNs;
    const sinceIntended = after - this.#intendedNs(index);
    if (sinceSent < this.lowestLatencyNs) this.lowestLatencyNs = sinceSent;
    if (!(sinceSent >= 0) || !(sinceIntended >= 0)) return;
    this.fromSent.recordValue(sinceSent);
    this.fromIntended.recordValue(sinceIntended);
    this.receivers[index] = (this.receivers[index] as number) + 1;
    this.lastAt[index] = after;
    this.lastArrivalAt = after;
    const second = Math.floor(after / 1e9);
    this.perSecond[second] ??= { deliveries: 0, worstNs: 0 };
    const slice = this.perSecond[second];
    slice.deliveries++;
    if (sinceIntended > slice.worstNs) slice.worstNs = sinceIntended;
  }

  /** What nobody overtook and never came: the end of each counter's publications. Call once, when nothing more is awaited. */
  close(): void {
    const total = this.received - this.doubled + this.lost + this.skipped;
    const missing = Math.max(0, this.expected - total);
    if (this.#maySkip) this.skipped += missing;
    else this.lost += missing;
  }

  /** Resolves when everything expected is here, or after the grace. */
  complete(graceMs: number): Promise<void> {
    return this.received >= this.expected ? Promise.resolve() : this.#completion.within(graceMs);
  }
}
