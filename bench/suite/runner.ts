// Takes a plan's steps to its targets: round by round, targets in an order drawn anew for each, every deployment in fresh processes.

import { seededRandom, shuffled } from "../measure/stats.ts";
import { cores } from "../targets/servers.ts";
import { durationText, groupMs, leftMs, planMs } from "./estimate.ts";
import { isInvalid } from "./flags.ts";
import { Generator } from "./load/generator.ts";
import type { Plan } from "./plans.ts";
import type { FailedStep, Run } from "./result.ts";
import type { Step } from "./steps/step.ts";
import { deploymentName, type Target } from "./target.ts";

export interface RunnerSettings {
  readonly plan: Plan;
  readonly targets: readonly Target[];
  readonly seed: number;
  /** Progress, a line at a time. */
  readonly say: (line: string) => void;
  /** Told of each step that ended with an error; the run goes on. */
  readonly failed: (failure: FailedStep) => void;
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

/** What a target has to do in a round, each group in processes of its own. */
export function turnsOf({ steps }: Pick<Plan, "steps">, target: Target, round: number): Step[][] {
  const wanted = steps.filter((step) => round < (step.rounds ?? Number.POSITIVE_INFINITY));
  return groupsOf(wanted.filter((step) => suits(step, target)));
}

/** What the plan takes on these targets, milliseconds, about. */
export const estimateOf = (plan: Plan, targets: readonly Target[]): number =>
  planMs(plan, targets, (target, round) => turnsOf(plan, target, round));

export async function* runPlan(settings: RunnerSettings): AsyncGenerator<Run> {
  const { plan, targets, seed, say } = settings;
  const random = seededRandom(seed);
  const totalMs = estimateOf(plan, targets);
  const startedAt = performance.now();
  let doneMs = 0;
  say(`${plan.rounds} rounds of ${plan.steps.length} steps, about ${durationText(totalMs)}`);
  for (let round = 0; round < plan.rounds; round++) {
    for (const target of shuffled(targets, random)) {
      const turns = turnsOf(plan, target, round);
      if (turns.length === 0) continue;
      for (const steps of turns) {
        yield* runGroup(steps, target, round, settings);
        doneMs += groupMs(steps, plan.idleMs);
      }
      const left = leftMs(totalMs, doneMs, performance.now() - startedAt);
      say(`${durationText(performance.now() - startedAt)} done, about ${durationText(left)} left`);
    }
  }
}

/** One deployment of a target. After a step that failed the next ones have fresh processes: nobody knows what it left behind. */
async function* runGroup(
  steps: readonly Step[],
  target: Target,
  round: number,
  settings: RunnerSettings,
): AsyncGenerator<Run> {
  let rest = steps;
  while (rest.length > 0) rest = yield* runUntilFailure(rest, target, round, settings);
}

/** The generator's processes are new too, so that no arm gets one that has lived longer. Answers the steps that are left. */
async function* runUntilFailure(
  steps: readonly Step[],
  target: Target,
  round: number,
  { seed, say, failed, plan: { idleMs } }: RunnerSettings,
): AsyncGenerator<Run, readonly Step[]> {
  const { deployment } = steps[0] as Step;
  const where = `round ${round + 1}, ${target.name} (${deploymentName(deployment)})`;
  const fail = ({ scenario, name }: Step, error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    say(`${where}, ${name}: FAILED, the run goes on: ${reason}`);
    failed({ target: target.name, scenario, step: name, round, reason });
  };
  let running: Awaited<ReturnType<Target["start"]>>;
  try {
    running = await target.start(deployment, { core: cores.server });
  } catch (error) {
    for (const step of steps) fail(step, error);
    return [];
  }
  const generator = new Generator({ receivers });
  try {
    for (const [place, step] of steps.entries()) {
      let runs: readonly Run[];
      try {
        runs = await step.run({ target, deployment, running, generator, round, seed, idleMs });
      } catch (error) {
        fail(step, error);
        return steps.slice(place + 1);
      }
      for (const run of runs) {
        say(
          `${where}, ${step.name}: ${Math.round(run.achieved.deliveriesPerSecond)} deliveries/s, ${judgement(run)}`,
        );
        yield run;
      }
    }
    return [];
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
