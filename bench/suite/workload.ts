// What is published to whom: connections, topics and a schedule drawn from a seed before the run. Pure; knows no target.

import type { Mode } from "./protocol.ts";

/** Publications in the order of their intended times; all arrays are of one length. */
export interface Schedule {
  /** Milliseconds from the start of the run, ascending, fractions included. */
  readonly atMs: Float64Array;
  readonly topic: Uint32Array;
  /** Which publishing connection sends it, from 0. */
  readonly publisher: Uint32Array;
  /** Length of the payload. */
  readonly bytes: Uint16Array;
}

export interface Workload {
  /** As results and reports name it. */
  readonly name: string;
  /** What it takes to make it again in another process; see workloads/all.ts. */
  readonly spec: WorkloadSpec;
  readonly mode: Mode;
  readonly topics: number;
  /** Subscribers, numbered from 0. */
  readonly connections: number;
  readonly publishers: number;
  /** The topics this subscriber joins. */
  members(connection: number): readonly number[];
  /** Seeded and pure: the same arguments give the same schedule in every process. `rate`: publications per second. */
  schedule(seed: number, rate: number, durationMs: number): Schedule;
}

/** A workload as plain data, which is what is sent to the generator's processes and written into the result. */
export type WorkloadSpec = { readonly kind: string; readonly mode: Mode } & Readonly<
  Record<string, string | number>
>;

/** How many deliveries the schedule asks for: each publication reaches every member of its topic. */
export function expectedDeliveries(workload: Workload, schedule: Schedule): number {
  const audience = audienceOf(workload);
  let expected = 0;
  for (const topic of schedule.topic) expected += audience[topic] as number;
  return expected;
}

/** Subscribers of each topic. */
export function audienceOf(workload: Workload): Uint32Array {
  const audience = new Uint32Array(workload.topics);
  for (let connection = 0; connection < workload.connections; connection++) {
    for (const topic of workload.members(connection)) audience[topic] = (audience[topic] as number) + 1;
  }
  return audience;
}
