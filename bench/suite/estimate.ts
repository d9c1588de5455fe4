// How long a plan takes, about, and how much of that is left while it runs: sums of what its steps say. Knows no step.

import type { Plan } from "./plans.ts";
import type { Step } from "./steps/step.ts";
import type { Deployment, Target } from "./target.ts";

/** Measured on the machine of the committed results: one start of a target, of its Redis and proxy, and of the generator. */
const generatorStartMs = 500;
const nodeStartMs = 600;
const redisStartMs = 300;
const proxyStartMs = 300;

/** Orders, schedules and answers of the generator: what every step has around its windows, the idle look apart. */
const overheadMs = 400;
const perConnectionMs = 0.5;

/** What it takes to get so many connections together, to warm up for so long and to measure for so long. */
export const stepMs = (connections: number, warmUpMs: number, durationMs: number): number =>
  overheadMs + perConnectionMs * connections + warmUpMs + durationMs;

export const startMs = ({ nodes, bridge, entry }: Deployment): number =>
  generatorStartMs +
  nodes * nodeStartMs +
  (bridge === "redis" ? redisStartMs : 0) +
  (entry === "haproxy" ? proxyStartMs : 0);

/** Steps of one target that share its processes; before each it is left alone for `idleMs`. */
export const groupMs = (steps: readonly Step[], idleMs: number): number =>
  steps.reduce((sum, { estimateMs }) => sum + estimateMs + idleMs, startMs((steps[0] as Step).deployment));

/** Milliseconds for all rounds; `turnsOf`: what a target has to do in a round. */
export function planMs(
  { rounds, idleMs }: Pick<Plan, "rounds" | "idleMs">,
  targets: readonly Target[],
  turnsOf: (target: Target, round: number) => readonly (readonly Step[])[],
): number {
  let sum = 0;
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      for (const group of turnsOf(target, round)) sum += groupMs(group, idleMs);
    }
  }
  return sum;
}

/** So much has to be behind before the pace up to now says more than the estimate itself. */
const knownFromMs = 60_000;

/** What is left, by the estimate and by how fast the run has been against it. */
export function leftMs(totalMs: number, doneMs: number, elapsedMs: number): number {
  const pace = doneMs < knownFromMs ? 1 : elapsedMs / doneMs;
  return Math.max(0, totalMs - doneMs) * pace;
}

/** `4 min`, or seconds where it is less than two. */
export const durationText = (ms: number): string =>
  ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
