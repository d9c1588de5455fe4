// What an idle connection takes of a target's memory: connections in steps, resident memory at each, and the slope.

import { createHistogram } from "../../measure/histogram.ts";
import { leastSquares } from "../../measure/stats.ts";
import { stepMs } from "../estimate.ts";
import { measure } from "../measure.ts";
import type { MemoryLadder } from "../result.ts";
import { oneNode } from "../target.ts";
import { memoryByRole } from "../usage.ts";
import type { Workload } from "../workload.ts";
import { createWorkload } from "../workloads/all.ts";
import type { Step, StepScope } from "./step.ts";

export interface MemorySettings extends StepScope {
  /** Connections, ascending. */
  readonly steps: readonly number[];
}

const settleMs = 1000;
const windowMs = 1000;

/** Everybody is in one room of a hundred; some publications at the end show that they are served. */
function workloadOf(connections: number): Workload {
  const rooms = Math.ceil(connections / 100);
  const shape = { roomsEach: 1, publishers: 1, bytes: 128 };
  return createWorkload({ kind: "rooms", mode: "volatile", rooms, connections, ...shape });
}

export function memory({ steps, only, rounds }: MemorySettings): Step {
  const workload = workloadOf(steps.at(-1) as number);
  return {
    estimateMs: stepMs(workload.connections, steps.length * settleMs, windowMs),
    only,
    rounds,
    scenario: "memory",
    name: "memory",
    deployment: oneNode,
    workload,
    wantsFresh: true,
    async run(bench) {
      const points: MemoryLadder["steps"][number][] = [];
      let ready = 0;
      const { generator, running, target } = bench;
      const { ports } = running;
      await generator.close();
      for (const upTo of steps) {
        const opening = {
          protocol: target.protocol,
          workload,
          subscriberPorts: ports,
          publisherPorts: ports,
        };
        ready = (await generator.open({ ...opening, upTo })).ready;
        await Bun.sleep(settleMs);
        const { node, redis, haproxy } = memoryByRole(running.processes);
        points.push({ connections: ready, rssBytes: node + redis + haproxy });
      }
      const opened = { ready, failed: workload.connections - ready, firstError: undefined, elapsedMs: 0 };
      const audience = { workload, opened: { ...opened, opening: createHistogram() }, idleCpuNsPerSecond: 0 };
      const run = await measure(bench, audience, { scenario: "memory", rate: 20, durationMs: windowMs });
      const line = leastSquares(points.map((one) => ({ x: one.connections, y: one.rssBytes })));
      return [{ ...run, memory: { steps: points, bytesPerConnection: line.slope } }];
    },
  };
}
