// `npm run bench` without a benchmark's name: measures a plan, prints a table and verdicts, and writes the result.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { machineFacts } from "../measure/machine.ts";
import { exitCode, writeResult } from "../measure/report.ts";
import { goals } from "../report/headline.ts";
import { UsageError } from "../settings.ts";
import { build, cores } from "../targets/servers.ts";
import { type Plan, planOf } from "./plans.ts";
import type { FailedStep, Run, SuiteResult } from "./result.ts";
import { runPlan } from "./runner.ts";
import { parseSuiteSettings, type SuiteSettings } from "./settings.ts";
import { summaryOf } from "./summary.ts";
import type { Target } from "./target.ts";
import { targets as allTargets } from "./targets/all.ts";

/** Before any process of the generator is started: they inherit it. */
function pinSelf(): void {
  const command = ["-a", "-c", "-p", String(cores.generator), String(process.pid)];
  execFileSync("taskset", command, { stdio: "ignore" });
}

function chosenPlan({ plan: name, scenarios, rounds }: SuiteSettings): Plan {
  const plan = planOf(name);
  const known = new Set(plan.steps.flatMap(({ scenario, name }) => [scenario, name]));
  const stranger = scenarios.find((one) => !known.has(one));
  if (stranger !== undefined) {
    throw new UsageError(`--scenario ${stranger}: not one of ${[...known].join("; ")}`);
  }
  const isWanted = (one: { scenario: string; name: string }) =>
    scenarios.length === 0 || scenarios.includes(one.scenario) || scenarios.includes(one.name);
  const steps = plan.steps.filter(isWanted);
  if (rounds === undefined) return { ...plan, steps };
  // Who says how often means every step, also those that the plan has less often than others.
  return { ...plan, rounds, steps: steps.map((step) => ({ ...step, rounds })) };
}

async function chosenTargets({ targets: names, plan }: SuiteSettings) {
  const stranger = names.find((name) => !allTargets.some((target) => target.name === name));
  if (stranger !== undefined) {
    const known = allTargets.map(({ name }) => name).join(", ");
    throw new UsageError(`--target ${stranger}: not one of ${known}`);
  }
  const isWanted = ({ name, isVariant = false }: Target) =>
    names.length === 0 ? !isVariant : names.includes(name);
  const wanted = allTargets.filter(isWanted);
  const available: Target[] = [];
  const unavailable: Record<string, string> = {};
  for (const target of wanted) {
    // A smoke run is a test, which takes what is there.
    if (plan !== "smoke") await target.prepare?.();
    const reason = await target.unavailable();
    if (reason === undefined) available.push(target);
    else unavailable[target.name] = reason;
  }
  return { available, unavailable };
}

/** Answers the process's exit code. */
export async function runSuite(args: readonly string[]): Promise<number> {
  const settings = parseSuiteSettings(args);
  const plan = chosenPlan(settings);
  const say = (line: string) => (settings.json ? console.error(line) : console.log(line));
  const { available, unavailable } = await chosenTargets(settings);
  for (const [name, reason] of Object.entries(unavailable)) say(`${name} is left out: ${reason}`);
  if (available.some(({ name }) => name === "fanwire-uws")) build();
  pinSelf();
  const startedAt = new Date();
  const machine = machineFacts();
  const { cpu, kernel } = machine;
  say(`${settings.plan}, seed ${settings.seed}, commit ${machine.commit.slice(0, 12)}, ${cpu}, ${kernel}`);
  const runs: Run[] = [];
  const failures: FailedStep[] = [];
  const failed = (failure: FailedStep) => void failures.push(failure);
  let broken: string | undefined;
  try {
    const { seed } = settings;
    for await (const run of runPlan({ plan, targets: available, seed, say, failed })) runs.push(run);
  } catch (fault) {
    // Hours of measuring are not thrown away because a server did not start.
    broken = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    console.error(`the run ends here, what it measured is kept: ${broken}`);
  }
  const result: SuiteResult = {
    ...{ schema: 2, kind: "suite", startedAt: startedAt.toISOString(), endedAt: new Date().toISOString() },
    ...{ command: args, seed: settings.seed, plan: settings.plan, machine, unavailable, runs },
    ...(failures.length > 0 && { failures }),
    ...(broken !== undefined && { broken }),
  };
  const file = settings.out ?? defaultFile(settings, startedAt);
  writeResult(file, result);
  // A smoke run judges no number.
  const claims = settings.plan === "smoke" ? [] : goals(result);
  if (settings.json) console.log(JSON.stringify(result));
  else say(`\n${summaryOf(result, claims)}`);
  say(`\nwritten to ${file}`);
  for (const { target, step, round, reason } of failures) {
    console.error(`FAILED: ${target}, ${step}, round ${round + 1}: ${reason}`);
  }
  if (broken !== undefined || failures.length > 0) return brokenExitCode;
  return settings.plan === "smoke" ? 0 : exitCode(claims, settings.plan === "quick");
}

/** As `bench/run.ts` ends where something is broken. */
const brokenExitCode = 70;

function defaultFile({ plan }: SuiteSettings, startedAt: Date): string {
  const name = `suite-${startedAt.toISOString().replaceAll(/[:.]/g, "-")}.json`;
  return join(import.meta.dirname, "../results", plan === "full" ? "" : "quick", name);
}
