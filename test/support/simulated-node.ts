// A node of a simulation: the rooms and the bridge as they are in production, over sockets in memory and a model of Redis.

import type { Retention } from "../../src/bridge/bridge.ts";
import type { Connect } from "../../src/bridge/connection.ts";
import { repeat } from "../../src/bridge/redis/clock.ts";
import { RedisPresence } from "../../src/bridge/redis/redis-presence.ts";
import { RedisBridge } from "../../src/bridge/redis.ts";
import { StoreKeys } from "../../src/bridge/store-keys.ts";
import { resolveOptions } from "../../src/config/config.ts";
import { Hub } from "../../src/hub/hub.ts";
import { Snapshots } from "../../src/hub/snapshots.ts";
import { createLog } from "../../src/log.ts";
import { ModelEngine } from "./model-engine.ts";
import { modelLimits } from "./model-node.ts";
import type { ModelRedis } from "./model-redis.ts";
import { NeedlessResets } from "./needless-resets.ts";
import type { Random } from "./random.ts";
import { SimulatedProcess } from "./simulated-process.ts";
import type { VirtualClock } from "./virtual-clock.ts";

export const simulatedTopics = {
  streams: ["room:a", "lobby:b"],
  latest: "ticker:c",
  volatile: "game:d",
} as const;

export const prefix = "s:";
const silent = createLog("silent", () => undefined);
const resolved = resolveOptions({
  namespaces: {
    room: { mode: "stream", presence: false },
    lobby: { mode: "stream", presence: true },
    game: { mode: "volatile", presence: false },
  },
});
const { namespaces } = resolved;
const limits = { ...resolved.limits, ...modelLimits };
const hasPresence = (topic: string) => topic.startsWith("lobby:");
export const leaseMs = 15_000;
export const presenceGraceMs = 2000;
export const publishTimeoutMs = 3000;

function retentionWith(historySize: number): (topic: string) => Retention {
  const history = { size: historySize, ttlMs: 600_000, maxBytes: 100_000_000 };
  return (topic) => {
    if (topic === simulatedTopics.latest)
      return { mode: "latest", keyed: { maxKeys: 100, removalTtlMs: 600_000 } };
    return topic === simulatedTopics.volatile ? { mode: "volatile" } : { mode: "stream", history };
  };
}

export interface SimulatedNodeOptions {
  readonly name: string;
  readonly time: VirtualClock;
  readonly redis: ModelRedis;
  readonly random: Random;
  readonly historySize: number;
  readonly newId: () => string;
}

export class SimulatedNode {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly bridge: RedisBridge;
  readonly hub: Hub;
  readonly engine = new ModelEngine();
  readonly needlessResets = new NeedlessResets(new StoreKeys(prefix));

  constructor({ name, time, redis, random, historySize, newId }: SimulatedNodeOptions) {
    this.name = name;
    this.process = new SimulatedProcess(time, redis);
    const { clock } = this.process;
    const connect: Connect = (address, handlers, timeoutMs) => {
      const message = (channel: string, payload: Uint8Array) => {
        this.needlessResets.message(channel, payload);
        handlers.message(channel, payload);
      };
      return this.process.connect(address, { ...handlers, message }, timeoutMs);
    };
    this.bridge = new RedisBridge({
      ...{ prefix, connect, clock, newId, hasPresence },
      addresses: ["model"],
      namespaces: Object.fromEntries([...namespaces].map(([name, { mode }]) => [name, mode])),
      retention: retentionWith(historySize),
      idempotencyTtlMs: 600_000,
      positionTtlMs: 86_400_000,
      publishTimeoutMs,
      maxQueuedPublications: 10_000,
      maxQueuedBytes: 64 * 1024 * 1024,
      queueWhileAway: true,
      timing: { connectTimeoutMs: 2000, probeIntervalMs: 1000, maxMissedProbes: 3, leaseMs },
      random: () => random.below(1_000_000) / 1_000_000,
      createPresence: ({ instance, link, node, malformed }) =>
        new RedisPresence({
          ...{ instance, prefix, clock, link, malformed },
          ...{ graceMs: presenceGraceMs, events: node },
        }),
      observer: { connected: () => undefined, lost: () => undefined, failed: () => undefined },
    });
    this.hub = new Hub({
      ...{ bridge: this.bridge, namespaces, limits },
      snapshots: new Snapshots({ providers: {}, namespaces, limits, log: silent }),
      disconnect: () => undefined,
      now: clock.now,
      defer: clock.defer,
      after: clock.after,
    });
    this.needlessResets.watch(this.hub);
    this.hub.deliverTo(this.engine);
    void this.bridge.start(this.hub);
    repeat(clock, 1000, () => this.hub.tick());
  }
}
