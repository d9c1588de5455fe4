// Three nodes as real processes, of both engines, behind a real HAProxy, each with a link of its own to a real Redis; knows nothing of
// who uses them.

import { Haproxy } from "../support/haproxy.ts";
import { RedisServer } from "../support/redis-server.ts";
import { startServer } from "../support/served.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { secret } from "../support/token.ts";
import { type Engine, history } from "./cluster.ts";

const engines = ["bun", "uws", "bun"] as const satisfies readonly Engine[];

export class ProxiedCluster {
  /** All clients go to the proxy; these are but two groups of them. */
  readonly homes = ["one", "other"] as const;
  readonly eventStreams = 1;
  readonly redis: RedisServer;
  readonly haproxy: Haproxy;
  /** By id, from 1. */
  readonly ids: readonly number[] = engines.map((_, index) => index + 1);
  readonly #links: readonly TcpProxy[];
  readonly #nodes: ServerProcess[];
  /** Ends all of it, the proxy first. */
  readonly #stack: AsyncDisposableStack;
  /** What was said by nodes that are gone. */
  readonly #said: string[] = [];

  private constructor(
    redis: RedisServer,
    links: readonly TcpProxy[],
    nodes: ServerProcess[],
    haproxy: Haproxy,
    stack: AsyncDisposableStack,
  ) {
    this.redis = redis;
    this.#links = links;
    this.#nodes = nodes;
    this.haproxy = haproxy;
    this.#stack = stack;
  }

  /** Leaves nothing behind where it fails. `start` is for tests of that. */
  static async start(directives: readonly string[] = [], start = startNode): Promise<ProxiedCluster> {
    await using stack = new AsyncDisposableStack();
    const redis = stack.use(await RedisServer.start({ directives }));
    const links: TcpProxy[] = [];
    for (const _ of engines) links.push(stack.use(await TcpProxy.to(redis.port)));
    const nodes: ServerProcess[] = [];
    stack.defer(async () => void (await Promise.all(nodes.map((node) => node.kill()))));
    const starts = links.map((link, index) => start(link, index + 1, 0));
    // Where one cannot start, the others may still be about to.
    for (const outcome of await Promise.allSettled(starts)) {
      if (outcome.status === "fulfilled") nodes.push(outcome.value);
    }
    await Promise.all(starts);
    const haproxy = stack.use(await Haproxy.start(nodes.map(({ port }) => port)));
    for (const index of engines.keys()) await haproxy.sees(index + 1, "UP");
    return new ProxiedCluster(redis, links, nodes, haproxy, stack.move());
  }

  portFor(): number {
    return this.haproxy.port;
  }

  /** Resolves once HAProxy sends clients to every node. */
  async isReady(): Promise<void> {
    for (const id of this.ids) await this.haproxy.sees(id, "UP");
  }

  /** The way between a node and Redis. */
  link(id: number): TcpProxy {
    return this.#links[id - 1]!;
  }

  signal(id: number, name: "SIGSTOP" | "SIGCONT"): void {
    this.#nodes[id - 1]!.signal(name);
  }

  /** As a deploy does: asks a node to end, waits until it has, and starts another one in its place. */
  async replace(id: number, signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    await this.end(id, signal);
    this.#said.push(...this.#nodes[id - 1]!.said);
    this.#nodes[id - 1] = await startNode(this.link(id), id, this.#nodes[id - 1]!.port);
    await this.haproxy.sees(id, "UP");
  }

  /** Resolves once a node has ended and HAProxy knows it. */
  async end(id: number, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const node = this.#nodes[id - 1]!;
    if (signal === "SIGKILL") await node.kill();
    else {
      node.signal("SIGTERM");
      const code = await node.exited();
      if (code !== 0) this.#said.push(`node ${id} ended with ${code}`);
    }
    // A deploy would take longer, and it would be noticed.
    await this.haproxy.sees(id, "DOWN");
  }

  get lostLinks(): number {
    return this.#lines.filter((line) => line.includes('"redis-lost"')).length;
  }

  /** What a node has said that no fault explains. */
  get complaints(): readonly string[] {
    return this.#lines.filter((line) => !line.startsWith("{") || /"(fault|error)"/.test(line));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  get #lines(): readonly string[] {
    return [...this.#said, ...this.#nodes.flatMap(({ said }) => said)];
  }
}

export function startNode(link: TcpProxy, id: number, port: number): Promise<ServerProcess> {
  const options = {
    nodeId: `n${id}`,
    jwtSecret: secret,
    redis: { urls: [`redis://127.0.0.1:${link.port}`] },
    trustedProxies: ["127.0.0.1"],
    namespaces: { room: { mode: "stream", history } },
  } as const;
  return startServer(engines[id - 1]!, options, { FANWIRE_PORT: `${port}` });
}
