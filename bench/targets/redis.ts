// A Redis of a benchmark's own, with the settings the project ships, and its own count of what it was asked.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { freePort } from "../../scripts/free-port.ts";
import { cores, root } from "./servers.ts";

/** Since Redis started. Commands by name, those that scripts call included; bytes of all connections. */
export interface RedisCounts {
  readonly commands: Readonly<Record<string, number>>;
  readonly inBytes: number;
  readonly outBytes: number;
}

export interface RedisProcess {
  readonly pid: number;
  readonly url: string;
  readonly version: string;
  counts(): Promise<RedisCounts>;
  /** What came in between two counts, without what the counting itself takes. */
  between(before: RedisCounts, after: RedisCounts): RedisCounts;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startRedis(core: number = cores.server): Promise<RedisProcess> {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-bench-redis-"));
  const port = await freePort();
  // Rewriting its file, which a benchmark's writes would set off every few seconds, takes Redis a process and a core.
  const quiet = ["--auto-aof-rewrite-percentage", "0"];
  const directives = ["redis/redis.conf", "--port", String(port), "--dir", folder, ...quiet];
  const child = spawn("taskset", ["-c", String(core), "redis-server", ...directives], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line.includes("Ready to accept connections")) resolve();
    });
  });
  const url = `redis://127.0.0.1:${port}`;
  const client = new Redis(url);
  const counts = async () => parseInfo(await client.info("all"));
  await counts();
  const own = differenceOf(await counts(), await counts());
  const stop = async () => {
    client.disconnect();
    process.off("exit", kill);
    kill();
    await ended;
    rmSync(folder, { recursive: true });
  };
  return {
    pid: child.pid as number,
    url,
    version: /redis_version:(\S+)/.exec(await client.info("server"))?.[1] ?? "unknown",
    counts,
    between: (before, after) => differenceOf(before, after, own),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Of what `INFO all` says. */
export function parseInfo(text: string): RedisCounts {
  const commands: Record<string, number> = {};
  for (const [, name = "", calls] of text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm))
    commands[name] = Number(calls);
  const field = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(text)?.[1]);
  return { commands, inBytes: field("total_net_input_bytes"), outBytes: field("total_net_output_bytes") };
}

const nothing: RedisCounts = { commands: {}, inBytes: 0, outBytes: 0 };

export function differenceOf(before: RedisCounts, after: RedisCounts, own = nothing): RedisCounts {
  const commands: Record<string, number> = {};
  for (const [name, calls] of Object.entries(after.commands)) {
    const more = calls - (before.commands[name] ?? 0) - (own.commands[name] ?? 0);
    if (more > 0) commands[name] = more;
  }
  return {
    commands,
    inBytes: after.inBytes - before.inBytes - own.inBytes,
    outBytes: after.outBytes - before.outBytes - own.outBytes,
  };
}
