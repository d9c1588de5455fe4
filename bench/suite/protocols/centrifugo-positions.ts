// Where a member is in each of its channels, by Centrifugo's epochs and offsets, over all of its connections.

export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

export class CentrifugoPositions {
  readonly #positions = new Map<string, Position>();

  /** Absent: the member has not been there, or the channel has no positions. */
  of(channel: string): Position | undefined {
    return this.#positions.get(channel);
  }

  /** The answer to a subscribe: `publications` are the offsets of those that were missed, in their order. */
  subscribed(channel: string, epoch: string, offset: number, publications: readonly number[]): void {
    this.#positions.set(channel, { epoch, offset: publications.at(-1) ?? offset });
  }

  published(channel: string, offset: number): void {
    const known = this.#positions.get(channel);
    if (known !== undefined && offset > 0) this.#positions.set(channel, { epoch: known.epoch, offset });
  }
}
