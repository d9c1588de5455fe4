// What a plan is made of: something to measure of one target that runs. Knows no order and no rounds.

import type { Bench } from "../measure.ts";
import type { Run } from "../result.ts";
import type { Deployment, Target } from "../target.ts";
import type { Workload } from "../workload.ts";

/** Who does a step, and how often. */
export interface StepScope {
  /** Default: every target that supports deployment and workload. */
  readonly only?: ((target: Target) => boolean) | undefined;
  /** Only in the first so many of the plan's rounds. Default: in all of them. */
  readonly rounds?: number | undefined;
}

export interface Step extends StepScope {
  /** As `--scenario` takes it, with `name`: either chooses it. */
  readonly scenario: Run["scenario"];
  /** Of the shape or the point, as tables have it. */
  readonly name: string;
  readonly deployment: Deployment;
  readonly workload: Workload;
  /** What it takes once, about: connections, warm-up and windows. What the plan is planned by, and no limit. */
  readonly estimateMs: number;
  /** Whether it needs processes that did nothing before. */
  readonly wantsFresh?: boolean;
  run(bench: Bench): Promise<readonly Run[]>;
}
