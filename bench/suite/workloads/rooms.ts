// Many small topics: chat rooms, each connection in a few of them, publications to rooms drawn evenly at random times.

import { seededRandom } from "../../measure/stats.ts";
import type { Workload, WorkloadSpec } from "../workload.ts";
import { numberOf, type Planned, scheduleOf } from "./drawing.ts";

/**
 * Spec: `rooms`, `connections`, `roomsEach`, `publishers`, `bytes`. Times are a Poisson process: independent people. A room
 * is served by one publisher, so that its order is known to all.
 */
export function rooms(spec: WorkloadSpec): Workload {
  const topics = numberOf(spec, "rooms");
  const roomsEach = numberOf(spec, "roomsEach");
  const publishers = numberOf(spec, "publishers");
  const bytes = numberOf(spec, "bytes");
  return {
    name: "rooms",
    spec,
    mode: spec.mode,
    topics,
    connections: numberOf(spec, "connections"),
    publishers,
    // Neighbours of a room differ from one of a connection's rooms to the next.
    members: (connection) =>
      Array.from({ length: roomsEach }, (_, i) => (connection * (i + 1) + i * 7) % topics).filter(
        (room, i, all) => all.indexOf(room) === i,
      ),
    schedule(seed, rate, durationMs) {
      const random = seededRandom(seed);
      const planned: Planned[] = [];
      for (let atMs = 0; ; ) {
        atMs -= (Math.log(1 - random()) / rate) * 1000;
        if (atMs >= durationMs) return scheduleOf(planned);
        const topic = Math.floor(random() * topics);
        planned.push({ atMs, topic, publisher: topic % publishers, bytes });
      }
    },
  };
}
