// Centrifugo as targets, with its JSON and its Protobuf protocol: its memory engine on one node, its Redis
// engine on more.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../../scripts/free-port.ts";
import type { Target } from "../target.ts";
import {
  centrifugoProgram,
  centrifugoVersion,
  ensureCentrifugo,
  missingCentrifugo,
} from "./centrifugo-build.ts";
import { startCluster } from "./cluster.ts";
import type { NodeProcess } from "./node-process.ts";
import { renderPeerProxy } from "./peer-proxy.ts";

/** As much as fanwire's `room` keeps, all of which may be recovered. */
const historySize = 1000;

/** Anybody may subscribe and publish, as in fanwire's development mode. */
const open = {
  allow_subscribe_for_client: true,
  allow_subscribe_for_anonymous: true,
  allow_publish_for_client: true,
  allow_publish_for_anonymous: true,
};

/**
 * A namespace for each mode of ours, as near as Centrifugo comes to it: without history, with as much as
 * fanwire's `room` keeps and positions that are checked, and with recovery of the newest publication.
 */
const namespaces = [
  { name: "volatile", ...open },
  {
    name: "stream",
    ...open,
    history_size: historySize,
    history_ttl: "600s",
    force_positioning: true,
    force_recovery: true,
  },
  {
    name: "latest",
    ...open,
    history_size: 1,
    history_ttl: "600s",
    force_recovery: true,
    force_recovery_mode: "cache",
  },
];

export function configOf(port: number, redisUrl: string | undefined): object {
  return {
    http_server: { address: "127.0.0.1", port: String(port) },
    log: { level: "error" },
    health: { enabled: true },
    // It would report to its makers.
    usage_stats: { disabled: true },
    client: {
      allow_anonymous_connect_without_token: true,
      channel_limit: 100_000,
      recovery_max_publication_limit: historySize,
    },
    channel: { namespaces },
    engine: redisUrl === undefined ? { type: "memory" } : { type: "redis", redis: { address: [redisUrl] } },
  };
}

/**
 * Its options for many messages (client.write_delay, max_messages_in_frame, batch_periodic_events, channel
 * batching) are of its commercial edition, as its page on message batching says; the open one puts up to 16
 * waiting messages into a frame by itself. Of the open edition's options, use_write_buffer_pool and
 * read_buffer_size save memory of idle connections and cost under load (its post on idle connections), so
 * they stay off.
 */
const settings = (protocol: string) => ({
  edition: "open source; batching by delay is in the commercial edition only",
  protocol,
  compression: "off (default)",
  GOMAXPROCS: "1, as many as the core it is pinned to",
  namespaces,
  channel_limit: "100,000 per connection instead of 128",
  recovery_max_publication_limit: `${historySize} instead of 300`,
  usage_stats: "off",
  log: "errors only",
  publications: "each has an id and is answered: the protocol has no other",
});

async function startNode(redisUrl: string | undefined, core: number): Promise<NodeProcess> {
  const port = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "fanwire-bench-centrifugo-"));
  const config = join(folder, "config.json");
  writeFileSync(config, JSON.stringify(configOf(port, redisUrl)));
  const command = ["-c", String(core), centrifugoProgram(), "--config", config];
  // Standard output may be a result in JSON: what it has to say goes to standard error.
  const child = spawn("taskset", command, { stdio: ["ignore", 2, 2] });
  const end = () => void child.kill("SIGKILL");
  process.once("exit", end);
  let isGone = false;
  const ended = new Promise<void>((resolve) =>
    child.once("close", () => {
      isGone = true;
      process.off("exit", end);
      resolve();
    }),
  );
  while (!(await isHealthy(port))) {
    if (isGone) throw new Error(`Centrifugo ended with ${child.exitCode} before it listened`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  rmSync(folder, { recursive: true });
  const kill = () => {
    end();
    return ended;
  };
  return { pid: child.pid as number, port, kill };
}

/** It writes no line when it listens, but has an answer. */
async function isHealthy(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/health`)).ok;
  } catch {
    return false;
  }
}

const centrifugo = (name: string, protocol: string, isVariant: boolean): Target => ({
  name,
  kind: "peer",
  isVariant,
  protocol: name,
  unavailable: async () => missingCentrifugo(),
  prepare: async () => {
    const reason = await ensureCentrifugo();
    if (reason !== undefined) console.error(reason);
  },
  supports: ({ nodes, bridge }) => bridge === "redis" || nodes === 1,
  start: (deployment, placement) => {
    const versions = { centrifugo: centrifugoVersion };
    const parts = { startNode, renderProxy: renderPeerProxy, settings: settings(protocol), versions };
    return startCluster(parts, deployment, placement);
  },
});

export const centrifugoTargets: readonly Target[] = [
  centrifugo("centrifugo", "JSON", false),
  centrifugo("centrifugo-protobuf", "Protobuf", true),
];
