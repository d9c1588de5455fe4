// What `slow` says: the fast ones' p99 with and without slow ones beside them, and how each slow one ended.

import type { ReaderRecord } from "../client/slow-group.ts";
import { type Outcome, slowKinds } from "../client/slow-reader.ts";
import { WindowTotals } from "../client/window.ts";
import { encode, largestText, percentileText } from "../measure/histogram.ts";
import { type Claim, describeClaim, describeFlags, number, type Part, table } from "../measure/report.ts";
import { judge, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { SlowComparison, SlowWindow } from "./slow.ts";

const ratioBound = 1.1;
/** A reader that leaves less than this waiting in the server never was a slow consumer. */
const filledBytes = 262_144;
const outcomes: readonly Outcome[] = ["complete", "reset", "closed", "unfinished", "silent-loss"];

export function reportSlow(comparison: SlowComparison, settings: RunSettings): Part {
  const { engine, format, windows, repeated, plan } = comparison;
  const title = `slow · ${engine} · ${format}`;
  const readers = [...windows, ...repeated].flatMap((window) => window.readers);
  const flags: Flag[] = [
    ...comparisonFlags({ rounds: plan.rounds, quick: settings.quick }),
    ...windows.flatMap((window) => window.flags),
    ...readerFlags(readers),
  ];
  const claims = [latencyClaim(title, comparison, settings, flags), readersClaim(title, readers, flags)];
  const text = [
    title,
    `${plan.fast} fast subscribers, ${plan.slowPerKind} slow ones of each kind, ${plan.ratePerSecond} publications of ${plan.textBytes} bytes per second`,
    latencyTable(comparison),
    "",
    readerTable(readers),
    "",
    ...claims.map(describeClaim),
    ...(repeated.length > 0 ? [`${repeated.length} windows were disturbed and measured again`] : []),
    ...describeFlags(flags),
  ].join("\n");
  return { claims, text, record: record(comparison, claims, flags) };
}

function readerFlags(readers: readonly ReaderRecord[]): Flag[] {
  const flags: Flag[] = [];
  const add = (name: string, detail: string) =>
    flags.push({ name, detail, refuses: "everything", disturbance: false });
  const filled = readers.filter((reader) => (reader.serverBytes ?? 0) > filledBytes);
  if (filled.length === 0) add("buffers-not-filled", "no slow reader left anything waiting in the server");
  const unfinished = readers.filter((reader) => reader.outcome === "unfinished");
  if (unfinished.length > 0) add("unfinished", `${unfinished.length} readers still waited at the end`);
  return flags;
}

function latencyClaim(
  title: string,
  { windows }: SlowComparison,
  settings: RunSettings,
  flags: readonly Flag[],
): Claim {
  const p99 = (round: number, withSlow: boolean) =>
    windows
      .find((window) => window.round === round && window.withSlow === withSlow)
      ?.result.fromSent.getValueAtPercentile(99) ?? Number.NaN;
  const rounds = [...new Set(windows.map((window) => window.round))];
  const figure = medianInterval(
    rounds.map((round) => p99(round, true) / p99(round, false)),
    seededRandom(settings.seed),
  );
  return {
    what: `${title}: fast subscribers' p99 from sending, with slow ones / without`,
    figure,
    digits: 3,
    bound: ratioBound,
    verdict: flags.length > 0 ? "refused" : judge(figure, ratioBound),
  };
}

/** Not a statistic: one lost publication is one too many, whatever else disturbed the run. */
function readersClaim(title: string, readers: readonly ReaderRecord[], flags: readonly Flag[]): Claim {
  const silent = readers.filter((reader) => reader.outcome === "silent-loss").length;
  const distrusted = flags.some(({ name }) => ["buffers-not-filled", "unfinished", "quick"].includes(name));
  return {
    what: `${title}: slow readers that lost silently`,
    figure: { low: silent, mid: silent, high: silent, count: readers.length },
    digits: 0,
    bound: 0,
    verdict: silent > 0 ? "missed" : distrusted ? "refused" : "met",
  };
}

function latencyTable({ windows }: SlowComparison): string {
  const rows = [false, true].map((withSlow) => {
    const total = new WindowTotals();
    for (const window of windows) if (window.withSlow === withSlow) total.add(window.result);
    const { fromSent, lastReceiver, lateness, publications } = total;
    return [
      withSlow ? "with slow ones" : "without",
      ...[50, 90, 99].map((percentile) => percentileText(fromSent, percentile, publications)),
      largestText(fromSent),
      ...[50, 99].map((percentile) => percentileText(lastReceiver, percentile, publications)),
      percentileText(lateness, 99, publications),
      number(total.serverNs / 1000 / total.deliveries, 2),
      `${number(total.serverBusy * 100, 0)} / ${number(total.generatorBusy * 100, 0)}`,
    ];
  });
  const head = [
    "fast, µs from sending",
    "p50",
    "p90",
    "p99",
    "max",
    "last receiver p50",
    "p99",
    "lateness p99",
  ];
  return table([...head, "server µs per delivery", "server / generator %"], rows);
}

function readerTable(readers: readonly ReaderRecord[]): string {
  const megabytes = (values: readonly (number | undefined)[]) => {
    const known = values.filter((value) => value !== undefined);
    return known.length === 0 ? "–" : number(Math.max(...known) / 1e6, 2);
  };
  const rows = slowKinds.map((kind) => {
    const mine = readers.filter((reader) => reader.kind === kind);
    return [
      kind,
      ...outcomes.map((outcome) => String(mine.filter((reader) => reader.outcome === outcome).length)),
      [...new Set(mine.flatMap((reader) => reader.closeCode ?? []))].join(" ") || "–",
      String(mine.reduce((sum, reader) => sum + reader.skippedByReset, 0)),
      megabytes(mine.map((reader) => reader.kernelBytes)),
      megabytes(mine.map((reader) => reader.serverBytes)),
    ];
  });
  const head = ["slow", ...outcomes, "close codes", "skipped by reset"];
  return table([...head, "most in kernel, MB", "most in server, MB"], rows);
}

function record(
  { engine, format, windows, repeated }: SlowComparison,
  claims: readonly Claim[],
  flags: readonly Flag[],
) {
  const raw = (all: readonly SlowWindow[]) =>
    all.map(({ round, withSlow, seed, result, flags: raised, readers }) => ({
      round,
      withSlow,
      seed,
      flags: raised,
      facts: result.facts,
      publications: result.publications,
      serverNs: result.serverNs,
      generatorNs: result.generatorNs,
      fromIntended: encode(result.fromIntended),
      fromSent: encode(result.fromSent),
      lastReceiver: encode(result.lastReceiver),
      lateness: encode(result.lateness),
      readers,
    }));
  return { engine, format, claims, flags, windows: raw(windows), repeated: raw(repeated) };
}
