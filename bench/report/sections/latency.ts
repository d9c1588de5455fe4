// Section: all targets under the same load, shape by shape, and from one node to another. Draws the whole spectrum of percentiles.

import type { Run, Scenario, SuiteResult } from "../../suite/result.ts";
import { arms, type Condition, conditionsOf, isSoundFor, leftOut, refusalOf } from "../arms.ts";
import { logarithmic } from "../axis.ts";
import { chartOf, legend, type Series } from "../chart.ts";
import { fixed, pair, paragraph, picture, type Section } from "../figure.ts";
import { type Look, looksOf } from "../look.ts";
import type { Child } from "../markup.ts";
import { cpuPerDelivery, percentiles } from "../metrics.ts";
import { meanOf, pool, pooledText } from "../pooled.ts";

export function latencySection(suite: SuiteResult): Section | undefined {
  return spectra(suite, {
    scenario: "latency",
    id: "latency",
    title: "What does everybody get at the same load?",
    words: [
      "Every target has the same schedule. A point of the curve says: one delivery in so many took longer than that.",
    ],
  });
}

export function crossSection(suite: SuiteResult): Section | undefined {
  return spectra(suite, {
    scenario: "cross",
    id: "cross",
    title: "How long does a publication take to a subscriber on another node?",
    words: [
      "The publisher is on one node, the subscriber on another, and Redis between them; all share one core, so the wait of each process for the core is in the figure.",
    ],
  });
}

interface Spectra {
  readonly scenario: Scenario;
  readonly id: string;
  readonly title: string;
  readonly words: readonly Child[];
}

function spectra(suite: SuiteResult, { scenario, id, title, words }: Spectra): Section | undefined {
  const conditions = conditionsOf(suite.runs.filter((run) => run.scenario === scenario));
  if (conditions.length === 0) return undefined;
  return { id, title, body: [paragraph(...words), pair(...conditions.map(spectrum))] };
}

function spectrum({ name, runs }: Condition): Child {
  const all = [...arms(runs)].map(([arm, own]) => ({
    arm,
    own,
    sound: own.filter((run) => isSoundFor(run, true)),
  }));
  const looks = looksOf(all.map(({ own }) => own[0]?.target.name ?? ""));
  const series = all.flatMap(({ arm, sound }, place) => {
    const one = seriesOf(arm, looks[place] as Look, sound);
    return one.points.length === 0 ? [] : [one];
  });
  return picture({
    caption: `${name}: latency from the intended time`,
    plot: chartOf({
      title: `Percentiles of latency, ${name}`,
      x: logarithmic("one delivery in … is slower (p50, p90, p99, p99.9)"),
      y: logarithmic("latency, ms"),
      series,
    }),
    legend: legend(series),
    data: { head: tableHead, rows: all.map(({ arm, own, sound }) => row(arm, own, sound)) },
    refusals: leftOut(runs, true),
  });
}

function seriesOf(name: string, look: Look, runs: readonly Run[]): Series {
  if (runs.length === 0) return { name, look, points: [] };
  const delivery = pool(runs, "fromIntended");
  const points = percentiles.flatMap((percentile) => {
    const pooled = delivery.at(percentile);
    if (pooled === undefined) return [];
    return [{ x: 100 / (100 - percentile), y: pooled.value, isRough: pooled.isRough }];
  });
  return { name, look, points };
}

const tableHead = [
  ...["target", "p50 ms", "p99 ms", "p99.9 ms", "from sending: p50 ms", "p99 ms"],
  ...[
    "last receiver p50 ms",
    "p99 ms",
    "CPU µs/delivery",
    "lost",
    "doubled",
    "disordered",
    "skipped",
    "rounds",
  ],
];

function row(arm: string, all: readonly Run[], sound: readonly Run[]): string[] {
  const count = (pick: (run: Run) => number) => String(all.reduce((sum, run) => sum + pick(run), 0));
  const losses = [
    count((run) => run.lost),
    count((run) => run.doubled),
    count((run) => run.disordered),
    count((run) => run.skipped),
  ];
  if (sound.length === 0) {
    return [arm, refusalOf(all, true), ...Array<string>(7).fill("–"), ...losses, "0"];
  }
  const [intended, sent, last] = [
    pool(sound, "fromIntended"),
    pool(sound, "fromSent"),
    pool(sound, "lastReceiver"),
  ];
  return [
    arm,
    ...[intended.at(50), intended.at(99), intended.at(99.9)].map((one) => pooledText(one)),
    ...[sent.at(50), sent.at(99), last.at(50), last.at(99)].map((one) => pooledText(one)),
    fixed(meanOf(sound, cpuPerDelivery), 2),
    ...losses,
    String(sound.length),
  ];
}
