// Bridges over one Redis, as several nodes have them, with a clock that the test moves or the process's own.

import { randomUUID } from "node:crypto";
import { type Call, connect, type RedisConnection } from "../../src/bridge/connection.ts";
import { type Clock, systemClock } from "../../src/bridge/redis/clock.ts";
import { RedisPresence } from "../../src/bridge/redis/redis-presence.ts";
import { RedisBridge, type RedisBridgeOptions } from "../../src/bridge/redis.ts";
import { idempotencyTtlMs, presenceGraceMs, retentionOf } from "../contract/bridge.ts";

export const namespaces = { room: "stream", ticker: "latest", game: "volatile" } as const;

export const timing = { connectTimeoutMs: 2000, probeIntervalMs: 1000, maxMissedProbes: 3, leaseMs: 15_000 };

export function createRedisBridge(
  addresses: readonly string[],
  overrides: Partial<RedisBridgeOptions> = {},
  clock: Clock = systemClock,
): RedisBridge {
  const prefix = overrides.prefix ?? `test-${randomUUID()}:`;
  return new RedisBridge({
    addresses,
    prefix,
    namespaces,
    retention: retentionOf,
    hasPresence: (topic) => !topic.startsWith("ticker:"),
    idempotencyTtlMs,
    positionTtlMs: 86_400_000,
    publishTimeoutMs: 5000,
    maxQueuedPublications: 10_000,
    maxQueuedBytes: 64 * 1024 * 1024,
    queueWhileAway: true,
    timing,
    connect,
    clock,
    random: Math.random,
    newId: randomUUID,
    createPresence: ({ instance, link, node, malformed }) =>
      new RedisPresence({ instance, prefix, graceMs: presenceGraceMs, clock, link, events: node, malformed }),
    observer: { connected: () => undefined, lost: () => undefined, failed: () => undefined },
    ...overrides,
  });
}

/** A connection beside those of bridges, to settle on and to look from. */
export function lookAt(address: string): Promise<RedisConnection> {
  return connect(address, { message: () => undefined, closed: () => undefined }, 5000);
}

const ping: Call = { command: "PING", args: [] };

/** Everything that Redis had been sent before is answered and on its way to whoever subscribed. */
export async function settleOn(connection: RedisConnection): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    await connection.run([ping]);
  }
}
