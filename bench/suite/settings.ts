// What a run of the suite was asked to do: its command line.

import { parseArgs } from "node:util";
import { UsageError, whole } from "../settings.ts";

export type PlanName = "smoke" | "quick" | "full";

export interface SuiteSettings {
  readonly plan: PlanName;
  /** Names of scenarios, or of single steps; empty: all of the plan. */
  readonly scenarios: readonly string[];
  /** Names of targets; empty: all that can run here, but for variants. */
  readonly targets: readonly string[];
  readonly seed: number;
  readonly rounds: number | undefined;
  /** The result as JSON alone on standard output; progress goes to standard error. */
  readonly json: boolean;
  /** Where the result goes; absent: bench/results/, or its folder `quick` where the plan is not the full one. */
  readonly out: string | undefined;
}

export const suiteUsage = `usage: npm run bench [-- options]
  --full             all scenarios, in an hour    (default: the quick plan, five minutes)
  --smoke            every shape and target once, in a minute; no number is judged
  --scenario NAME    only this scenario; may be repeated
  --target NAME      only this target; may be repeated
  --rounds N         how often everything is measured
  --seed N           seed of all schedules        (default: 1)
  --json             the result as JSON on standard output, progress on standard error
  --out FILE         where the result is written`;

const options = ["--full", "--smoke", "--scenario", "--target", "--rounds", "--seed", "--json", "--out"];

/** Whether a command line is the suite's, by its first argument; the name of another benchmark comes first. */
export const isOfSuite = (first: string | undefined): boolean =>
  first === undefined || options.includes(first.split("=", 1)[0] as string);

export function parseSuiteSettings(args: readonly string[]): SuiteSettings {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      full: flag,
      smoke: flag,
      scenario: { ...text, multiple: true },
      target: { ...text, multiple: true },
      rounds: text,
      seed: text,
      json: flag,
      out: text,
    },
  });
  if (values.full && values.smoke) throw new UsageError("--full and --smoke: one of them");
  return {
    plan: values.full ? "full" : values.smoke ? "smoke" : "quick",
    scenarios: values.scenario ?? [],
    targets: values.target ?? [],
    seed: whole("seed", values.seed) ?? 1,
    rounds: whole("rounds", values.rounds),
    json: values.json,
    out: values.out,
  };
}
