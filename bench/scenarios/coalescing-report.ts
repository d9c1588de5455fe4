// What `coalescing` says: one row per rate and window. A table, not a promise: its one claim is that a window of 5 ms saves CPU.

import { WindowTotals } from "../client/window.ts";
import { encode, percentileText } from "../measure/histogram.ts";
import {
  type Claim,
  describeClaim,
  describeFlags,
  interval,
  number,
  type Part,
  table,
} from "../measure/report.ts";
import { judge, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { CoalescingComparison, CoalescingWindow } from "./coalescing.ts";

/** Server CPU per delivery with a window, as a share of that without one, at the highest rate. */
const bound = 0.7;
const claimedWindowMs = 5;

export function reportCoalescing(comparison: CoalescingComparison, settings: RunSettings): Part {
  const { engine, format, mode, plan, windows } = comparison;
  const title = `coalescing · ${engine} · ${format} · ${mode}`;
  const flags: Flag[] = [
    ...comparisonFlags({ rounds: plan.rounds, quick: settings.quick }),
    ...windows.flatMap((window) => window.flags),
  ];
  const highest = Math.max(...plan.ratesPerSecond);
  const figure = ratioTo0(windows, claimedWindowMs, highest, settings);
  const claim: Claim = {
    what: `${title}: CPU per delivery with ${claimedWindowMs} ms / without a window, at ${highest}/s`,
    figure,
    digits: 2,
    bound,
    verdict: flags.some(({ refuses }) => refuses === "everything") ? "refused" : judge(figure, bound),
  };
  const rows = plan.ratesPerSecond.flatMap((rate) =>
    plan.flushWindowsMs.map((window) => rowOf(windows, window, rate, settings)),
  );
  const head = ["publications/s", "window, ms", "deliveries", "writes per delivery", "chunks per delivery"];
  const more = ["server µs per delivery", "of that without", "delay p50, µs", "p99"];
  const text = [
    title,
    `${plan.subscribers} subscribers, ${plan.textBytes} bytes of text`,
    table([...head, ...more], rows),
    "",
    describeClaim(claim),
    ...describeFlags(flags),
  ].join("\n");
  return {
    claims: [claim],
    text,
    record: { engine, format, mode, claims: [claim], flags, windows: windows.map(rawOf) },
  };
}

function rowOf(
  windows: readonly CoalescingWindow[],
  flushWindowMs: number,
  rate: number,
  settings: RunSettings,
): string[] {
  const mine = windows.filter((one) => one.flushWindowMs === flushWindowMs && one.ratePerSecond === rate);
  const total = new WindowTotals();
  for (const { result } of mine) total.add(result);
  const sum = (pick: (window: CoalescingWindow) => number) =>
    mine.reduce((all, window) => all + pick(window), 0);
  return [
    String(rate),
    String(flushWindowMs),
    String(total.deliveries),
    number(sum(({ segments }) => segments ?? Number.NaN) / total.deliveries, 3),
    number(sum(({ chunks }) => chunks) / total.deliveries, 3),
    number(total.serverNs / 1000 / total.deliveries, 2),
    flushWindowMs === 0 ? "" : interval(ratioTo0(windows, flushWindowMs, rate, settings), 2),
    percentileText(total.fromIntended, 50, total.publications),
    percentileText(total.fromIntended, 99, total.publications),
  ];
}

function ratioTo0(
  windows: readonly CoalescingWindow[],
  flushWindowMs: number,
  rate: number,
  settings: RunSettings,
) {
  const cost = (round: number, windowMs: number) => {
    const found = windows.find(
      (one) => one.round === round && one.flushWindowMs === windowMs && one.ratePerSecond === rate,
    );
    return found === undefined ? Number.NaN : found.result.serverNs / found.result.facts.received;
  };
  const rounds = [...new Set(windows.map(({ round }) => round))];
  const ratios = rounds.map((round) => cost(round, flushWindowMs) / cost(round, 0));
  return medianInterval(ratios, seededRandom(settings.seed));
}

function rawOf({ result, ...window }: CoalescingWindow) {
  const { facts, publications, serverNs, generatorNs, frameBytes } = result;
  const figures = { facts, publications, serverNs, generatorNs, frameBytes };
  return {
    ...window,
    ...figures,
    fromIntended: encode(result.fromIntended),
    lateness: encode(result.lateness),
  };
}
