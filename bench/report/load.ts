// Result files as they lie on disk, read and told apart; several suite results of one machine are taken as one.

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { UsageError } from "../settings.ts";
import type { Run, SuiteResult } from "../suite/result.ts";

/** A file that is no result, or results that don't belong together; the message says so in a sentence. */
export class ResultError extends UsageError {}

/** What the scenarios of schema 1 write: see measure/report.ts. Their parts are read by the sections that know them. */
export interface OlderResult {
  readonly schema: 1;
  readonly scenario: string;
  readonly startedAt: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly claims: readonly OlderClaim[];
  readonly parts: readonly Readonly<Record<string, unknown>>[];
}

export interface OlderClaim {
  readonly what: string;
  readonly figure: {
    readonly low: number;
    readonly mid: number;
    readonly high: number;
    readonly count: number;
  };
  readonly digits: number;
  readonly bound: number;
  readonly verdict: string;
}

/** A result with the name of its file. */
export type Loaded = { readonly file: string } & (
  | { readonly suite: SuiteResult; readonly older?: never }
  | { readonly older: OlderResult; readonly suite?: never }
);

export function load(path: string): Loaded {
  const file = basename(path);
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ResultError(`${path}: ${(error as Error).message}`);
  }
  if (isSuite(parsed)) return { file, suite: parsed };
  if (isOlder(parsed)) return { file, older: parsed };
  throw new ResultError(`${file}: neither a result of the suite (schema 2) nor of a scenario (schema 1)`);
}

function isSuite(value: unknown): value is SuiteResult {
  const { schema, kind, runs, seed, machine } = (value ?? {}) as Partial<SuiteResult>;
  const hasFacts = schema === 2 && kind === "suite" && typeof seed === "number" && isObject(machine);
  return hasFacts && Array.isArray(runs) && runs.every(isRun);
}

/** What every section takes for granted. The file comes from the same program; this finds one that was cut or edited. */
function isRun(value: unknown): value is Run {
  const run = (value ?? {}) as Partial<Run>;
  const parts = [
    run.target?.deployment,
    run.workload?.spec,
    run.offered,
    run.achieved,
    run.cpuNs,
    run.histograms,
  ];
  return typeof run.scenario === "string" && parts.every(isObject) && Array.isArray(run.flags);
}

function isOlder(value: unknown): value is OlderResult {
  const { schema, scenario, claims, parts } = (value ?? {}) as Partial<OlderResult>;
  return schema === 1 && typeof scenario === "string" && Array.isArray(claims) && Array.isArray(parts);
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null;

/** Facts of a machine that figures depend on. Load and clock cost are of the moment; versions and commit may be what is compared. */
const passing = ["loadAverage", "clockCostNs", "versions", "commit", "uncommitted"];

/** The facts in which two machines differ, each as a sentence. */
export function machineDifferences(left: SuiteResult["machine"], right: SuiteResult["machine"]): string[] {
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].flatMap((name) => {
    const [one, other] = [JSON.stringify(left[name]), JSON.stringify(right[name])];
    return passing.includes(name) || one === other
      ? []
      : [`${name} is ${one} in one and ${other} in the other`];
  });
}

/** Several files of one machine and commit as one result: rounds of a later file follow those of an earlier one. */
export function together(suites: readonly SuiteResult[]): SuiteResult | undefined {
  const [first, ...others] = suites;
  if (first === undefined || others.length === 0) return first;
  for (const other of others) {
    const [difference] = machineDifferences(first.machine, other.machine);
    if (difference !== undefined) {
      throw new ResultError(`the results are of two machines: ${difference}`);
    }
    if (first.machine.commit !== other.machine.commit || first.plan !== other.plan) {
      throw new ResultError("the results are of two commits or plans; compare them instead");
    }
  }
  let rounds = 0;
  const runs = suites.flatMap((suite) => {
    const from = rounds;
    rounds += 1 + Math.max(-1, ...suite.runs.map(({ round }) => round));
    return suite.runs.map((run) => ({ ...run, round: run.round + from }));
  });
  const failures = suites.flatMap((suite) => suite.failures ?? []);
  const unavailable = Object.assign({}, ...suites.map((suite) => suite.unavailable));
  return { ...first, endedAt: suites.at(-1)?.endedAt ?? first.endedAt, unavailable, failures, runs };
}
