// The controls: either engine without a line of ours but what joins a socket to native topics and publishes a message natively.

import type { Target } from "../target.ts";
import { startCluster } from "./cluster.ts";
import { nodeVersion, packageVersion, startNodeProcess } from "./node-process.ts";

function bare(
  name: string,
  command: readonly string[],
  versions: () => Readonly<Record<string, string>>,
): Target {
  return {
    name,
    kind: "control",
    protocol: "bare",
    unavailable: async () => undefined,
    // It keeps nothing and numbers nothing: the other modes' work is what it leaves out, so it is the control of volatile alone.
    supports: ({ nodes, entry }, { mode }) => nodes === 1 && entry === "direct" && mode === "volatile",
    start(deployment, placement) {
      const startNode = (_: string | undefined, core: number) => startNodeProcess(command, {}, core);
      const settings = { compression: false, idleTimeout: 0, backpressureLimitBytes: 64 * 1024 * 1024 };
      return startCluster({ startNode, settings, versions: versions() }, deployment, placement);
    },
  };
}

const folder = "bench/suite/targets";

export const bareBun = bare("bare-bun", [process.execPath, `${folder}/bare-bun-server.ts`], () => ({
  bun: Bun.version,
}));
export const bareUws = bare("bare-uws", ["node", `${folder}/bare-uws-server.mjs`], () => ({
  node: nodeVersion(),
  "uWebSockets.js": packageVersion("uWebSockets.js"),
}));
