// One topic as Redis keeps it, with the scripts' rules of epochs and following and nothing else; what a follower is tested against.

import type { Position, PositionedPublication } from "../../src/bridge/bridge.ts";
import type { FollowAnswer } from "../../src/bridge/redis/follower.ts";

export interface ModelEnvelope {
  readonly epoch: string;
  readonly first: number;
  readonly publications: readonly PositionedPublication[];
}

export class ModelLog {
  readonly #isLatest: boolean;
  #epoch = "e1";
  #offset = 0;
  #began = 0;
  #previous = "";
  #epochs = 1;
  #kept: PositionedPublication[] = [];
  #forgottenOffset = 0;
  /** What each offset of each epoch was given to. */
  readonly truth = new Map<string, unknown>();
  #count = 0;
  /** Epochs that have begun since the first. */
  changes = 0;

  constructor(isLatest: boolean) {
    this.#isLatest = isLatest;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  get values(): ReadonlyMap<string, unknown> {
    return new Map(this.#kept.filter(({ removed }) => !removed).map(({ key, data }) => [key!, data]));
  }

  /** Each with one of a few keys; one in four removes it. */
  append(count: number): ModelEnvelope {
    const first = this.#offset + 1;
    const publications: PositionedPublication[] = [];
    for (let index = 0; index < count; index++) {
      this.#offset += 1;
      this.#count += 1;
      const keyed = this.#isLatest && {
        key: `k${this.#count % 3}`,
        ...(this.#count % 4 === 0 && { removed: true as const }),
      };
      const publication = { data: this.#count, timestamp: 0, offset: this.#offset, ...keyed };
      if (this.#isLatest) this.#kept = this.#kept.filter(({ key }) => key !== publication.key);
      this.#kept.push(publication);
      this.truth.set(`${this.#epoch}:${this.#offset}`, this.#count);
      publications.push(publication);
    }
    return { epoch: this.#epoch, first, publications };
  }

  /** Lets go of the oldest; of `latest`, of its oldest removals. */
  trim(count: number): void {
    const isGone = ({ removed }: PositionedPublication) => !this.#isLatest || removed === true;
    const gone = this.#kept.filter(isGone).slice(0, count);
    this.#kept = this.#kept.filter((publication) => !gone.includes(publication));
    if (this.#isLatest)
      this.#forgottenOffset = Math.max(this.#forgottenOffset, ...gone.map(({ offset }) => offset));
  }

  /** Comes back without the last so many. */
  restart(lost: number): void {
    this.#offset = Math.max(0, this.#offset - lost);
    this.#kept = this.#kept.filter(({ offset }) => offset <= this.#offset);
    this.#forgottenOffset = Math.min(this.#forgottenOffset, this.#offset);
    this.#renew();
    this.#began = this.#offset;
  }

  empty(): void {
    this.#offset = 0;
    this.#kept = [];
    this.#forgottenOffset = 0;
    this.#renew();
    this.#previous = "";
    this.#began = 0;
  }

  /** As the scripts `followStream` and `followLatest` answer; a page ends after `limit`. */
  follow(since: Position | undefined, limit: number): FollowAnswer {
    const state = { ...this.position, begins: this.#began, previous: this.#previous };
    if (this.#isLatest) {
      const isKnown = since?.epoch === this.#epoch && since.offset >= this.#forgottenOffset;
      const after = isKnown && since.offset <= this.#offset ? since.offset : 0;
      const publications = this.#kept.filter(({ offset }) => offset > after);
      return { ...state, publications, forgottenOffset: this.#forgottenOffset };
    }
    if (!since) return { ...state, publications: [] };
    const isKnown = since.epoch === this.#epoch || since.epoch === this.#previous;
    const after = isKnown ? since.offset : this.#began;
    return { ...state, publications: this.#kept.filter(({ offset }) => offset > after).slice(0, limit) };
  }

  #renew(): void {
    this.#epochs += 1;
    this.changes += 1;
    this.#previous = this.#epoch;
    this.#epoch = `e${this.#epochs}`;
  }
}
