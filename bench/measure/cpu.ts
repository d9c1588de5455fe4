// CPU time of processes and of the machine as the kernel counts it, read from /proc; Linux only.

import { readdirSync, readFileSync } from "node:fs";

/** The kernel's USER_HZ, which is 100 on every Linux that runs Bun. */
const tickNs = 10_000_000;

/** Nanoseconds on a CPU of each thread, by thread id. */
function threadTimes(pid: number): Map<string, number> {
  const times = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const ran = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0];
      times.set(thread, Number(ran));
    } catch {
      // The thread ended between the listing and the reading.
    }
  }
  return times;
}

/** User plus system time of the process, threads that ended included; exact to a tick. */
function processTicksNs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the name in parentheses and may contain spaces; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * tickNs;
}

export interface CpuSnapshot {
  readonly threads: ReadonlyMap<string, number>;
  readonly ticksNs: number;
}

export function readCpu(pid: number): CpuSnapshot {
  return { threads: threadTimes(pid), ticksNs: processTicksNs(pid) };
}

export interface CpuUse {
  /** To the nanosecond, from schedstat; a thread that ended in between is missing from it. */
  readonly ns: number;
  /** The same to a tick (10 ms), nothing missing: the cross-check. */
  readonly coarseNs: number;
}

export function cpuBetween(before: CpuSnapshot, after: CpuSnapshot): CpuUse {
  let ns = 0;
  for (const [thread, ran] of after.threads) ns += ran - (before.threads.get(thread) ?? 0);
  return { ns, coarseNs: after.ticksNs - before.ticksNs };
}

export interface MachineSnapshot {
  readonly busyNs: number;
  readonly stealNs: number;
}

/** All CPUs together. */
export function readMachine(): MachineSnapshot {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] as string;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return { busyNs: (user + nice + system + irq + softirq) * tickNs, stealNs: steal * tickNs };
}
