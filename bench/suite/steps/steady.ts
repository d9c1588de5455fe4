// A steady load: the same schedule offered to every target, once per round.

import { stepMs } from "../estimate.ts";
import { gather, type MeasureSettings, measure, warmUp } from "../measure.ts";
import { type Deployment, oneNode } from "../target.ts";
import type { Workload } from "../workload.ts";
import type { Step, StepScope } from "./step.ts";

export interface SteadySettings extends MeasureSettings, StepScope {
  readonly workload: Workload;
  readonly warmUpMs: number;
  readonly deployment?: Deployment;
  readonly name?: string;
  /** Publishers connect to the first node and subscribers to the last, so that everything crosses. */
  readonly isCrossing?: boolean;
}

export function steady(settings: SteadySettings): Step {
  const { workload, deployment = oneNode, scenario, rate, warmUpMs, isCrossing = false } = settings;
  return {
    scenario,
    name: settings.name ?? workload.name,
    deployment,
    workload,
    estimateMs: stepMs(workload.connections, warmUpMs, settings.durationMs),
    only: settings.only,
    rounds: settings.rounds,
    async run(bench) {
      const { ports } = bench.running;
      const crossing = { publishers: ports.slice(0, 1), subscribers: ports.slice(-1) };
      const audience = await gather(bench, workload, isCrossing ? crossing : undefined);
      await warmUp(bench, rate, warmUpMs);
      return [await measure(bench, audience, settings)];
    },
  };
}
