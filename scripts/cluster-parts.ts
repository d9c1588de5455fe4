// The parts of a cluster, Redis servers, nodes and HAProxy: starts them, shows what they say, and ends all of them together. Run by
// cluster.mjs with checked options.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { renderProxy } from "../haproxy/render.ts";
import { freePort } from "./free-port.ts";

interface Wanted {
  readonly nodes: number;
  readonly engines: readonly ("bun" | "uws")[];
  readonly redis: number;
  readonly port: number;
  /** Where HAProxy listens. */
  readonly proxy: number;
}

/** How long a part may take to come up, and to end before it is killed: a node drains within ten seconds. */
const startTimeoutMs = 20_000;
const endTimeoutMs = 12_000;
/** One keystroke may arrive twice: from the terminal, and passed on by whoever started this. */
const sameKeystrokeMs = 1000;
/** Of HAProxy: within the files that a process may have on most machines. */
const maxConnections = 4000;

const root = join(import.meta.dirname, "..");
const commands = { bun: [process.execPath, "src/main.ts"], uws: ["node", "dist/main.js"] } as const;
const folder = mkdtempSync(join(tmpdir(), "fanwire-cluster-"));
const parts: Part[] = [];
let ending: Promise<void> | undefined;
let signalAt: number | undefined;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(signal, () => {
    if (signalAt !== undefined && performance.now() - signalAt > sameKeystrokeMs) {
      for (const part of parts) part.kill("SIGKILL");
    }
    signalAt ??= performance.now();
    void end(0);
  });
}
// Whoever read this may have gone, and that is no reason to leave anything behind.
process.stdout.on("error", () => undefined);

try {
  await start(JSON.parse(process.argv[2]!));
} catch (error) {
  if (!ending) say((error as Error).message);
  await end(1);
}

async function start({ nodes, engines, redis, port, proxy }: Wanted): Promise<void> {
  const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
  const urls = await Promise.all(numbers(redis).map(startRedis));
  const addresses = await Promise.all(
    numbers(nodes).map((number) => {
      const engine = engines[(number - 1) % engines.length]!;
      return startNode(number, engine, port === 0 ? 0 : port + number - 1, urls);
    }),
  );
  const url = await startProxy(addresses, proxy);
  say(`${nodes} nodes and ${redis} Redis are up, behind ${url}; Ctrl-C ends them`);
}

async function startRedis(number: number): Promise<string> {
  const port = await freePort();
  const dir = join(folder, `redis-${number}`);
  mkdirSync(dir);
  const args = [join(root, "redis/redis.conf"), "--port", `${port}`, "--dir", dir, "--appendonly", "no"];
  const part = new Part(`redis-${number}`, "redis-server", args, process.env);
  await part.says((line) => (line.includes("Ready to accept connections") ? line : undefined));
  const url = `redis://127.0.0.1:${port}`;
  say(`redis-${number} is at ${url}`);
  return url;
}

/** Resolves to where it listens. */
async function startNode(
  number: number,
  engine: "bun" | "uws",
  port: number,
  urls: readonly string[],
): Promise<string> {
  const name = `node-${number}`;
  const own = {
    FANWIRE_NODE_ID: name,
    FANWIRE_PORT: `${port}`,
    FANWIRE_REDIS_URL: urls.join(" "),
    FANWIRE_TRUSTED_PROXIES: "127.0.0.1",
  };
  const [command, script] = commands[engine];
  const part = new Part(name, command, [script], { ...process.env, ...own });
  const address = await part.says((line) => {
    if (!line.includes('"listening"')) return undefined;
    const fields = JSON.parse(line);
    return fields.event === "listening" ? `${fields.host}:${fields.port}` : undefined;
  });
  say(`${name} is at http://${address}/ (${engine})`);
  return address;
}

/** As it is shipped (haproxy/), but for limits by address, since everybody here has the same. Resolves to where clients connect. */
async function startProxy(addresses: readonly string[], port: number): Promise<string> {
  const bind = `127.0.0.1:${port === 0 ? await freePort() : port}`;
  const file = join(folder, "haproxy.cfg");
  writeFileSync(
    file,
    renderProxy({
      nodes: addresses.map((address, index) => ({ id: index + 1, address })),
      bind,
      metricsBind: `127.0.0.1:${await freePort()}`,
      runtimeSocket: join(folder, "haproxy.sock"),
      log: "stdout format raw local0 warning",
      maxConnections,
      connectionsPerAddress: maxConnections,
      connectionRate: 1_000_000,
    }),
  );
  const part = new Part("haproxy", "haproxy", ["-W", "-f", file], process.env);
  await part.says((line) => (line.includes("Loading success") ? line : undefined));
  return `ws://${bind}/ws`;
}

/** A process of the cluster. When it ends before it is asked to, everything ends. */
class Part {
  /** The others are what nodes need. */
  readonly isNode: boolean;
  readonly ended: Promise<void>;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #hears = new Set<(line: string) => void>();

  constructor(name: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv) {
    this.#name = name;
    this.isNode = name.startsWith("node");
    // In a group of its own, so that Ctrl-C does not end Redis while the nodes still say goodbye to their clients.
    this.#child = spawn(command, args, { cwd: root, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    parts.push(this);
    this.#show(this.#child.stdout!);
    this.#show(this.#child.stderr!);
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        say(`${name} could not be started: ${error.message}`);
        resolve();
        void end(1);
      });
      this.#child.once("close", (code, signal) => {
        resolve();
        if (ending) return;
        say(`${name} ended by itself (${signal ?? `exit code ${code}`}): ending the others`);
        void end(1);
      });
    });
  }

  /** Resolves to what `find` makes of the first line it knows; rejects where the part ends or takes too long. */
  says(find: (line: string) => string | undefined): Promise<string> {
    return new Promise((resolve, reject) => {
      const seconds = startTimeoutMs / 1000;
      const late = () => reject(new Error(`${this.#name} did not come up within ${seconds} seconds`));
      const timer = setTimeout(late, startTimeoutMs);
      const settle = (work: () => void) => {
        clearTimeout(timer);
        this.#hears.delete(hear);
        work();
      };
      const hear = (line: string) => {
        const found = find(line);
        if (found !== undefined) settle(() => resolve(found));
      };
      this.#hears.add(hear);
      void this.ended.then(() => settle(() => reject(new Error(`${this.#name} did not come up`))));
    });
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal);
  }

  /** Asks it to end, and makes it where it does not. */
  async end(): Promise<void> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), endTimeoutMs);
    await this.ended;
    clearTimeout(timer);
  }

  /** The others say a lot of how they always start and end; here only why they do not, and what they warn of meanwhile. */
  #isTrouble(line: string): boolean {
    const isUp = this.#hears.size === 0;
    return isUp ? !ending && / # |\[(WARNING|ALERT)\]/.test(line) : /error|failed|fatal|alert/i.test(line);
  }

  #show(output: NodeJS.ReadableStream): void {
    createInterface({ input: output }).on("line", (line) => {
      for (const hear of this.#hears) hear(line);
      if (this.isNode || this.#isTrouble(line)) process.stdout.write(`${this.#name} | ${line}\n`);
    });
  }
}

/** Ends the nodes, then what they need, and leaves nothing behind. */
function end(code: number): Promise<void> {
  ending ??= endAll(code);
  return ending;
}

async function endAll(code: number): Promise<void> {
  await Promise.all(parts.filter(({ isNode }) => isNode).map((part) => part.end()));
  await Promise.all(parts.map((part) => part.end()));
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

function say(text: string): void {
  process.stdout.write(`> ${text}\n`);
}
