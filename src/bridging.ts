// Which bridge a node has, by its options, and what is logged of it; knows nothing of what goes over it.

import { randomBytes } from "node:crypto";
import type { BridgeEvents, Retention } from "./bridge/bridge.ts";
import { connect } from "./bridge/connection.ts";
import { LocalBridge } from "./bridge/local.ts";
import { systemClock } from "./bridge/redis/clock.ts";
import { RedisPresence } from "./bridge/redis/redis-presence.ts";
import { RegistryConflict } from "./bridge/redis/registry.ts";
import { NotLetIn, RedisBridge, type RedisBridgeObserver } from "./bridge/redis.ts";
import { ConfigError, type Options, type RedisOptions } from "./config/options.ts";
import { shownRedisUrl } from "./config/redis.ts";
import type { Log } from "./log.ts";
import type { MeasuredBridge } from "./metrics/bridge-metrics.ts";
import { namespaceOf } from "./wire/topic-name.ts";

/** How many probes in a row may be missing before a link is closed. */
const maxMissedProbes = 3;
/** A Redis that stays away is told of so often. */
const reminderMs = 5000;

export type SomeBridge = LocalBridge | RedisBridge;

export function createBridge(options: Options, log: Log): SomeBridge {
  return options.redis ? createRedisBridge(options, options.redis, log) : createLocalBridge(options);
}

/**
 * Starts it, and closes it where that fails: with a ConfigError where a Redis refuses the password, and where the other nodes
 * there are set differently.
 */
export async function startBridge(bridge: SomeBridge, node: BridgeEvents, options: Options): Promise<void> {
  try {
    await bridge.start(node);
  } catch (error) {
    await bridge.close();
    if (error instanceof RegistryConflict) throw new ConfigError(error.message);
    if (!(error instanceof NotLetIn)) throw error;
    const { shard, message } = error;
    const address = JSON.stringify(shownRedisUrl(options.redis?.urls[shard] ?? ""));
    throw new ConfigError(
      `redis.urls.${shard} is ${address}: must be a Redis that lets this node in (${message})`,
    );
  }
}

function createLocalBridge(options: Options): LocalBridge {
  const { maxStoredTopics, maxStoredBytes, presenceGraceMs, idempotencyTtlMs, maxIdempotencyKeys } =
    options.limits;
  return new LocalBridge({
    retention: (topic) => retentionOf(topic, options),
    maxStoredTopics,
    maxStoredBytes,
    idempotencyTtlMs,
    maxIdempotencyKeys,
    presenceGraceMs,
    now: Date.now,
    newEpoch: () => randomBytes(4).toString("hex"),
  });
}

export function createRedisBridge(options: Options, redis: RedisOptions, log: Log): RedisBridge {
  const { limits, namespaces } = options;
  const { urls, prefix, queueWhileAway } = redis;
  const clock = systemClock;
  return new RedisBridge({
    addresses: urls,
    prefix,
    namespaces: Object.fromEntries([...namespaces].map(([name, { mode }]) => [name, mode])),
    retention: (topic) => retentionOf(topic, options),
    hasPresence: (topic) => namespaces.get(namespaceOf(topic))?.presence === true,
    idempotencyTtlMs: limits.idempotencyTtlMs,
    positionTtlMs: limits.positionTtlMs,
    publishTimeoutMs: limits.publishTimeoutMs,
    maxQueuedPublications: limits.maxQueuedPublications,
    maxQueuedBytes: limits.maxQueuedBytes,
    queueWhileAway,
    timing: {
      connectTimeoutMs: limits.redisTimeoutMs,
      probeIntervalMs: limits.redisTimeoutMs / maxMissedProbes,
      maxMissedProbes,
      leaseMs: limits.leaseMs,
    },
    connect,
    clock,
    random: Math.random,
    newId: () => randomBytes(9).toString("base64url"),
    createPresence: ({ instance, link, node, malformed }) => {
      const graceMs = limits.presenceGraceMs;
      return new RedisPresence({ instance, prefix, graceMs, clock, link, events: node, malformed });
    },
    observer: createObserver(urls.map(shownRedisUrl), log),
  });
}

/** What of a bridge is measured: nothing of one in memory, which can neither wait nor fail. */
export function measuresOf(bridge: SomeBridge): MeasuredBridge | undefined {
  return bridge instanceof RedisBridge ? bridge : undefined;
}

/** Tells once that a Redis is lost or found, and now and then that it stays away: attempts to reach it are many. */
function createObserver(addresses: readonly string[], log: Log): RedisBridgeObserver {
  const toldAtMs = addresses.map(() => Number.NEGATIVE_INFINITY);
  return {
    connected: (shard) => {
      toldAtMs[shard] = Number.NEGATIVE_INFINITY;
      log.info("redis-connected", { address: addresses[shard] });
    },
    lost: (shard, reason) => {
      toldAtMs[shard] = performance.now();
      log.warn("redis-lost", { address: addresses[shard], reason });
    },
    failed: (shard, reason, isConflict) => {
      const now = performance.now();
      if (now - toldAtMs[shard]! < reminderMs) return;
      toldAtMs[shard] = now;
      const fields = { address: addresses[shard], reason };
      if (isConflict) log.error("redis-conflict", fields);
      else log.warn("redis-away", fields);
    },
  };
}

function retentionOf(topic: string, { namespaces, limits }: Options): Retention {
  const namespace = namespaces.get(namespaceOf(topic));
  if (namespace?.mode === "stream") return { mode: "stream", history: namespace.history };
  if (namespace?.mode !== "latest") return { mode: "volatile" };
  return { mode: "latest", keyed: { maxKeys: namespace.maxKeys, removalTtlMs: limits.removalTtlMs } };
}
