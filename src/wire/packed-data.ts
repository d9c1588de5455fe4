// The `data` of a publication as the MessagePack it came in. Knows no frames, and what it holds has been checked
// (packed-publish.ts).

import { Buffer } from "node:buffer";
import type { DataFacts } from "./data-facts.ts";
import { MessagePackReader } from "./msgpack-reader.ts";

export class PackedData {
  readonly facts: DataFacts;
  /**
   * Its bytes, one per character: a string takes no more memory than its length says, where bytes of their own cost an allocation
   * outside of the heap, and a view into what they came in would keep all of that.
   */
  readonly latin1: string;

  constructor(latin1: string, facts: DataFacts) {
    this.latin1 = latin1;
    this.facts = facts;
  }

  /** Decoded anew each time. */
  get value(): unknown {
    return new MessagePackReader(Buffer.from(this.latin1, "latin1")).value();
  }

  /** What keeping it keeps. */
  get keptBytes(): number {
    return this.latin1.length;
  }

  /** JSON.stringify writes the value, wherever in a frame it stands. */
  toJSON(): unknown {
    return this.value;
  }
}
