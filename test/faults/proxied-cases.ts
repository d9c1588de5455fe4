// What may happen to nodes behind a proxy, and to the proxy, and what of it may be seen.

import { Peer } from "../support/peer.ts";
import { tokenFor } from "../support/token.ts";
import { type Case, type Durations, redisFaults } from "./cases.ts";
import { Load } from "./load.ts";
import { ProxiedCluster } from "./proxied-cluster.ts";
import { pause } from "./steady-client.ts";
import { judge, type Verdict } from "./verdict.ts";

export interface ProxiedFault extends Case {
  readonly happen: (cluster: ProxiedCluster) => Promise<void>;
}

const downMs = 1000;

/** What operators do, and what happens to the proxy. */
export const proxyFaults: readonly ProxiedFault[] = [
  {
    name: "a node drained and back",
    resets: 0,
    turnsNobodyAway: true,
    happen: (cluster) => cluster.replace(1),
  },
  {
    name: "rolling deploy of three nodes",
    resets: 0,
    turnsNobodyAway: true,
    happen: async (cluster) => {
      for (const id of cluster.ids) await cluster.replace(id);
    },
  },
  {
    name: "a node killed and back",
    resets: 0,
    happen: (cluster) => cluster.replace(2, "SIGKILL"),
  },
  {
    name: "HAProxy reloaded twice",
    resets: 0,
    keepsConnections: true,
    turnsNobodyAway: true,
    happen: async ({ haproxy }) => {
      await haproxy.reload();
      await haproxy.reload();
    },
  },
  {
    name: "HAProxy killed and back",
    resets: 0,
    happen: async (cluster) => {
      await cluster.haproxy.kill();
      await pause(downMs);
      await cluster.haproxy.restart();
      await cluster.isReady();
    },
  },
  {
    name: "Redis gone for all nodes",
    resets: 0,
    isNoticed: true,
    keepsConnections: true,
    losesVolatile: true,
    happen: redisGone,
  },
];

/** The same faults of Redis that two nodes are hit by without a proxy. What is volatile may get lost between nodes. */
export function proxiedRedisFaults(durations: Durations): readonly ProxiedFault[] {
  return redisFaults(durations).map((fault) => ({ ...fault, losesVolatile: true }));
}

/** No node is ready then; whoever comes is let in all the same, and told what is away. */
async function redisGone({ redis, haproxy, ids }: ProxiedCluster): Promise<void> {
  redis.pause();
  for (const id of ids) await haproxy.sees(id, "NOLB");
  const options = { token: tokenFor("late"), query: "room=1", deadlineMs: 20_000 };
  const startMs = performance.now();
  const peer = await Peer.connect(haproxy.port, options);
  const waitedMs = performance.now() - startMs;
  const answer = await peer.request({ type: "subscribe", topic: "room:late" });
  peer.raw.destroy();
  redis.resume();
  for (const id of ids) await haproxy.sees(id, "UP");
  // Joining its own topics would take as long as Redis is waited for, five seconds.
  if (waitedMs > 3000) throw new Error(`a new client was greeted after ${waitedMs} ms`);
  if (answer.code !== "unavailable") throw new Error(`subscribing meanwhile was answered ${answer.code}`);
}

export async function runProxied(fault: ProxiedFault): Promise<Verdict> {
  await using cluster = await ProxiedCluster.start(fault.directives ?? []);
  const load = new Load(cluster, fault);
  try {
    await load.start();
    load.isHeavy = fault.isHeavy === true;
    await fault.happen(cluster);
    load.isHeavy = false;
    await load.goesOn();
    await load.settle();
    return judge(load, fault, cluster.lostLinks, cluster.complaints);
  } finally {
    await load.end();
  }
}
