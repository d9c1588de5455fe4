// How much may wait to be published on this node, over all shards together. Pure arithmetic.

export class Budget {
  readonly #maxPublications: number;
  readonly #maxBytes: number;
  #publications = 0;
  #bytes = 0;

  constructor(maxPublications: number, maxBytes: number) {
    this.#maxPublications = maxPublications;
    this.#maxBytes = maxBytes;
  }

  get publications(): number {
    return this.#publications;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Answers whether there is room; then it is taken. */
  take(bytes: number): boolean {
    if (this.#publications >= this.#maxPublications || this.#bytes + bytes > this.#maxBytes) return false;
    this.#publications += 1;
    this.#bytes += bytes;
    return true;
  }

  giveBack(publications: number, bytes: number): void {
    this.#publications -= publications;
    this.#bytes -= bytes;
  }
}
