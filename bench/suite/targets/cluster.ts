// A deployment of alike nodes: as many as asked for, a Redis when they need one, an HAProxy when clients come through it. Knows no target.

import { type ProxyProcess, type RenderProxy, startProxy } from "../../targets/haproxy.ts";
import { type RedisProcess, startRedis } from "../../targets/redis.ts";
import type { Deployment, Placement, RunningTarget, TargetProcess } from "../target.ts";
import type { NodeProcess } from "./node-process.ts";

export interface ClusterParts {
  /** Starts one node; `redisUrl` is there where the deployment has a Redis. */
  startNode(redisUrl: string | undefined, core: number): Promise<NodeProcess>;
  /** The peer's own configuration of HAProxy; absent: what the project ships. */
  readonly renderProxy?: RenderProxy;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, string>>;
}

/** Each takes HAProxy two files, of which a process has 20,000. */
export const maxProxied = 9000;

export async function startCluster(
  parts: ClusterParts,
  { nodes: count, bridge, entry }: Deployment,
  { core }: Placement,
): Promise<RunningTarget> {
  const nodes: NodeProcess[] = [];
  let redis: RedisProcess | undefined;
  let proxy: ProxyProcess | undefined;
  const stop = async () => {
    await proxy?.stop();
    await Promise.all(nodes.map((node) => node.kill()));
    const stopped = redis;
    redis = undefined;
    await stopped?.stop();
  };
  try {
    redis = bridge === "redis" ? await startRedis(core) : undefined;
    // One after another: nodes that start at once on one core only make each other slow.
    for (let i = 0; i < count; i++) nodes.push(await parts.startNode(redis?.url, core));
    const nodePorts = nodes.map(({ port }) => port);
    const proxySettings = { maxConnections: maxProxied, core, render: parts.renderProxy };
    proxy = entry === "haproxy" ? await startProxy(nodePorts, proxySettings) : undefined;
    const processes: TargetProcess[] = [
      ...nodes.map(({ pid }) => ({ role: "node" as const, pid })),
      ...(redis ? [{ role: "redis" as const, pid: redis.pid }] : []),
      ...(proxy ? [{ role: "haproxy" as const, pid: proxy.pid }] : []),
    ];
    return {
      ports: proxy ? [proxy.port] : nodePorts,
      processes,
      settings: parts.settings,
      versions: {
        ...parts.versions,
        ...(redis && { redis: redis.version }),
        ...(proxy && { haproxy: proxy.version }),
      },
      killNode: (node) => (nodes[node] as NodeProcess).kill(),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
