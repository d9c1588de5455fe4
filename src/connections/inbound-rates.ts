// How fast one connection may send: frames, bytes, publications, and what is wrong with them. Knows neither clock nor socket.
// A connection that has sent nothing needs none of this: it is made at the first frame.

import type { Limits } from "../config/limits.ts";
import type { NamespaceOptions } from "../config/options.ts";
import { FanwireError } from "../errors.ts";
import { type Rate, TokenBucket } from "./rate.ts";

export type RateLimits = Pick<
  Limits,
  "frameBurst" | "framesPerSecond" | "bytesBurst" | "bytesPerSecond" | "badFrameBurst"
>;

/** Bad frames above the burst are forgiven at this rate. */
const badFramesForgivenPerSecond = 1;

export class InboundRates {
  readonly #limits: RateLimits;
  readonly #frames: TokenBucket;
  readonly #bytes: TokenBucket;
  readonly #refusals: TokenBucket;
  readonly #badFrames: TokenBucket;
  /** By namespace, of those that limit publications. */
  #publications: Map<NamespaceOptions, TokenBucket> | undefined;

  constructor(limits: RateLimits, nowMs: number) {
    this.#limits = limits;
    this.#frames = new TokenBucket(this.#frameRate, nowMs);
    this.#bytes = new TokenBucket(this.#byteRate, nowMs);
    this.#refusals = new TokenBucket(this.#frameRate, nowMs);
    this.#badFrames = new TokenBucket(this.#badFrameRate, nowMs);
  }

  /** Counts a frame. Throws FanwireError `rate-limited` where it is one too many, or has too many bytes. */
  take(frameBytes: number, nowMs: number): void {
    const { frameBurst, framesPerSecond, bytesBurst, bytesPerSecond } = this.#limits;
    if (!this.#frames.take(this.#frameRate, nowMs)) {
      throw overRate(
        `A connection sends at most ${frameBurst} frames at once and ${framesPerSecond} a second.`,
      );
    }
    if (!this.#bytes.take(this.#byteRate, nowMs, frameBytes)) {
      throw overRate(
        `A connection sends at most ${bytesBurst} bytes at once and ${bytesPerSecond} a second.`,
      );
    }
  }

  /** Counts a publication. Throws FanwireError `rate-limited` where it is one too many for its namespace. */
  takePublication(namespace: NamespaceOptions, nowMs: number): void {
    const { publishesPerSecond } = namespace;
    if (publishesPerSecond === undefined) return;
    const rate = { burst: publishesPerSecond, perSecond: publishesPerSecond };
    this.#publications ??= new Map();
    let bucket = this.#publications.get(namespace);
    if (!bucket) {
      bucket = new TokenBucket(rate, nowMs);
      this.#publications.set(namespace, bucket);
    }
    if (bucket.take(rate, nowMs)) return;
    throw overRate(`A connection publishes at most ${publishesPerSecond} times a second here.`);
  }

  /**
   * Counts a frame that was refused as `rate-limited`, and answers whether the connection may go on. Who has been refused as
   * much as it may send at once, be it frames or bytes, and sends still, does not listen.
   */
  refused(frameBytes: number, nowMs: number): boolean {
    const { frameBurst, bytesBurst } = this.#limits;
    const share = Math.max(1, (frameBytes / bytesBurst) * frameBurst);
    return this.#refusals.take(this.#frameRate, nowMs, share);
  }

  /** Counts a bad frame, and answers whether the connection may go on. */
  bad(nowMs: number): boolean {
    return this.#badFrames.take(this.#badFrameRate, nowMs);
  }

  get #frameRate(): Rate {
    return { burst: this.#limits.frameBurst, perSecond: this.#limits.framesPerSecond };
  }

  get #byteRate(): Rate {
    return { burst: this.#limits.bytesBurst, perSecond: this.#limits.bytesPerSecond };
  }

  get #badFrameRate(): Rate {
    return { burst: this.#limits.badFrameBurst, perSecond: badFramesForgivenPerSecond };
  }
}

function overRate(message: string): FanwireError {
  return new FanwireError("rate-limited", message);
}
