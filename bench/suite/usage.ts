// What the processes of a run use of CPU and memory, by role; reads /proc, knows no target and no workload.

import { readFileSync } from "node:fs";
import { type CpuSnapshot, cpuBetween, readCpu, readMachine } from "../measure/cpu.ts";
import type { RoleCpu, RoleMemory } from "./result.ts";
import type { Role, TargetProcess } from "./target.ts";

const pageBytes = 4096;

/** Resident memory, bytes; 0 for a process that is gone. */
export function residentBytes(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * pageBytes;
  } catch {
    return 0;
  }
}

export function memoryByRole(processes: readonly TargetProcess[]): RoleMemory {
  const of = (role: Role) =>
    processes.reduce((sum, one) => sum + (one.role === role ? residentBytes(one.pid) : 0), 0);
  return { node: of("node"), redis: of("redis"), haproxy: of("haproxy") };
}

export interface Usage {
  readonly cpuNs: RoleCpu;
  /** The target's, by the kernel's coarse count: the cross-check. */
  readonly targetCoarseNs: number;
  readonly targetNs: number;
  readonly foreignNs: number;
  readonly stealNs: number;
  readonly wallNs: number;
}

/** Begins to count; the answer ends it. A process that ended in between counts as idle. */
export function countUsage(processes: readonly TargetProcess[], generatorPids: readonly number[]) {
  const at = Bun.nanoseconds();
  const machine = readMachine();
  const target = processes.map(({ role, pid }) => ({ role, pid, before: snapshot(pid) }));
  const generator = generatorPids.map((pid) => ({ pid, before: snapshot(pid) }));
  return (): Usage => {
    const byRole = { node: 0, redis: 0, haproxy: 0 };
    let coarse = 0;
    for (const { role, pid, before } of target) {
      const used = between(before, snapshot(pid));
      byRole[role] += used.ns;
      coarse += used.coarseNs;
    }
    const generatorNs = generator.reduce(
      (sum, { pid, before }) => sum + between(before, snapshot(pid)).ns,
      0,
    );
    const targetNs = byRole.node + byRole.redis + byRole.haproxy;
    const after = readMachine();
    return {
      cpuNs: { ...byRole, generator: generatorNs },
      targetCoarseNs: coarse,
      targetNs,
      foreignNs: Math.max(0, after.busyNs - machine.busyNs - targetNs - generatorNs),
      stealNs: after.stealNs - machine.stealNs,
      wallNs: Bun.nanoseconds() - at,
    };
  };
}

function snapshot(pid: number): CpuSnapshot | undefined {
  try {
    return readCpu(pid);
  } catch {
    return undefined;
  }
}

function between(before: CpuSnapshot | undefined, after: CpuSnapshot | undefined) {
  return before === undefined || after === undefined ? { ns: 0, coarseNs: 0 } : cpuBetween(before, after);
}
