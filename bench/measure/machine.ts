// What a figure depends on beside the code: machine, kernel, versions and commit. Printed with every result.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

const read = (file: string): string => readFileSync(file, "utf8").trim();

function output(command: string, ...args: string[]): string {
  try {
    return execFileSync(command, args, { cwd: root, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}

const packageVersion = (name: string): string =>
  (JSON.parse(read(join(root, "node_modules", name, "package.json"))) as { version: string }).version;

function sysctls(): Record<string, string> {
  const names = ["net/ipv4/tcp_rmem", "net/ipv4/tcp_wmem", "net/ipv4/tcp_autocorking", "net/core/somaxconn"];
  return Object.fromEntries(names.map((name) => [name.replaceAll("/", "."), read(`/proc/sys/${name}`)]));
}

/** What makes system calls dearer here than elsewhere: the kernel's settings and what became of them. */
function mitigations(): Record<string, string> {
  const settings = read("/proc/cmdline")
    .split(" ")
    .filter((word) => /^(mitigations|pti|nopti|spectre_v2|idle)\b/.test(word));
  const folder = "/sys/devices/system/cpu/vulnerabilities";
  return {
    commandLine: settings.join(" "),
    meltdown: read(`${folder}/meltdown`),
    spectreV2: read(`${folder}/spectre_v2`),
  };
}

/** The mean cost of reading the clock, which is part of every latency. */
function clockCostNs(): number {
  const reads = 100_000;
  const startedAt = Bun.nanoseconds();
  for (let i = 0; i < reads; i++) Bun.nanoseconds();
  return Math.round((Bun.nanoseconds() - startedAt) / reads);
}

export function machineFacts() {
  const uncommitted = output("git", "status", "--porcelain", "--", "src", "bench");
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    mitigations: mitigations(),
    clocksource: read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    clockCostNs: clockCostNs(),
    loopbackMtu: read("/sys/class/net/lo/mtu"),
    loadAverage: read("/proc/loadavg"),
    sysctls: sysctls(),
    versions: {
      bun: Bun.version,
      node: output("node", "--version"),
      "uWebSockets.js": packageVersion("uWebSockets.js"),
      ioredis: packageVersion("ioredis"),
      msgpackr: packageVersion("msgpackr"),
      "hdr-histogram-js": packageVersion("hdr-histogram-js"),
    },
    commit: output("git", "rev-parse", "HEAD"),
    uncommitted: uncommitted === "" ? [] : uncommitted.split("\n").map((line) => line.trim()),
  };
}
