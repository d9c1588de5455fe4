// The floor: raw sockets and finished frames, one write per subscriber and received chunk. Nothing that frames can be cheaper.

import type { Target } from "../target.ts";
import { startCluster } from "./cluster.ts";
import { startNodeProcess } from "./node-process.ts";

const command = [process.execPath, "bench/suite/targets/floor-server.ts"];

export const rawFloor: Target = {
  name: "raw-floor",
  kind: "control",
  protocol: "floor",
  unavailable: async () => undefined,
  // It does not know topics: everybody gets everything.
  supports: ({ nodes, entry }, { mode, topics, publishers }) =>
    nodes === 1 && entry === "direct" && mode === "volatile" && topics === 1 && publishers === 1,
  start(deployment, placement) {
    const startNode = (_: string | undefined, core: number) => startNodeProcess(command, {}, core);
    const settings = { websocketParsing: false, writesPerChunkAndSubscriber: 1 };
    return startCluster({ startNode, settings, versions: { bun: Bun.version } }, deployment, placement);
  },
};
