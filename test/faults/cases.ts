// The faults: what is broken, for how long, and what of it may be seen. Knows nothing of how it is watched.

import { type Cluster, durable, type Engine, engines } from "./cluster.ts";
import type { Load } from "./load.ts";
import { pause, until } from "./steady-client.ts";

export interface Fault extends Case {
  /** Breaks something and mends it again. */
  readonly happen: (cluster: Cluster, load: Load) => Promise<void>;
}

/** What a fault is, apart from how it happens. */
export interface Case {
  readonly name: string;
  /** The node that is hit; none where both are. */
  readonly victim?: Engine;
  /** How Redis is started. */
  readonly directives?: readonly string[];
  /** What each subscriber is told of each `stream` topic: exactly so many. */
  readonly resets: 0 | 1;
  /** Redis forgets: what was acknowledged may be gone with it, announced by that reset. */
  readonly forgets?: true;
  /** Subscribers have tokens of a second: of half of them they are refreshed, of half they expire. */
  readonly hasShortTokens?: true;
  /** Some publications are large while it lasts. */
  readonly isHeavy?: true;
  /** At least one node must have noticed it, or it was none. */
  readonly isNoticed?: true;
  /** No client may lose its connection. */
  readonly keepsConnections?: true;
  /** No handshake may be refused. */
  readonly turnsNobodyAway?: true;
  /** Clients do not know which node they are on, so that what is volatile may be lost between any two of them. */
  readonly losesVolatile?: true;
}

export interface RedisFault extends Case {
  readonly happen: (cluster: Pick<Cluster, "redis">) => Promise<void>;
}

/** How long faults last: those of the whole matrix, or shorter ones that still are noticed. */
export interface Durations {
  readonly pausedRedisMs: number;
  readonly brokenLinkMs: number;
  readonly pausedNodeMs: number;
}

export const wholeDurations: Durations = {
  pausedRedisMs: 10_000,
  brokenLinkMs: 10_000,
  pausedNodeMs: 30_000,
};
export const shortDurations: Durations = { pausedRedisMs: 1500, brokenLinkMs: 1500, pausedNodeMs: 1500 };

const downMs = 1000;
const hurtMs = 2000;

export function faultsOf(durations: Durations, victims: readonly Engine[] = engines): readonly Fault[] {
  return [...redisFaults(durations), ...victims.flatMap((victim) => nodeFaults(durations, victim))];
}

/** They need no more of a cluster than its Redis. */
export function redisFaults({ pausedRedisMs }: Durations): readonly RedisFault[] {
  return [
    {
      name: "Redis killed, back empty",
      resets: 1,
      forgets: true,
      isNoticed: true,
      happen: ({ redis }) => restarted(redis, true),
    },
    {
      name: "Redis killed, back with its data",
      directives: durable,
      resets: 1,
      isNoticed: true,
      happen: ({ redis }) => restarted(redis, false),
    },
    {
      name: `Redis paused ${pausedRedisMs / 1000} s`,
      resets: 0,
      happen: async ({ redis }) => {
        redis.pause();
        await pause(pausedRedisMs);
        redis.resume();
      },
    },
    {
      name: "output buffers overrun",
      resets: 0,
      isHeavy: true,
      isNoticed: true,
      happen: async ({ redis }) => {
        await redis.command("config", "set", "client-output-buffer-limit", "pubsub 1024 0 0");
        await pause(hurtMs);
        await redis.command("config", "set", "client-output-buffer-limit", "pubsub 33554432 8388608 60");
      },
    },
    {
      name: "scripts flushed 20 times",
      resets: 0,
      happen: async ({ redis }) => {
        for (let round = 0; round < 20; round++) {
          await redis.command("script", "flush");
          await pause(hurtMs / 20);
        }
      },
    },
  ];
}

async function restarted(redis: Cluster["redis"], isEmpty: boolean): Promise<void> {
  await redis.kill();
  await pause(downMs);
  await redis.revive({ isEmpty });
}

function nodeFaults({ brokenLinkMs, pausedNodeMs }: Durations, victim: Engine): readonly Fault[] {
  const linkFor = async ({ links }: Cluster, durationMs = brokenLinkMs) => {
    await pause(durationMs);
    links[victim].heal();
  };
  const broken: readonly Fault[] = [
    {
      name: `link cut ${brokenLinkMs / 1000} s`,
      resets: 0,
      isNoticed: true,
      happen: async (cluster) => {
        await cluster.links[victim].cut();
        await linkFor(cluster);
      },
    },
    {
      name: `link stalled ${brokenLinkMs / 1000} s`,
      resets: 0,
      happen: (cluster) => {
        cluster.links[victim].stall();
        return linkFor(cluster);
      },
    },
    {
      name: `link slowed ${brokenLinkMs / 1000} s`,
      resets: 0,
      happen: (cluster) => {
        cluster.links[victim].slow({ delayMs: 200, bytesPerSecond: 50_000 });
        return linkFor(cluster);
      },
    },
    {
      name: "tokens refreshed and expired, link cut",
      resets: 0,
      hasShortTokens: true,
      isNoticed: true,
      happen: async (cluster) => {
        await cluster.links[victim].cut();
        await linkFor(cluster, Math.max(brokenLinkMs, 8000));
      },
    },
    {
      name: "node killed, acknowledgements lost",
      resets: 0,
      happen: async ({ nodes, links }, load) => {
        // The other node has seen something of which the answer is still on its way here: its publisher has to repeat it.
        links[victim].slow({ delayMs: 200 });
        await until(
          () => load.isUnderWay(victim),
          10_000,
          () => "something seen and not acknowledged",
        );
        await nodes[victim].kill();
      },
    },
    {
      name: `node paused ${pausedNodeMs / 1000} s`,
      resets: 0,
      happen: async ({ nodes }) => {
        nodes[victim].signal("SIGSTOP");
        await pause(pausedNodeMs);
        nodes[victim].signal("SIGCONT");
      },
    },
  ];
  return broken.map((fault) => ({ ...fault, victim }));
}
