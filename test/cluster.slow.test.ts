// `npm run cluster`'s script with real processes: nodes of both engines behind one Redis, and nothing left behind.

import { afterEach, expect, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dropPeers, Peer } from "./support/peer.ts";
import { Process } from "./support/process.ts";

const timeoutMs = 60_000;
afterEach(dropPeers);

/** A cluster with a folder of its own for what it keeps, and what it has said. */
class Cluster {
  readonly process: Process;
  readonly folder: string;

  private constructor(folder: string, args: readonly string[], env: Record<string, string>) {
    this.folder = folder;
    this.process = new Process(["node", "scripts/cluster.mjs", ...args], { TMPDIR: folder, ...env });
  }

  static async start(args: readonly string[], env: Record<string, string> = {}): Promise<Cluster> {
    const folder = await mkdtemp(join(tmpdir(), "fanwire-test-"));
    return new Cluster(folder, ["--port", "0", "--proxy", "0", ...args], env);
  }

  /** The ports of its nodes, in their order, once all are up. */
  async ports(): Promise<number[]> {
    await this.process.line(/^> \d+ nodes and \d+ Redis are up, behind ws:/);
    const { stdout } = this.process;
    return [...stdout.matchAll(/^> node-(\d+) is at http:\/\/127\.0\.0\.1:(\d+)\//gm)]
      .sort(([, one], [, other]) => Number(one) - Number(other))
      .map(([, , port]) => Number(port));
  }

  /** The port at which clients reach all of them. */
  get proxyPort(): number {
    return Number(/behind ws:\/\/127\.0\.0\.1:(\d+)\/ws/.exec(this.process.stdout)?.[1]);
  }

  /** Its processes that are there, told by the folder that was given to all of them; Redis writes over its environment. */
  pids(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name) && this.#isOurs(name))
      .map(Number);
  }

  /** Waits until there are so many: HAProxy's master starts itself anew after its worker, and is nobody's for a moment. */
  async hasProcesses(count: number): Promise<void> {
    for (const endMs = Date.now() + 5000; this.pids().length !== count; await Bun.sleep(20)) {
      if (Date.now() > endMs) expect(this.pids().length).toBe(count);
    }
  }

  /** One of its Redis. */
  redis(): number {
    return this.pids().find((pid) => readlinkSync(`/proc/${pid}/cwd`).startsWith(this.folder))!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGTERM");
    await this.process.exit();
    await rm(this.folder, { recursive: true, force: true });
  }

  #isOurs(pid: string): boolean {
    try {
      const isOfRedis = readlinkSync(`/proc/${pid}/cwd`).startsWith(this.folder);
      return isOfRedis || readFileSync(`/proc/${pid}/environ`).includes(this.folder);
    } catch {
      return false;
    }
  }
}

async function message(peer: Peer, data: unknown): Promise<void> {
  expect(await peer.next()).toMatchObject({ type: "message", topic: "room:1", data });
}

async function joined(port: number): Promise<Peer> {
  const peer = await Peer.connect(port);
  await peer.request({ type: "subscribe", topic: "room:1" });
  return peer;
}

test(
  "a message crosses from a node on Bun to one on Node.js and back, and Ctrl-C leaves nothing behind",
  async () => {
    await using cluster = await Cluster.start(["--nodes", "2", "--engines", "bun,uws"]);
    const [bun = 0, uws = 0] = await cluster.ports();
    const [one, other] = [await joined(bun), await joined(uws)];
    await one.request({ type: "publish", topic: "room:1", data: "there" });
    await message(other, "there");
    await other.request({ type: "publish", topic: "room:1", data: "back" });
    await message(one, "there");
    await message(one, "back");
    await message(other, "back");
    const proxied = await joined(cluster.proxyPort);
    await proxied.request({ type: "publish", topic: "room:1", data: "through HAProxy" });
    for (const peer of [proxied, one, other]) await message(peer, "through HAProxy");
    // The command, what runs the parts, two nodes, a Redis, and two processes of HAProxy.
    await cluster.hasProcesses(7);
    cluster.process.kill("SIGINT");
    expect(await cluster.process.exit()).toMatchObject({ code: 0, stderr: "" });
    expect(cluster.pids()).toEqual([]);
    expect(readdirSync(cluster.folder)).toEqual([]);
    expect(cluster.process.stdout).toContain('node-1 | {"level":"info"');
  },
  timeoutMs,
);

test(
  "when a part ends by itself the others end too, and it says which one it was",
  async () => {
    await using cluster = await Cluster.start(["--nodes", "2", "--redis", "2"]);
    await cluster.ports();
    process.kill(cluster.redis(), "SIGKILL");
    const { code, stdout } = await cluster.process.exit();
    expect(stdout).toMatch(/^> redis-\d ended by itself \(SIGKILL\): ending the others$/m);
    expect(code).toBe(1);
    expect(cluster.pids()).toEqual([]);
    expect(readdirSync(cluster.folder)).toEqual([]);
  },
  timeoutMs,
);

test(
  "a node that does not start ends it with what the node says",
  async () => {
    const env = { FANWIRE_LOG_LEVEL: "loud" };
    await using cluster = await Cluster.start(["--nodes", "2"], env);
    const { code, stdout } = await cluster.process.exit();
    expect(stdout).toMatch(/^node-\d \| fanwire: FANWIRE_LOG_LEVEL is "loud": must be one of/m);
    expect(code).toBe(1);
    expect(cluster.pids()).toEqual([]);
    expect(readdirSync(cluster.folder)).toEqual([]);
  },
  timeoutMs,
);

test(
  "when the command itself is killed, none of the others stays behind",
  async () => {
    await using cluster = await Cluster.start(["--nodes", "1"]);
    await cluster.ports();
    await cluster.hasProcesses(6);
    cluster.process.kill("SIGKILL");
    // Standard output closes when the last process that holds it has ended.
    await cluster.process.exit();
    while (cluster.pids().length > 0) await Bun.sleep(20);
  },
  timeoutMs,
);

test.each<[string[], Record<string, string>, string]>([
  [["--nodes", "0"], {}, '--nodes is "0": must be an integer from 1 to 32'],
  [["--redis", "two"], {}, '--redis is "two": must be an integer from 1 to 16'],
  [["--engines", "bun,deno"], {}, '--engines is "bun,deno": must be bun, uws, or several of them'],
  [["--proxy", "9003"], {}, "--proxy is 9003: must be none of the nodes' ports, 9001 to 9003"],
  [["--port", "65535"], {}, "--port is 65535: must leave room for 3 nodes"],
  [["--bad"], {}, "Unknown option '--bad'; --help says what there is"],
  [["up"], {}, "Unexpected argument 'up'"],
  [[], { FANWIRE_REDIS_URL: "redis://a" }, "FANWIRE_REDIS_URL is set: must be absent, since each node"],
])("%j %j is refused with one line", async (args, env, line) => {
  const { code, stdout, stderr } = await new Process(["node", "scripts/cluster.mjs", ...args], env).exit();
  expect(stderr).toStartWith(`cluster: ${line}`);
  expect(stderr.indexOf("\n")).toBe(stderr.length - 1);
  expect([code, stdout]).toEqual([1, ""]);
});
