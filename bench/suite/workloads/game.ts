// Game rooms: every player sends its input to its room at the tick rate, and everybody in the room hears everybody.

import { seededRandom } from "../../measure/stats.ts";
import type { Workload, WorkloadSpec } from "../workload.ts";
import { numberOf, type Planned, scheduleOf } from "./drawing.ts";

/**
 * Spec: `rooms`, `players` (per room), `tickHz`, `bytes`. The rate is not free: rooms × players × tickHz, whatever `rate` says,
 * because a game has no other. Players' clocks are their own: each begins at a random place in the tick and keeps it.
 * A player's input comes over a connection of its own, so that what is measured is not how one socket is shared.
 */
export function game(spec: WorkloadSpec): Workload {
  const topics = numberOf(spec, "rooms");
  const players = numberOf(spec, "players");
  const tickHz = numberOf(spec, "tickHz");
  const bytes = numberOf(spec, "bytes");
  return {
    name: `game, ${tickHz} Hz, rooms of ${players}`,
    spec,
    mode: spec.mode,
    topics,
    connections: topics * players,
    publishers: topics * players,
    members: (connection) => [Math.floor(connection / players)],
    schedule(seed, _rate, durationMs) {
      const random = seededRandom(seed);
      const periodMs = 1000 / tickHz;
      const planned: Planned[] = [];
      for (let publisher = 0; publisher < topics * players; publisher++) {
        const topic = Math.floor(publisher / players);
        for (let atMs = random() * periodMs; atMs < durationMs; atMs += periodMs) {
          planned.push({ atMs, topic, publisher, bytes });
        }
      }
      return scheduleOf(planned);
    },
  };
}
