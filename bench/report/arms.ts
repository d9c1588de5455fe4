// Runs put in order: who ran (an arm), under which condition, in which round, and whether the run may be relied on. Knows no metric.

import { isInvalid as hasFatal } from "../suite/flags.ts";
import type { Run, RunFlag } from "../suite/result.ts";
import { deploymentName, oneNode } from "../suite/target.ts";

/** A target in a deployment, as plots and tables call it. */
export function armName({ target }: Pick<Run, "target">): string {
  const where = deploymentName(target.deployment);
  return where === deploymentName(oneNode) ? target.name : `${target.name}, ${where}`;
}

/** Fanwire first, then the peers, then the controls; a variant behind what it varies, a stranger behind its kind. */
const order = [
  ...["fanwire-bun", "fanwire-uws"],
  ...["guide", "socket.io", "centrifugo"],
  ...["bare-bun", "bare-uws", "raw-floor"],
];
const kinds = { ours: 0, peer: 1, control: 2 } as const;

export function byArm(left: Run, right: Run): number {
  const place = ({ target }: Run) => {
    const known = order.findIndex((name) => target.name === name || target.name.startsWith(`${name}-`));
    return kinds[target.kind] * 100 + (known < 0 ? 50 : known);
  };
  return (
    place(left) - place(right) ||
    left.target.deployment.nodes - right.target.deployment.nodes ||
    armName(left).localeCompare(armName(right))
  );
}

/** Arms in their order, each with its runs in the order of the rounds. */
export function arms(runs: readonly Run[]): Map<string, Run[]> {
  const sorted = [...runs].sort((left, right) => byArm(left, right) || left.round - right.round);
  return Map.groupBy(sorted, armName);
}

/** How many subscribers have a publication at once, on average. */
export const audience = ({ offered }: Pick<Run, "offered">): number =>
  Math.round(offered.deliveriesPerSecond / offered.publicationsPerSecond);

/** Runs that differ in target, deployment and round alone. */
export interface Condition {
  /** As a table names it. */
  readonly name: string;
  readonly runs: readonly Run[];
}

/** A search tries loads that lie as near as this. */
const sameLoad = 1.03;
/** Each round draws its own schedule, and where topics differ in size its deliveries differ by some percent. */
const sameCondition = 1.15;

/** Neighbouring loads together, ascending: a group ends where the next load is so many times larger. */
export function byLoad(runs: readonly Run[], apart = sameLoad): Run[][] {
  const load = (run: Run) => run.offered.deliveriesPerSecond;
  const groups: Run[][] = [];
  for (const run of [...runs].sort((left, right) => load(left) - load(right))) {
    const last = groups.at(-1);
    if (last !== undefined && load(run) <= load(last.at(-1) as Run) * apart) last.push(run);
    else groups.push([run]);
  }
  return groups;
}

/** Where the load is what is searched for, or a few publications only show that everybody is there. */
const loadless: readonly (Run["scenario"] | undefined)[] = ["capacity", "memory"];

/** The runs of one scenario by what must be the same for two of them to be compared. In some the load is no part of that. */
export function conditionsOf(runs: readonly Run[]): Condition[] {
  const alike = Map.groupBy(runs, ({ workload, publicationsPerBurst }) => {
    const spec = Object.entries(workload.spec).sort(([left], [right]) => (left < right ? -1 : 1));
    const { name, mode, connections, topics, publishers } = workload;
    return JSON.stringify([name, mode, connections, topics, publishers, publicationsPerBurst, spec]);
  });
  return [...alike.values()].flatMap((same) => {
    const loads = loadless.includes(same[0]?.scenario) ? [same] : byLoad(same, sameCondition);
    return loads.map((together) => ({ name: conditionName(together, loads.length > 1), runs: together }));
  });
}

function conditionName(runs: readonly Run[], hasLoad: boolean): string {
  const [{ workload, offered, publicationsPerBurst }] = runs as [Run];
  const count = (value: number) => Math.round(value).toLocaleString("en");
  return [
    // A workload that is named after its mode or its bursts has said so.
    workload.name.includes(workload.mode) ? workload.name : `${workload.name}, ${workload.mode}`,
    `${count(workload.connections)} connection${workload.connections === 1 ? "" : "s"}`,
    ...(publicationsPerBurst > 1 && !workload.name.includes("burst")
      ? [`${publicationsPerBurst} at once`]
      : []),
    ...(hasLoad ? [`${count(offered.publicationsPerSecond)}/s`] : []),
  ].join(", ");
}

export const isInvalid = ({ flags }: Pick<Run, "flags">): boolean => hasFatal(flags);

/** Of an invalid run nothing may be claimed; of one whose publisher was late, nothing about latency. */
export const isSoundFor = (run: Run, isLatency: boolean): boolean =>
  isLatency ? run.flags.length === 0 : !isInvalid(run);

/** One line per kind of flag: how often, and an example. */
export function flagLines(runs: readonly Run[]): string[] {
  const raised = runs.flatMap((run) => run.flags.map((flag) => ({ run, flag })));
  const byName = Map.groupBy(raised, ({ flag }) => flag.name);
  return [...byName].map(([name, same]) => {
    const { run, flag } = same[0] as { run: Run; flag: RunFlag };
    const what = flag.refuses === "everything" ? "invalid" : "no claim of latency";
    const times = `${same.length} of ${runs.length} runs`;
    return `${name} (${what}), ${times}, such as ${armName(run)} in round ${run.round}: ${flag.detail}`;
  });
}

/** Why nothing is claimed of these runs, in a few words. */
export function refusalOf(runs: readonly Run[], isLatency: boolean): string {
  const names = runs.flatMap(({ flags }) =>
    flags.filter((flag) => isLatency || flag.refuses === "everything").map((flag) => flag.name),
  );
  return `invalid: ${[...new Set(names)].join(", ")}`;
}

/** What a plot leaves out: one line per arm that lost rounds. */
export function leftOut(runs: readonly Run[], isLatency: boolean): string[] {
  return [...arms(runs)].flatMap(([arm, own]) => {
    const unsound = own.filter((run) => !isSoundFor(run, isLatency));
    if (unsound.length === 0) return [];
    return [`${arm}: ${unsound.length} of ${own.length} runs ${refusalOf(unsound, isLatency)}`];
  });
}
