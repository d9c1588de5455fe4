// The `data` of a publication as the MessagePack it came in, decoded only for those who need its value: a subscriber in JSON, say.
// Knows no frames, and what it holds has been checked (packed-publish.ts).

import { MessagePackReader } from "./msgpack-reader.ts";

/** What rules about data ask for, counted when it was checked. */
export interface DataFacts {
  /** Values, those that hold others included. */
  readonly values: number;
  /** How deeply lists, maps and binary values are nested: 0 where there are none, 1 for a list of numbers. */
  readonly depth: number;
  readonly hasBinary: boolean;
}

export class PackedData {
  /**
   * Its bytes, one per character: a string takes no more memory than its length says, where bytes of their own cost an allocation
   * outside of the heap, and a view into what they came in would keep all of that.
   */
  readonly latin1: string;
  readonly facts: DataFacts;

  constructor(latin1: string, facts: DataFacts) {
    this.latin1 = latin1;
    this.facts = facts;
  }

  /** Decoded anew each time. */
  get value(): unknown {
    return new MessagePackReader(Buffer.from(this.latin1, "latin1")).value();
  }

  /** JSON.stringify writes the value, wherever in a frame it stands. */
  toJSON(): unknown {
    return this.value;
  }
}

/** The value of data, packed or not. */
export function unpacked(data: unknown): unknown {
  return data instanceof PackedData ? data.value : data;
}
