// What GET /api/stats says of this node: the present numbers a person asks for first. Everything else is in /metrics.

import type { ConnectionCounts } from "../connections/connection-counts.ts";
import type { Mode } from "../wire/frames.ts";
import type { Measured } from "./metrics.ts";

type Told = Pick<Measured, "engine" | "nodeId" | "version" | "sinceMs"> & {
  readonly connections: { readonly counts: Pick<ConnectionCounts, "open"> };
  readonly hub: Pick<Measured["hub"], "counts" | "bridgeIsAlive">;
  readonly bridge?: Measured["bridge"];
};

/**
 * Numbers are this node's: connections, topics it listens to, and subscriptions, those joined by the server included.
 * `topics`: by mode. `bridge`: whether publications are proven to reach the other nodes, and by how many Redis; 0 in memory.
 */
export function statsOf(node: Told, topics: Readonly<Record<Mode, number>>) {
  const { engine, nodeId, version, sinceMs, connections, hub, bridge } = node;
  const subscriptions = {
    volatile: sum(hub.counts.subscriptions.volatile),
    stream: sum(hub.counts.subscriptions.stream),
    latest: sum(hub.counts.subscriptions.latest),
  };
  return {
    nodeId,
    version,
    engine,
    uptimeMs: Math.round(performance.now() - sinceMs),
    bridge: { alive: hub.bridgeIsAlive, redis: bridge?.shards.length ?? 0 },
    connections: sum(connections.counts.open),
    topics: { ...topics, total: sum(Object.values(topics)) },
    subscriptions: { ...subscriptions, total: sum(Object.values(subscriptions)) },
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
