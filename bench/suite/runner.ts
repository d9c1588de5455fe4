// Takes a plan's steps to its targets: round by round, targets in an order drawn anew for each, every deployment in fresh processes.

import { seededRandom, shuffled } from "../measure/stats.ts";
import { cores } from "../targets/servers.ts";
import { isInvalid } from "./flags.ts";
import { Generator } from "./load/generator.ts";
import type { Plan } from "./plans.ts";
import type { Run } from "./result.ts";
import type { Step } from "./steps/step.ts";
import { deploymentName, type Target } from "./target.ts";

export interface RunnerSettings {
  readonly plan: Plan;
  readonly targets: readonly Target[];
  readonly seed: number;
  /** Progress, a line at a time. */
  readonly say: (line: string) => void;
}

/** Processes of receivers; they and the publisher share the generator's core. */
const receivers = 2;

/** Steps that share processes: those of one deployment that want no fresh ones. */
function groupsOf(steps: readonly Step[]): Step[][] {
  const shared = Map.groupBy(
    steps.filter(({ wantsFresh }) => wantsFresh !== true),
    ({ deployment }) => deploymentName(deployment),
  );
  const alone = steps.filter(({ wantsFresh }) => wantsFresh === true);
  return [...shared.values(), ...alone.map((step) => [step])];
}

const suits = (step: Step, target: Target): boolean =>
  target.supports(step.deployment, step.workload) && (step.only?.(target) ?? true);

export async function* runPlan({ plan, targets, seed, say }: RunnerSettings): AsyncGenerator<Run> {
  const random = seededRandom(seed);
  for (let round = 0; round < plan.rounds; round++) {
    for (const target of shuffled(targets, random)) {
      for (const group of groupsOf(plan.steps)) {
        const steps = group.filter((step) => suits(step, target));
        if (steps.length > 0) yield* runGroup(steps, target, { round, seed, say });
      }
    }
  }
}

interface Turn {
  readonly round: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** One start of a target: the generator's processes are new too, so that no arm gets one that has lived longer. */
async function* runGroup(steps: readonly Step[], target: Target, turn: Turn): AsyncGenerator<Run> {
  const { deployment } = steps[0] as Step;
  const { round, seed, say } = turn;
  const running = await target.start(deployment, { core: cores.server });
  const generator = new Generator({ receivers });
  try {
    for (const step of steps) {
      const place = `round ${round + 1}, ${target.name} (${deploymentName(deployment)}), ${step.name}`;
      const runs = await step.run({ target, deployment, running, generator, round, seed });
      for (const run of runs) {
        say(`${place}: ${Math.round(run.achieved.deliveriesPerSecond)} deliveries/s, ${judgement(run)}`);
        yield run;
      }
    }
  } finally {
    await generator.stop();
    await running.stop();
  }
}

function judgement({ flags }: Run): string {
  if (flags.length === 0) return "valid";
  const names = flags.map(({ name, detail }) => `${name} (${detail})`).join(", ");
  return `${isInvalid(flags) ? "INVALID" : "no latency"}: ${names}`;
}
