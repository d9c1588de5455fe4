// What follows from a schedule alone: each publication's number among those of its publisher to its topic. Pure.

import type { Schedule } from "../workload.ts";

export interface Sequences {
  /** Per publication: from 0, how many its publisher had sent to its topic before it. */
  readonly ordinal: Uint32Array;
  /** Per publication: its publisher's place among the publishers of its topic. */
  readonly place: Uint32Array;
  /** Per topic: how many publishers it has. */
  readonly publishers: Uint32Array;
}

export function sequencesOf({ topic, publisher }: Schedule, topics: number): Sequences {
  const ordinal = new Uint32Array(topic.length);
  const place = new Uint32Array(topic.length);
  const publishers = new Uint32Array(topics);
  const known = Array.from({ length: topics }, () => new Map<number, { place: number; next: number }>());
  for (let index = 0; index < topic.length; index++) {
    const of = topic[index] as number;
    const sender = publisher[index] as number;
    const pairs = known[of] as Map<number, { place: number; next: number }>;
    let pair = pairs.get(sender);
    if (pair === undefined) {
      pair = { place: pairs.size, next: 0 };
      pairs.set(sender, pair);
      publishers[of] = pairs.size;
    }
    place[index] = pair.place;
    ordinal[index] = pair.next++;
  }
  return { ordinal, place, publishers };
}
