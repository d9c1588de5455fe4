// How much of something a peer may do: a bucket of tokens that refills with time; knows no clock.

export interface Rate {
  /** What may happen at once. */
  readonly burst: number;
  readonly perSecond: number;
}

/** A token bucket. It begins full. */
export class TokenBucket {
  #tokens: number;
  #atMs: number;

  constructor(rate: Rate, nowMs: number) {
    this.#tokens = rate.burst;
    this.#atMs = nowMs;
  }

  /** Takes tokens, or answers false when there are not as many. A clock that steps back refills nothing. */
  take(rate: Rate, nowMs: number, count = 1): boolean {
    if (nowMs > this.#atMs) {
      this.#tokens = Math.min(rate.burst, this.#tokens + ((nowMs - this.#atMs) * rate.perSecond) / 1000);
    }
    this.#atMs = nowMs;
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
}
