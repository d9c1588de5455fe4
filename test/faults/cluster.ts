// Two nodes as real processes, one per engine, each with a link of its own to a real Redis; knows nothing of who uses them.

import { RedisServer } from "../support/redis-server.ts";
import { startServer } from "../support/served.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { secret } from "../support/token.ts";

export const engines = ["bun", "uws"] as const;
export type Engine = (typeof engines)[number];

/** More than any fault of the matrix lets pass, so that history never is the reason for a `reset`. */
export const history = { size: 100_000, ttlMs: 600_000, maxBytes: 256 * 1024 * 1024 };

/** Every write is on disk before it is acknowledged: what a kill leaves is all that was promised. */
export const durable = ["--appendonly", "yes", "--appendfsync", "always"];

export class Cluster {
  readonly homes = engines;
  readonly redis: RedisServer;
  readonly links: Readonly<Record<Engine, TcpProxy>>;
  readonly nodes: Readonly<Record<Engine, ServerProcess>>;

  private constructor(redis: RedisServer, links: Cluster["links"], nodes: Cluster["nodes"]) {
    this.redis = redis;
    this.links = links;
    this.nodes = nodes;
  }

  static async start(directives: readonly string[]): Promise<Cluster> {
    const redis = await RedisServer.start({ directives });
    const links = { bun: await TcpProxy.to(redis.port), uws: await TcpProxy.to(redis.port) };
    const [bun, uws] = await Promise.all(engines.map((engine) => startNode(engine, links[engine].port)));
    return new Cluster(redis, links, { bun: bun!, uws: uws! });
  }

  /** Where a client of this node goes: to the other one once its own is dead. */
  portFor(home: Engine): number {
    return (this.nodes[home].isRunning ? this.nodes[home] : this.nodes[other(home)]).port;
  }

  /** How often a node has said that it lost its Redis. */
  get lostLinks(): number {
    const lines = engines.flatMap((engine) => this.nodes[engine].said);
    return lines.filter((line) => line.includes('"redis-lost"')).length;
  }

  /** What a node has said that no fault of the matrix explains. */
  get complaints(): readonly string[] {
    const lines = engines.flatMap((engine) => this.nodes[engine].said);
    return lines.filter((line) => !line.startsWith("{") || /"(fault|error)"/.test(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(engines.map((engine) => this.nodes[engine].kill()));
    await this.redis.end();
    await Promise.all(engines.map((engine) => this.links[engine][Symbol.asyncDispose]()));
  }
}

export function other(engine: Engine): Engine {
  return engine === "bun" ? "uws" : "bun";
}

function startNode(engine: Engine, port: number): Promise<ServerProcess> {
  return startServer(engine, {
    nodeId: engine,
    jwtSecret: secret,
    redis: { urls: [`redis://127.0.0.1:${port}`] },
    namespaces: { room: { mode: "stream", history } },
  });
}
