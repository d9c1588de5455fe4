// The highest load that a target bears: upwards until it breaks, then between the last good and the first bad, then once over it,
// and once more as before.

import { stepMs } from "../estimate.ts";
import { gather, measure, warmUp } from "../measure.ts";
import type { CapacityPoint, Run } from "../result.ts";
import { oneNode } from "../target.ts";
import { audienceOf, type Workload } from "../workload.ts";
import { nextLoad, type Searched } from "./capacity-search.ts";
import type { Step, StepScope } from "./step.ts";

export interface CapacitySettings extends StepScope {
  readonly workload: Workload;
  readonly durationMs: number;
  readonly warmUpMs: number;
}

/** Deliveries per second at which every search begins: within reach of all. */
const firstDeliveries = 16_000;

/** What a search is about cannot forbid its figures: the server is full there, and what is late or missing says so. */
const exempt = ["server-saturated", "stalled", "lost", "publisher-late", "underachieved"];

/** A usual search: the points it needs, of which the last bad ones take as long again until everything has arrived. */
const usualPoints = 9;

export function capacity({ workload, durationMs, warmUpMs, only, rounds }: CapacitySettings): Step {
  return {
    estimateMs: stepMs(workload.connections, warmUpMs, usualPoints * (1.2 * durationMs + warmUpMs / 2)),
    only,
    rounds,
    scenario: "capacity",
    name: `capacity, ${workload.name}`,
    deployment: oneNode,
    workload,
    async run(bench) {
      const audience = await gather(bench, workload);
      const perPublication = meanAudience(workload);
      const point = async (deliveries: number, step: CapacityPoint["step"], salt: number) => {
        const rate = deliveries / perPublication;
        return measure(bench, audience, {
          ...{ scenario: "capacity", rate, durationMs, exempt, capacity: step, salt },
        });
      };
      await warmUp(bench, firstDeliveries / perPublication, warmUpMs);
      const runs: Run[] = [];
      const searched: Searched[] = [];
      for (;;) {
        const next = nextLoad(searched, firstDeliveries);
        if (next === undefined) break;
        const run = await point(next.deliveries, next.step, runs.length);
        runs.push(run);
        searched.push({ deliveries: next.deliveries, isGood: isGood(run) });
        // What waited anywhere is gone before the next point.
        await warmUp(bench, firstDeliveries / perPublication, warmUpMs / 2);
      }
      const best = Math.max(
        0,
        ...searched.filter(({ isGood }) => isGood).map(({ deliveries }) => deliveries),
      );
      if (best > 0) {
        runs.push(await point(1.2 * best, "over", runs.length));
        runs.push(await point(0.5 * best, "after", runs.length));
      }
      return runs;
    },
  };
}

/** Deliveries per publication where topics are drawn as the workload draws them. */
function meanAudience(workload: Workload): number {
  const audience = audienceOf(workload);
  const { topic } = workload.schedule(1, 1000, 5000);
  let sum = 0;
  for (const one of topic) sum += audience[one] as number;
  return sum / Math.max(1, topic.length);
}

/** p99 within the widest bound, by a generator that was not the limit itself. */
const isGood = ({ capacity, flags }: Run): boolean =>
  capacity?.within.ms50 === true && !flags.some(({ name }) => name === "generator-busy");
