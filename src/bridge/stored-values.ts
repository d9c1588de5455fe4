// One `latest` topic in memory: epoch, offset and the newest publication of each key. Pure; takes the time as argument.

import { FanwireError } from "../errors.ts";
import { placeAt } from "../wire/message.ts";
import type { KeyedRule, Position, PositionedPublication, Publication } from "./bridge.ts";

export class StoredValues {
  readonly #epoch: string;
  readonly #rule: KeyedRule;
  #offset = 0;
  #forgottenOffset = 0;
  /** The newest publication of each key, removals included, in the order of their offsets. */
  readonly #values = new Map<string, PositionedPublication>();
  /** Those of them that are removals. */
  readonly #removals = new Map<string, PositionedPublication>();
  /** The memory of each of them, and of all. */
  readonly #sizes = new Map<string, number>();
  #bytes = 0;

  constructor(epoch: string, rule: KeyedRule) {
    this.#epoch = epoch;
    this.#rule = rule;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  /** The greatest offset of a removal that is no longer remembered; 0 where none was forgotten. */
  get forgottenOffset(): number {
    return this.#forgottenOffset;
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  get values(): readonly PositionedPublication[] {
    return [...this.#values.values()];
  }

  /** The memory of what is kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `bytes`: the memory that the publication takes. Throws FanwireError `too-many` where one more key would be too much. */
  append(publication: Publication, nowMs: number, bytes: number): PositionedPublication {
    const key = publication.key!;
    const { maxKeys } = this.#rule;
    const isNew = !publication.removed && (!this.#values.has(key) || this.#removals.has(key));
    if (isNew && this.#values.size - this.#removals.size >= maxKeys) {
      throw new FanwireError("too-many", `A topic here has at most ${maxKeys} keys.`);
    }
    this.#offset += 1;
    const positioned = placeAt(publication, this.#offset);
    this.#values.delete(key);
    this.#values.set(key, positioned);
    this.#removals.delete(key);
    if (publication.removed) this.#removals.set(key, positioned);
    this.#bytes += bytes - (this.#sizes.get(key) ?? 0);
    this.#sizes.set(key, bytes);
    this.expire(nowMs);
    return positioned;
  }

  /** Forgets removals past their time, and the oldest where more than `maxKeys` are remembered. */
  expire(nowMs: number): void {
    const { maxKeys, removalTtlMs } = this.#rule;
    for (const [key, removal] of this.#removals) {
      if (this.#removals.size <= maxKeys && removal.timestamp + removalTtlMs > nowMs) return;
      this.#removals.delete(key);
      this.#values.delete(key);
      this.#bytes -= this.#sizes.get(key)!;
      this.#sizes.delete(key);
      // Removals are in the order of their offsets: each one forgotten is the latest.
      this.#forgottenOffset = removal.offset;
    }
  }
}
