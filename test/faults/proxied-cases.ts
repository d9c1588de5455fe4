// What may happen to nodes behind a proxy, and to the proxy, and what of it may be seen.

import { Peer } from "../support/peer.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";
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
/** By then three checks have found no answer in two seconds each, and come again after a quarter of one. */
const noticedMs = 15_000;
/** So many that a third of them would go to any node. */
const newcomers = 9;

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

/** What happens to a node alone: to its way to Redis, and to its process. HAProxy sends whoever comes meanwhile elsewhere. */
export function proxiedNodeFaults(
  { brokenLinkMs, pausedNodeMs }: Durations,
  victims: readonly number[] = [1, 2],
): readonly ProxiedFault[] {
  return victims.flatMap((id): readonly ProxiedFault[] => {
    const shared = { victim: id === 2 ? "uws" : "bun", resets: 0, losesVolatile: true } as const;
    return [
      {
        ...shared,
        name: `link cut ${brokenLinkMs / 1000} s`,
        isNoticed: true,
        keepsConnections: true,
        turnsNobodyAway: true,
        happen: (cluster) => withoutRedis(cluster, id, brokenLinkMs, (link) => link.cut()),
      },
      {
        ...shared,
        name: `link stalled ${brokenLinkMs / 1000} s`,
        isNoticed: true,
        keepsConnections: true,
        turnsNobodyAway: true,
        happen: (cluster) => withoutRedis(cluster, id, brokenLinkMs, (link) => link.stall()),
      },
      {
        ...shared,
        name: `node paused ${pausedNodeMs / 1000} s`,
        happen: (cluster) => paused(cluster, id, pausedNodeMs),
      },
    ];
  });
}

/** For so long, and for as long as it takes until HAProxy has noticed. Those who are on the node stay there. */
async function withoutRedis(
  cluster: ProxiedCluster,
  id: number,
  durationMs: number,
  harm: (link: TcpProxy) => void | Promise<void>,
): Promise<void> {
  await hasClients(cluster, id);
  const endMs = performance.now() + durationMs;
  await harm(cluster.link(id));
  await cluster.haproxy.sees(id, "NOLB");
  await newcomersGoElsewhere(cluster, id);
  await pause(Math.max(0, endMs - performance.now()));
  cluster.link(id).heal();
  await cluster.haproxy.sees(id, "UP");
}

/** A node that is paused for a moment is not noticed by HAProxy, and need not be. */
async function paused(cluster: ProxiedCluster, id: number, durationMs: number): Promise<void> {
  await hasClients(cluster, id);
  const endMs = performance.now() + durationMs;
  cluster.signal(id, "SIGSTOP");
  if (durationMs >= noticedMs) {
    await cluster.haproxy.sees(id, "DOWN");
    await newcomersGoElsewhere(cluster, id);
  }
  await pause(Math.max(0, endMs - performance.now()));
  cluster.signal(id, "SIGCONT");
  await cluster.haproxy.sees(id, "UP");
}

/** Else what happens to the node would happen to nobody. */
async function hasClients({ haproxy }: ProxiedCluster, id: number): Promise<void> {
  const sessions = await haproxy.sessions();
  if (sessions[id - 1] === 0) throw new Error(`nobody is on node ${id}: ${sessions}`);
}

async function newcomersGoElsewhere({ haproxy }: ProxiedCluster, id: number): Promise<void> {
  for (let number = 1; number <= newcomers; number++) {
    const name = `new-${number}`;
    const peer = await Peer.connect(haproxy.port, { token: tokenFor(name), query: `room=${name}` });
    const { code } = await peer.request({ type: "subscribe", topic: `room:${name}` });
    peer.raw.destroy();
    const { nodeId } = peer.connected;
    if (nodeId === `n${id}`) throw new Error(`${name} was sent to node ${id} all the same`);
    if (code !== undefined) throw new Error(`${name} was answered ${code} by ${nodeId}`);
  }
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
