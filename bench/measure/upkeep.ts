// What servers spend while nothing is published; knows no server.

import { type CpuSnapshot, cpuBetween, readCpu } from "./cpu.ts";

/**
 * CPU milliseconds per second of each process, in their order. Of some seconds the least: what the others have more may be garbage of
 * publications, which is a cost of theirs.
 */
export async function upkeepMsPerSecond(pids: readonly number[], seconds: number): Promise<number[]> {
  const least = pids.map(() => Number.NaN);
  for (let second = 0; second < seconds; second++) {
    const before = pids.map(readCpu);
    const startedAt = Bun.nanoseconds();
    await Bun.sleep(1000);
    const passed = (Bun.nanoseconds() - startedAt) / 1e9;
    for (const [place, pid] of pids.entries()) {
      const ms = cpuBetween(before[place] as CpuSnapshot, readCpu(pid)).ns / 1e6 / passed;
      if (!((least[place] as number) <= ms)) least[place] = ms;
    }
  }
  return least;
}
