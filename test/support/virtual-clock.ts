// A clock whose time passes only when it is told to, from one event to the next; the same events in the same order each time.

import { drainMicrotasks } from "bun:jsc";

interface Event {
  readonly atMs: number;
  /** Of two at the same time, the one asked for first comes first. */
  readonly order: number;
  readonly work: () => void;
  isOff: boolean;
}

export class VirtualClock {
  #nowMs: number;
  #order = 0;
  /** A binary heap: no event comes before its parent. */
  readonly #heap: Event[] = [];

  constructor(startMs = 1_000_000) {
    this.#nowMs = startMs;
  }

  readonly now = (): number => this.#nowMs;

  readonly after = (delayMs: number, work: () => void): (() => void) => {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, work, isOff: false };
    this.#push(event);
    return () => {
      event.isOff = true;
    };
  };

  readonly defer = (work: () => void): void => {
    this.after(0, work);
  };

  /** Lets time pass. Whatever promises an event resolves have their turn before the next event. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    // Once with the rest of the world; in between, letting the world have its turn would be a third of a simulation's time.
    await new Promise((resolve) => setImmediate(resolve));
    for (let event = this.#heap[0]; event && event.atMs <= untilMs; event = this.#heap[0]) {
      this.#pop();
      if (event.isOff) continue;
      this.#nowMs = event.atMs;
      event.work();
      drainMicrotasks();
    }
    this.#nowMs = untilMs;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
