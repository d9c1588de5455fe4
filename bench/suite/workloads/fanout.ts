// One big topic: every publication to everybody, alone or in bursts that a server may put into one write.

import { seededRandom } from "../../measure/stats.ts";
import type { Workload, WorkloadSpec } from "../workload.ts";
import { numberOf, type Planned, scheduleOf } from "./drawing.ts";

/**
 * Spec: `connections`, `bytes`, `burst` (publications at the same moment, from one publisher). Bursts are periodic, each at a
 * random place in the first half of its period: two are never near enough to be one by chance, and lock onto no timer.
 */
export function fanout(spec: WorkloadSpec): Workload {
  const connections = numberOf(spec, "connections");
  const bytes = numberOf(spec, "bytes");
  const burst = numberOf(spec, "burst");
  return {
    name: burst === 1 ? "fanout" : `fanout, bursts of ${burst}`,
    spec,
    mode: spec.mode,
    topics: 1,
    connections,
    publishers: 1,
    members: () => [0],
    schedule(seed, rate, durationMs) {
      const random = seededRandom(seed);
      const periodMs = (burst / rate) * 1000;
      const planned: Planned[] = [];
      for (let at = 0; at + periodMs <= durationMs + 1e-6; at += periodMs) {
        const atMs = at + (random() / 2) * periodMs;
        for (let i = 0; i < burst; i++) planned.push({ atMs, topic: 0, publisher: 0, bytes });
      }
      return scheduleOf(planned);
    },
  };
}
