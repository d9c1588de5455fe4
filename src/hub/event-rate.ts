// How often something happens: its mean over the last whole seconds. Has no clock: whoever counts says which second it is.

/** Whole seconds that the mean is over. */
export const meanOfSeconds = 5;

const buckets = meanOfSeconds + 1;

/** Seconds are numbers that never fall. The present one is counted apart until it is over. */
export class EventRate {
  /** Since the beginning. */
  total = 0;
  readonly #counts = new Array<number>(buckets).fill(0);
  readonly #firstSecond: number;
  #second: number;

  constructor(second: number) {
    this.#firstSecond = second;
    this.#second = second;
  }

  add(count: number, second: number): void {
    this.#turnTo(second);
    this.total += count;
    this.#counts[second % buckets]! += count;
  }

  /** The mean of the last seconds, or of as many as there have been. */
  perSecond(second: number): number {
    this.#turnTo(second);
    const seconds = Math.min(meanOfSeconds, second - this.#firstSecond);
    if (seconds === 0) return 0;
    const present = this.#counts[second % buckets]!;
    return (this.#counts.reduce((sum, count) => sum + count, 0) - present) / seconds;
  }

  #turnTo(second: number): void {
    const passed = Math.min(buckets, second - this.#second);
    for (let back = 0; back < passed; back++) this.#counts[(second - back) % buckets] = 0;
    this.#second = second;
  }
}
