// Which shard a topic lives on: the one with the highest score for it (rendezvous hashing, Thaler and Ravishankar, 1996), so that
// a shard more or less moves only the topics it gains or loses. Pure: knows shards by their ids.

export class Rendezvous {
  readonly #hashes: Uint32Array;

  /** Every node has to name the same ids; their order means nothing where no two are equal. */
  constructor(ids: readonly string[]) {
    this.#hashes = Uint32Array.from(ids, hashOf);
  }

  /** The index of a topic's shard. */
  indexOf(topic: string): number {
    if (this.#hashes.length < 2) return 0;
    const hash = hashOf(topic);
    let best = 0;
    let highest = -1;
    for (let index = 0; index < this.#hashes.length; index++) {
      const score = mix(hash ^ this.#hashes[index]!);
      // Equal scores are decided by what does not depend on the order.
      if (score > highest || (score === highest && this.#hashes[index]! > this.#hashes[best]!)) {
        best = index;
        highest = score;
      }
    }
    return best;
  }
}

/** FNV-1a over UTF-16 code units: names are short, and nodes in other languages are not planned. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mix(hash);
}

/** MurmurHash3's finalizer: each bit of the input changes half of the result's. */
function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
