// What `nodes` says: every delivery counted, connect times, latency and CPU; one claim, that nothing was lost, doubled or out of order.

import type { AudienceCounts, AudienceMode } from "../client/audience.ts";
import { decode, encode, type Histogram, largestText, merge, percentileText } from "../measure/histogram.ts";
import { type Claim, describeClaim, describeFlags, number, type Part, table } from "../measure/report.ts";
import { judge } from "../measure/stats.ts";
import type { Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { modes, type NodesRun } from "./nodes.ts";

export function reportNodes(run: NodesRun, settings: RunSettings): Part {
  const { engines, plan, joinMs, redisVersion } = run;
  const where = redisVersion === undefined ? "in memory" : `Redis ${redisVersion}`;
  const title = `nodes · ${engines.join(" + ")} · ${where}`;
  const flags = flagsOf(run, settings);
  const faults = faultsOf(run);
  const deliveries = modes.reduce((sum, mode) => sum + countsOf(run, mode).received, 0);
  const figure = { low: faults, mid: faults, high: faults, count: deliveries };
  // Not a statistic: one wrong delivery is one too many, whatever disturbed the run.
  const isUnproven = flags.some(({ name }) => name === "quick" || name === "nothing-published");
  const claims: Claim[] = [
    {
      what: `${title}: deliveries lost, doubled or out of order`,
      figure,
      digits: 0,
      bound: 0,
      verdict: faults === 0 && isUnproven ? "refused" : judge(figure, 0),
    },
  ];
  const rate = number(plan.subscribers / (joinMs / 1000), 0);
  const text = [
    title,
    `${plan.subscribers} subscribers of two topics in ${plan.groups} processes; all joined after ${number(joinMs / 1000)} s, ${rate}/s`,
    deliveryTable(run),
    "",
    timeTable(run),
    "",
    cpuLine(run),
    ...claims.map(describeClaim),
    ...describeFlags(flags),
  ].join("\n");
  return { claims, text, record: recordOf(run, claims, flags) };
}

/** Of all processes together. */
export function countsOf({ records }: Pick<NodesRun, "records">, mode: AudienceMode): AudienceCounts {
  const sum = (name: keyof AudienceCounts) =>
    records.reduce((total, { counts }) => total + counts[mode][name], 0);
  return { received: sum("received"), lost: sum("lost"), disordered: sum("disordered") };
}

/** Deliveries that are missing without a later one to show it are in no subscriber's count. */
export function faultsOf(run: Pick<NodesRun, "records" | "published" | "plan">): number {
  const { records, published, plan } = run;
  const expected = published * plan.subscribers;
  const ofMode = (mode: AudienceMode) => {
    const { received, lost, disordered } = countsOf(run, mode);
    return Math.max(lost, expected - received) + disordered + Math.max(0, received - expected - disordered);
  };
  const contradictions = records.reduce((sum, record) => sum + record.contradictions, 0);
  return ofMode("stream") + ofMode("volatile") + contradictions + otherOrders(records);
}

/** Offsets that hold another publication in one process than in the first. */
function otherOrders(records: NodesRun["records"]): number {
  const [first, ...others] = records;
  const differs = ({ order }: (typeof records)[number]) =>
    order.filter((id, offset) => id !== first?.order[offset]).length;
  return others.reduce((sum, record) => sum + differs(record), 0);
}

const shares = { foreign: 0.1, steal: 0.01, busy: 0.8 } as const;

export function flagsOf(run: NodesRun, settings: Pick<RunSettings, "quick">): Flag[] {
  const { planned, published, records, wallNs, foreignNs, stealNs, generatorNs, nodeNs, redisNs } = run;
  const flags: Flag[] = [];
  const add = (name: string, detail: string, disturbance = false) =>
    flags.push({ name, detail, refuses: "everything", disturbance });
  const core = (ns: number) => `${number((ns / wallNs) * 100)} % of a core`;
  const sum = (value: (record: (typeof records)[number]) => number) =>
    records.reduce((total, record) => total + value(record), 0);
  if (settings.quick) add("quick", "a quick run shows that the suite works and measures nothing");
  if (published === 0) add("nothing-published", "no publication");
  if (published < planned) add("underachieved", `${published} of ${planned} publications left`, true);
  const cut = sum((record) => record.cut);
  if (cut > 0) add("connections-cut", `${cut} connections ended`);
  const unexpected = sum((record) => record.unexpected);
  if (unexpected > 0) add("unexpected-frames", `${unexpected} frames were no publication`);
  if (generatorNs > shares.busy * wallNs) add("generator-busy", core(generatorNs), true);
  const servers = nodeNs.reduce((total, ns) => total + ns, redisNs);
  if (servers > shares.busy * wallNs) add("server-saturated", `nodes and Redis took ${core(servers)}`);
  if (foreignNs > shares.foreign * wallNs)
    add("foreign-load", `other processes used ${core(foreignNs)}`, true);
  if (stealNs > shares.steal * wallNs) add("steal", `the hypervisor took ${core(stealNs)}`, true);
  return flags;
}

function deliveryTable(run: NodesRun): string {
  const rows = modes.map((mode) => {
    const { received, lost, disordered } = countsOf(run, mode);
    const expected = run.published * run.plan.subscribers;
    return [mode, String(run.published), ...[expected, received, lost, disordered].map(String)];
  });
  return table(["mode", "publications", "deliveries", "received", "gaps", "doubled or late"], rows);
}

const merged = (run: NodesRun, mode: AudienceMode): Histogram =>
  merge(run.records.map(({ latency }) => decode(latency[mode])));

function timeTable(run: NodesRun): string {
  const row = (name: string, histogram: Histogram, independent: number) => [
    name,
    ...[50, 99].map((percentile) => percentileText(histogram, percentile, independent)),
    largestText(histogram),
  ];
  const joins = (name: "connect" | "subscribe") => merge(run.joins.map((record) => decode(record[name])));
  const { subscribers } = run.plan;
  return table(
    ["µs", "p50", "p99", "max"],
    [
      ...modes.map((mode) => row(`${mode} delivery`, merged(run, mode), run.published)),
      row("connect", joins("connect"), subscribers),
      row("subscribe to both", joins("subscribe"), subscribers),
      row("publisher's lateness", run.lateness, run.published),
    ],
  );
}

function cpuLine({ engines, nodeNs, redisNs, generatorNs, wallNs }: NodesRun): string {
  const share = (ns: number) => `${number((ns / wallNs) * 100)} %`;
  const nodes = engines.map((engine, i) => `${engine} ${share(nodeNs[i] ?? 0)}`).join(", ");
  return `of a core each: ${nodes}, Redis ${share(redisNs)}, all of the generator ${share(generatorNs)}`;
}

function recordOf(run: NodesRun, claims: readonly Claim[], flags: readonly Flag[]): object {
  const { joins, records, lateness, ...rest } = run;
  return {
    ...rest,
    ...{ claims, flags, joins },
    counts: Object.fromEntries(modes.map((mode) => [mode, countsOf(run, mode)])),
    contradictions: records.map((record) => record.contradictions),
    histograms: {
      stream: encode(merged(run, "stream")),
      volatile: encode(merged(run, "volatile")),
      lateness: encode(lateness),
    },
  };
}
