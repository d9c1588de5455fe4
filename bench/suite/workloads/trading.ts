// Market data: instruments whose traffic and audience follow Zipf's law, prices that come in bursts, payloads of 64 to 256 bytes.

import { seededRandom } from "../../measure/stats.ts";
import type { Workload, WorkloadSpec } from "../workload.ts";
import { numberOf, type Planned, scheduleOf, zipf } from "./drawing.ts";

const leastBytes = 64;
const mostBytes = 256;
/** Payload lengths are multiples of this, so that the publishers need not keep a frame for each length. */
const stepBytes = 16;
/** Half of what a cycle has leaves in its first tenth. */
const cycleMs = 500;
const burstMs = 50;
const burstShare = 0.5;

/**
 * Spec: `instruments`, `connections`, `watched` (instruments per connection), `publishers`. Half of the publications leave in the
 * first tenth of every half second: a rate five times the mean, nine times that of the calm that follows.
 */
export function trading(spec: WorkloadSpec): Workload {
  const topics = numberOf(spec, "instruments");
  const watched = numberOf(spec, "watched");
  const publishers = numberOf(spec, "publishers");
  const draw = zipf(topics, 1);
  return {
    name: `trading, ${spec.mode}`,
    spec,
    mode: spec.mode,
    topics,
    connections: numberOf(spec, "connections"),
    publishers,
    members(connection) {
      // Popular instruments are watched by many: drawn by the same law, from the connection's own number.
      const random = seededRandom(connection + 1);
      const chosen = new Set<number>();
      while (chosen.size < Math.min(watched, topics)) chosen.add(draw(random()));
      return [...chosen];
    },
    schedule(seed, rate, durationMs) {
      const random = seededRandom(seed);
      const planned: Planned[] = [];
      const count = Math.round((rate * durationMs) / 1000);
      // A run that is shorter than a cycle is one; what is left of a longer one after its last whole cycle stays silent.
      const wholeMs = Math.min(cycleMs, durationMs);
      const cycles = Math.max(1, Math.floor(durationMs / cycleMs));
      const calmMs = Math.max(0, wholeMs - burstMs);
      for (let i = 0; i < count; i++) {
        const cycle = Math.floor(random() * cycles);
        const inBurst = random() < burstShare;
        const within = inBurst ? random() * burstMs : burstMs + random() * calmMs;
        const topic = draw(random());
        const steps = Math.floor((random() * (mostBytes - leastBytes)) / stepBytes);
        const bytes = leastBytes + steps * stepBytes;
        planned.push({ atMs: cycle * cycleMs + within, topic, publisher: topic % publishers, bytes });
      }
      return scheduleOf(planned);
    },
  };
}
