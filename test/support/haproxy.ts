// A real HAProxy with the configuration that is shipped, in a folder of its own, in front of given nodes on loopback.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type ProxyOptions, renderProxy } from "../../haproxy/render.ts";
import { freePort } from "../../scripts/free-port.ts";
import { within } from "./websocket.ts";

const deadlineMs = 20_000;
/** Within the files that one process may have here. */
const maxConnections = 4000;
/** Tests come from one address, and often. */
const unlimited = 1_000_000;

export type HaproxyOptions = Partial<ProxyOptions>;

export class Haproxy {
  readonly port: number;
  readonly metricsPort: number;
  /** What it has written so far: logs and notices. */
  readonly said: string[] = [];
  readonly #folder: string;
  readonly #hears = new Set<() => void>();
  #master: ChildProcess | undefined;

  private constructor(folder: string, port: number, metricsPort: number) {
    this.#folder = folder;
    this.port = port;
    this.metricsPort = metricsPort;
  }

  /** Starts it in front of nodes on these ports, whose ids are 1, 2, 3…, and waits until it has found those that are ready. */
  static async start(nodePorts: readonly number[], options: HaproxyOptions = {}): Promise<Haproxy> {
    const folder = await mkdtemp(join(tmpdir(), "fanwire-haproxy-"));
    const haproxy = new Haproxy(folder, await freePort(), await freePort());
    const config = renderProxy({
      nodes: nodePorts.map((port, index) => ({ id: index + 1, address: `127.0.0.1:${port}` })),
      bind: `127.0.0.1:${haproxy.port}`,
      metricsBind: `127.0.0.1:${haproxy.metricsPort}`,
      runtimeSocket: haproxy.#socket,
      log: "stdout format raw local0",
      maxConnections,
      connectionsPerAddress: unlimited,
      connectionRate: unlimited,
      ...options,
    });
    await writeFile(haproxy.#config, config);
    try {
      await haproxy.#spawn();
    } catch (error) {
      await haproxy.end();
      throw error;
    }
    return haproxy;
  }

  /** Resolves once HAProxy takes a node for what is asked: UP, DOWN or NOLB (it drains). */
  async sees(id: number, status: "UP" | "DOWN" | "NOLB", backend = "sockets"): Promise<void> {
    const endMs = performance.now() + deadlineMs;
    // Before the first check it is UP by courtesy: the check's own result says when it is known.
    while (!(await this.#isSeen(backend, `n${id}`, status))) {
      if (performance.now() > endMs) {
        throw new Error(`node ${id} is not ${status} in ${backend}: ${this.said.slice(-10).join("\n")}`);
      }
      await pause(20);
    }
  }

  /** How many connections each node has, by its id. */
  async sessions(backend = "sockets"): Promise<readonly number[]> {
    const rows = (await this.#stat()).filter((row) => row.pxname === backend && /^n\d+$/.test(row.svname!));
    return rows.map((row) => Number(row.scur));
  }

  /** The process that serves now. */
  async workerPid(): Promise<number> {
    return Number(/^Pid: (\d+)/m.exec(await this.command("show info"))?.[1]);
  }

  /** One command of the runtime API. */
  command(words: string): Promise<string> {
    const answered = new Promise<string>((resolve, reject) => {
      let answer = "";
      const socket = connect(this.#socket, () => socket.end(`${words}\n`));
      socket.on("data", (chunk) => {
        answer += chunk;
      });
      socket.on("error", reject).on("close", () => resolve(answer));
    });
    return within(deadlineMs, answered, () => `an answer to ${words}`);
  }

  /** As `systemctl reload` does: a new process takes the listeners over, the old one keeps its connections. */
  async reload(): Promise<void> {
    const before = this.#loads;
    // A master that has just reloaded does not hear the signal yet, and nothing says when it does.
    const ask = () => this.#master!.kill("SIGUSR2");
    ask();
    const again = setInterval(ask, 1000);
    await this.#says(() => this.#loads > before, "the reload").finally(() => clearInterval(again));
  }

  /** Kills it, as a crash would: the master and every worker. */
  async kill(): Promise<void> {
    const master = this.#master;
    if (!master || master.exitCode !== null || master.signalCode !== null) return;
    const ended = new Promise((resolve) => master.once("close", resolve));
    const workers = [...(await this.command("show info").catch(() => "")).matchAll(/^Pid: (\d+)/gm)];
    master.kill("SIGKILL");
    for (const [, pid] of workers) killQuietly(Number(pid));
    // Its output closes when the last of them has ended.
    await within(deadlineMs, ended, () => "the end of HAProxy");
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.#spawn();
  }

  /** Resolves to the first line that matches, said or to come. */
  async line(pattern: RegExp): Promise<string> {
    const find = () => this.said.find((line) => pattern.test(line));
    await this.#says(() => find() !== undefined, `${pattern}`);
    return find()!;
  }

  async end(): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  get #config(): string {
    return join(this.#folder, "haproxy.cfg");
  }

  get #socket(): string {
    return join(this.#folder, "runtime.sock");
  }

  get #loads(): number {
    return this.said.filter((line) => line.includes("Loading success")).length;
  }

  async #spawn(): Promise<void> {
    const before = this.#loads;
    const master = spawn("haproxy", ["-W", "-f", this.#config], { stdio: ["ignore", "pipe", "pipe"] });
    this.#master = master;
    master.once("exit", () => {
      for (const hear of this.#hears) hear();
    });
    for (const output of [master.stdout, master.stderr]) {
      createInterface({ input: output }).on("line", (line) => {
        this.said.push(line);
        for (const hear of this.#hears) hear();
      });
    }
    await this.#says(() => this.#loads > before || master.exitCode !== null, "HAProxy to start");
    if (this.#loads === before) throw new Error(`HAProxy does not start: ${this.said.join("\n")}`);
  }

  #says(isSo: () => boolean, what: string): Promise<void> {
    const said = new Promise<void>((resolve) => {
      const hear = () => {
        if (!isSo()) return;
        this.#hears.delete(hear);
        resolve();
      };
      this.#hears.add(hear);
      hear();
    });
    return within(deadlineMs, said, () => `${what}: ${this.said.slice(-20).join("\n")}`);
  }

  async #isSeen(backend: string, name: string, status: string): Promise<boolean> {
    const row = (await this.#stat()).find(({ pxname, svname }) => pxname === backend && svname === name);
    // `no check` and `UP 1/3` are no verdict.
    return row?.status === status && row.check_status !== "INI";
  }

  async #stat(): Promise<readonly Record<string, string>[]> {
    const [head = "", ...rows] = (await this.command("show stat")).trim().split("\n");
    const names = head.replace("# ", "").split(",");
    return rows.map((row) => {
      const cells = row.split(",");
      return Object.fromEntries(names.map((name, index) => [name, cells[index] ?? ""]));
    });
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended with its master.
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
