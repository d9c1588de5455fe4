// Which topics are due to be compared with Redis: each once in a rotation, unless something came from it meanwhile. Pure; the
// clock it is driven by is its owner's.

export interface Checked {
  /** Whether something came from it since it was last looked at. */
  isHeard: boolean;
}

export class IdleCheck<Topic extends Checked> {
  readonly #ticksPerRotation: number;
  /** In the order in which they were last looked at. */
  readonly #topics = new Set<Topic>();
  /** What is due, in parts of a topic: as many as a rotation has ticks make one. */
  #due = 0;

  constructor(ticksPerRotation: number) {
    this.#ticksPerRotation = ticksPerRotation;
  }

  add(topic: Topic): void {
    this.#topics.add(topic);
  }

  delete(topic: Topic): void {
    this.#topics.delete(topic);
  }

  /** The next share of them, without those that were heard. */
  tick(): readonly Topic[] {
    this.#due += this.#topics.size;
    const silent: Topic[] = [];
    for (const topic of this.#topics) {
      if (this.#due < this.#ticksPerRotation) break;
      this.#due -= this.#ticksPerRotation;
      this.#topics.delete(topic);
      this.#topics.add(topic);
      if (!topic.isHeard) silent.push(topic);
      topic.isHeard = false;
    }
    return silent;
  }
}
