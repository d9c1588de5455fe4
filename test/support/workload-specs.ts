// One small workload of each kind that the benchmark suite has.

import type { WorkloadSpec } from "../../bench/suite/workload.ts";

export const specs: Readonly<Record<string, WorkloadSpec>> = {
  fanout: { kind: "fanout", mode: "volatile", connections: 12, bytes: 64, burst: 4 },
  rooms: {
    ...{ kind: "rooms", mode: "stream", rooms: 7, connections: 30, roomsEach: 2, publishers: 3, bytes: 80 },
  },
  trading: { kind: "trading", mode: "latest", instruments: 20, connections: 9, watched: 5, publishers: 2 },
  game: { kind: "game", mode: "volatile", rooms: 3, players: 4, tickHz: 20, bytes: 64 },
};
