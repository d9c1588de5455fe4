// What `ticker` says: each class's cost, traffic and staleness, alone and with the others, and how stopped readers came back.

import { encode, type Histogram, merge } from "../measure/histogram.ts";
import { type Claim, describeClaim, describeFlags, number, type Part, table } from "../measure/report.ts";
import { type Interval, median, medianInterval, quantile, seededRandom } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { nameOf, type StoppedFigures, type TickerComparison, type TickerWindow } from "./ticker.ts";

/** A reader that leaves less than this waiting in the server never was behind. */
const filledBytes = 262_144;
const most = { busy: 0.8, foreign: 0.1, steal: 0.01 } as const;

export function reportTicker(comparison: TickerComparison, settings: RunSettings): Part {
  const { engine, format, plan, windows, stopped } = comparison;
  const title = `ticker · ${engine} · ${format}`;
  const flags = [
    ...comparisonFlags({ rounds: plan.rounds, quick: settings.quick }),
    ...windows.flatMap(windowFlags),
    ...stoppedFlags(stopped),
  ];
  const claims = claimsOf(title, comparison, flags);
  const text = [
    title,
    `${plan.ratePerSecond} publications a second over ${plan.keys} keys, ${plan.textBytes} bytes of text each`,
    classTable(comparison, settings),
    "",
    togetherTable(windows),
    "",
    stoppedTable(stopped),
    "",
    ...claims.map(describeClaim),
    ...describeFlags(flags),
  ].join("\n");
  return { claims, text, record: record(comparison, claims, flags) };
}

export function windowFlags(window: TickerWindow): Flag[] {
  const { who, wallNs, planned, published, classes } = window;
  const flags: Flag[] = [];
  const add = (name: string, detail: string, disturbance: boolean) =>
    flags.push({ name, detail: `${who}: ${detail}`, refuses: "everything", disturbance });
  const share = (ns: number) => `${number((ns / wallNs) * 100)} % of a core`;
  const cut = classes.reduce((sum, one) => sum + one.cut, 0);
  if (cut > 0) add("connections-cut", `${cut} connections`, false);
  if (published < 0.99 * planned) add("underachieved", `${published} of ${planned} publications left`, true);
  if (window.generatorNs > most.busy * wallNs) add("generator-busy", share(window.generatorNs), true);
  if (window.serverNs > most.busy * wallNs) add("server-saturated", share(window.serverNs), false);
  if (window.foreignNs > most.foreign * wallNs) add("foreign-load", share(window.foreignNs), true);
  if (window.stealNs > most.steal * wallNs) add("steal", share(window.stealNs), true);
  return flags;
}

function stoppedFlags(stopped: readonly StoppedFigures[]): Flag[] {
  const filled = stopped.filter(({ skippedBytes }) => skippedBytes > filledBytes).length;
  if (filled === stopped.length) return [];
  const detail = `${filled} of ${stopped.length} stopped readers missed more than the kernel holds`;
  return [{ name: "buffers-not-filled", detail, refuses: "everything", disturbance: false }];
}

/** Not statistics: one value that goes backwards, or is not the newest in the end, is one too many. */
function claimsOf(title: string, { windows, stopped }: TickerComparison, flags: readonly Flag[]): Claim[] {
  const distrusted = flags.some(({ name }) => ["quick", "buffers-not-filled"].includes(name));
  const classes = windows.flatMap((window) => window.classes);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const claim = (what: string, count: number, of: number): Claim => ({
    what: `${title}: ${what}`,
    figure: { low: count, mid: count, high: count, count: of },
    digits: 0,
    bound: 0,
    verdict: count > 0 ? "missed" : distrusted ? "refused" : "met",
  });
  const all = [...classes, ...stopped];
  const late = stopped.filter(({ olderAfterRoundTrip }) => olderAfterRoundTrip > 0).length;
  return [
    claim("values that went backwards", sum(all.map(({ backwards }) => backwards)), all.length),
    claim("keys that did not end at their newest value", sum(all.map(({ stale }) => stale)), all.length),
    claim("stopped readers that held older values one round trip after their backlog", late, stopped.length),
  ];
}

/** CPU of each class alone, less that of the publications themselves, per subscriber. */
function classTable({ plan, windows }: TickerComparison, settings: RunSettings): string {
  const rows = plan.classes.map(([rateHz, subscribers]) => {
    const mine = windows.filter(({ who }) => who === nameOf(rateHz));
    const figures = mine.flatMap(({ classes }) => classes);
    const seconds = mine.reduce((sum, { wallNs }) => sum + wallNs / 1e9, 0);
    const perSubscriber = (values: readonly number[]) =>
      values.reduce((sum, value) => sum + value, 0) / subscribers / seconds;
    const cost = costPerSubscriber(windows, nameOf(rateHz), subscribers, settings);
    const frames = figures.reduce((sum, one) => sum + one.frames, 0);
    const chunks = mine.reduce((sum, window) => sum + window.chunks, 0);
    return [
      nameOf(rateHz),
      String(subscribers),
      `${number(cost.mid, 0)} [${number(cost.low, 0)}, ${number(cost.high, 0)}]`,
      number(perSubscriber(figures.map((one) => one.frames)), 0),
      number(perSubscriber(figures.map((one) => one.bytes)) / 1000, 1),
      number(frames / chunks, 1),
      ...ages(merge(figures.map((one) => one.age))),
    ];
  });
  const ideal = merge(windows.map((window) => window.ideal));
  rows.push(["at the publisher", "–", "–", "–", "–", "–", ...ages(ideal)]);
  const head = ["class, alone", "subscribers", "server µs/s each", "messages/s each", "kB/s each"];
  return table([...head, "messages per chunk", "age p50, ms", "p99", "max"], rows);
}

const ages = (age: Histogram): string[] => [
  number(age.getValueAtPercentile(50) / 1e6, 0),
  number(age.getValueAtPercentile(99) / 1e6, 0),
  number(age.maxValue / 1e6, 0),
];

/** In µs of server CPU per second. */
export function costPerSubscriber(
  windows: readonly TickerWindow[],
  who: string,
  subscribers: number,
  settings: Pick<RunSettings, "seed">,
): Interval {
  const rounds = [...new Set(windows.filter((window) => window.who === who).map(({ round }) => round))];
  const perSecond = (round: number, present: string) => {
    const window = windows.find((one) => one.round === round && one.who === present);
    return window === undefined ? Number.NaN : window.serverNs / 1000 / (window.wallNs / 1e9);
  };
  const costs = rounds.map((round) => (perSecond(round, who) - perSecond(round, "nobody")) / subscribers);
  return medianInterval(costs, seededRandom(settings.seed));
}

function togetherTable(windows: readonly TickerWindow[]): string {
  const kinds = [...new Set(windows.map(({ who }) => who))];
  const rows = kinds.map((who) => {
    const mine = windows.filter((window) => window.who === who);
    const busy = (pick: (window: TickerWindow) => number) =>
      number(median(mine.map((window) => (pick(window) / window.wallNs) * 100)), 1);
    const age = (rateHz: number | undefined) => {
      const same = mine.flatMap(({ classes }) => classes).filter((one) => one.rateHz === rateHz);
      return same.length === 0
        ? "–"
        : number(merge(same.map((one) => one.age)).getValueAtPercentile(99) / 1e6, 0);
    };
    const rates = [undefined, 20, 5, 2];
    return [who, busy(({ serverNs }) => serverNs), busy(({ generatorNs }) => generatorNs), ...rates.map(age)];
  });
  const head = ["present", "server %", "generator %", "age p99, ms: every", "20 Hz", "5 Hz", "2 Hz"];
  return table(head, rows);
}

function stoppedTable(stopped: readonly StoppedFigures[]): string {
  const row = (what: string, pick: (figures: StoppedFigures) => number, digits: number) => {
    const values = stopped.map(pick);
    return [what, ...[0.5, 1].map((share) => number(quantile(values, share), digits))];
  };
  return table(
    [`${stopped.length} stopped readers`, "median", "most"],
    [
      row("waiting in the kernel, MB", ({ kernelBytes }) => kernelBytes / 1e6, 2),
      row("published beyond that, MB", ({ skippedBytes }) => skippedBytes / 1e6, 2),
      row("the backlog read, ms from reading on", ({ backlogMs }) => backlogMs, 1),
      row("as new as when it read on, ms", ({ newestMs }) => newestMs, 1),
      row("a round trip after the backlog, ms", ({ roundTripMs }) => roundTripMs, 1),
      row("keys older than that after it", ({ olderAfterRoundTrip }) => olderAfterRoundTrip, 0),
      row("closed", ({ isClosed }) => Number(isClosed), 0),
    ],
  );
}

function record(comparison: TickerComparison, claims: readonly Claim[], flags: readonly Flag[]) {
  const windows = comparison.windows.map((window) => ({
    ...window,
    ideal: encode(window.ideal),
    classes: window.classes.map((one) => ({ ...one, age: encode(one.age) })),
  }));
  return { ...comparison, windows, claims, flags };
}
