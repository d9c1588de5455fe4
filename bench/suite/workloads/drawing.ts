// What shapes draw with: schedules from parts, payload lengths, Zipf's law. Pure and seeded.

import type { Schedule, WorkloadSpec } from "../workload.ts";

/** A number of a workload's spec. Throws where it is missing, because a default would be measured without a word. */
export function numberOf(spec: WorkloadSpec, name: string): number {
  const value = spec[name];
  if (typeof value !== "number") throw new Error(`workload ${spec.kind} needs ${name}`);
  return value;
}

export interface Planned {
  readonly atMs: number;
  readonly topic: number;
  readonly publisher: number;
  readonly bytes: number;
}

/** In the order of their times; what is due at once stays as it was given, so that a burst keeps its publishers together. */
export function scheduleOf(planned: Planned[]): Schedule {
  planned.sort((left, right) => left.atMs - right.atMs);
  return {
    atMs: Float64Array.from(planned, ({ atMs }) => atMs),
    topic: Uint32Array.from(planned, ({ topic }) => topic),
    publisher: Uint32Array.from(planned, ({ publisher }) => publisher),
    bytes: Uint16Array.from(planned, ({ bytes }) => bytes),
  };
}

/**
 * Draws 0 … count−1, rank r with a weight of 1/(r+1)^exponent: few topics have most of the traffic. An exponent near 1 is
 * usual for popularity.
 */
export function zipf(count: number, exponent: number): (random: number) => number {
  const cumulated = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank++) {
    sum += 1 / (rank + 1) ** exponent;
    cumulated[rank] = sum;
  }
  return (random) => {
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulated[middle] as number) / sum > random) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
