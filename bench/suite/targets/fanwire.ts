// fanwire on either engine, in every deployment: as it ships, but for what protects it from a client as busy as a generator.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commands, config, type EngineName } from "../../targets/servers.ts";
import type { Target } from "../target.ts";
import { startCluster } from "./cluster.ts";
import { nodeVersion, packageVersion, startNodeProcess } from "./node-process.ts";

/** Development mode, which admits guests; topics are the built-in namespaces', with no presence, which no peer has here. */
const settings = {
  ...config,
  namespaces: { room: { presence: false }, game: { presence: false } },
  limits: { ...config.limits, maxConnectionsPerAddress: 1_000_000 },
};

function fanwire(engine: EngineName): Target {
  const runtime = engine === "bun" ? { bun: Bun.version } : uwsVersions();
  return {
    name: `fanwire-${engine}`,
    kind: "ours",
    protocol: "fanwire",
    unavailable: async () => undefined,
    supports: ({ nodes, bridge }) => bridge === "redis" || nodes === 1,
    async start(deployment, placement) {
      const folder = mkdtempSync(join(tmpdir(), "fanwire-bench-"));
      const file = join(folder, "config.json");
      writeFileSync(file, JSON.stringify(settings));
      const startNode = (redisUrl: string | undefined, core: number) =>
        startNodeProcess(
          commands.fanwire[engine],
          {
            FANWIRE_CONFIG: file,
            ...(redisUrl !== undefined && { FANWIRE_REDIS_URL: redisUrl }),
            ...(deployment.entry === "haproxy" && { FANWIRE_TRUSTED_PROXIES: "127.0.0.1" }),
          },
          core,
        );
      const versions = { ...runtime, fanwire: packageVersion("..") };
      try {
        return await startCluster({ startNode, settings, versions }, deployment, placement);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  };
}

function uwsVersions(): Record<string, string> {
  return { node: nodeVersion(), "uWebSockets.js": packageVersion("uWebSockets.js") };
}

export const fanwireBun = fanwire("bun");
export const fanwireUws = fanwire("uws");
