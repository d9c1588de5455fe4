// Section: latency against offered load. Draws what the search for capacity measured on its way, and marks each target's knee.

import type { Run, SuiteResult } from "../../suite/result.ts";
import { arms, byLoad, type Condition, conditionsOf, isInvalid, leftOut } from "../arms.ts";
import { linear, logarithmic, shortNumber } from "../axis.ts";
import { chartOf, legend, type Series } from "../chart.ts";
import { fixed, pair, paragraph, picture, type Section } from "../figure.ts";
import { type Look, looksOf, partLooks } from "../look.ts";
import type { Markup } from "../markup.ts";
import { cpuPerDelivery } from "../metrics.ts";
import { meanOf, type PooledPercentile, pool, pooledText } from "../pooled.ts";
import { searchTable } from "./search.ts";

/** One load of one arm, all rounds together. */
interface LoadPoint {
  /** Deliveries per second. */
  readonly offered: number;
  readonly achieved: number;
  readonly p50: PooledPercentile | undefined;
  readonly p99: PooledPercentile | undefined;
  readonly p999: PooledPercentile | undefined;
  readonly last99: PooledPercentile | undefined;
  readonly runs: readonly Run[];
}

/** What is shown of a curve. */
const shown = [
  { name: "p50", of: (point: LoadPoint) => point.p50 },
  { name: "p99", of: (point: LoadPoint) => point.p99 },
  { name: "p99.9", of: (point: LoadPoint) => point.p999 },
  { name: "last receiver p99", of: (point: LoadPoint) => point.last99 },
] as const;

const isClimbing = ({ capacity }: Run) => capacity?.step === "ramp" || capacity?.step === "bisect";

function curveOf(runs: readonly Run[]): LoadPoint[] {
  return byLoad(runs.filter((run) => isClimbing(run) && !isInvalid(run))).map((same) => {
    const delivery = pool(same, "fromIntended");
    return {
      offered: meanOf(same, (run) => run.offered.deliveriesPerSecond),
      achieved: meanOf(same, (run) => run.achieved.deliveriesPerSecond),
      p50: delivery.at(50),
      p99: delivery.at(99),
      p999: delivery.at(99.9),
      last99: pool(same, "lastReceiver").at(99),
      runs: same,
    };
  });
}

/** The knee: where throughput over latency, Kleinrock's power, is largest. */
export function kneeOf(
  curve: readonly Pick<LoadPoint, "achieved" | "offered" | "p50">[],
): number | undefined {
  const power = curve.flatMap(({ achieved, offered, p50 }) =>
    p50 === undefined || p50.value <= 0 ? [] : [{ offered, power: achieved / p50.value }],
  );
  return power.sort((left, right) => right.power - left.power)[0]?.offered;
}

export function loadSection(suite: SuiteResult): Section | undefined {
  const conditions = conditionsOf(suite.runs.filter((run) => run.scenario === "capacity"));
  if (conditions.length === 0) return undefined;
  return {
    id: "load",
    title: "How does latency grow with load, and where is each target's knee?",
    body: [
      paragraph(
        "Each target's load is raised by a factor at a time until it cannot keep up. Latency counts from the time a publication was meant to leave, so what ",
        "waits because a server is late is in it. The knee is where deliveries per second over p50 (Kleinrock's power) is largest. All processes of a target ",
        "share one core.",
      ),
      ...conditions.map(workloadPictures),
    ],
  };
}

function workloadPictures({ name, runs }: Condition): Markup {
  const curves = [...arms(runs)].map(([arm, own]) => ({ arm, own, curve: curveOf(own) }));
  const looks = looksOf(curves.map(({ own }) => own[0]?.target.name ?? ""));
  const drawn = curves.map((one, place) => ({ ...one, look: looks[place] as Look }));
  const able = drawn.filter(({ curve }) => curve.length > 0);
  const series = able.map(({ arm, curve, look }) => seriesOf(arm, look, curve, (point) => point.p99));
  const notes = able.flatMap(({ curve, look }) => {
    const knee = kneeOf(curve);
    return knee === undefined ? [] : [{ x: knee, look }];
  });
  const main = picture({
    caption: `${name}: p99 of every delivery against offered load; vertical lines are the knees`,
    plot: chartOf({
      title: `p99 latency against offered load, ${name}`,
      x: logarithmic("offered deliveries per second"),
      y: logarithmic("latency p99, ms"),
      series,
      notes,
      bounds: [{ y: 50, text: "50 ms" }],
    }),
    legend: legend(able.map(({ arm, curve, look }) => ({ name: withKnee(arm, curve), look }))),
    data: { head: pointHead, rows: drawn.flatMap(({ arm, curve }) => pointRows(arm, curve)) },
    refusals: leftOut(runs.filter(isClimbing), false),
  });
  return pair(
    main,
    ...able.map(({ arm, curve }) => percentilesOf(arm, name, curve)),
    searchTable(name, runs),
  );
}

function withKnee(arm: string, curve: readonly LoadPoint[]): string {
  const knee = kneeOf(curve);
  return knee === undefined ? arm : `${arm}, knee at ${shortNumber(knee)}/s`;
}

function seriesOf(
  name: string,
  look: Look,
  curve: readonly LoadPoint[],
  of: (point: LoadPoint) => PooledPercentile | undefined,
): Series {
  const points = curve.flatMap((point) => {
    const pooled = of(point);
    if (pooled === undefined) return [];
    const { value, low, high, isRough } = pooled;
    return [{ x: point.offered, y: value, low, high, isRough }];
  });
  return { name, look, points };
}

/** One target alone, its percentiles over each other: the tail leaves before the middle does. */
function percentilesOf(arm: string, workload: string, curve: readonly LoadPoint[]): Markup {
  const looks = partLooks(shown.length);
  const series = shown.map(({ name, of }, place) => seriesOf(name, looks[place] as Look, curve, of));
  const knee = kneeOf(curve);
  return picture({
    caption: `${arm}: p50, p99, p99.9 and last receiver`,
    plot: chartOf({
      title: `Latency of ${arm} against offered load, ${workload}`,
      x: linear("offered deliveries per second", 4),
      y: logarithmic("latency, ms"),
      series,
      notes: knee === undefined ? [] : [{ x: knee, text: `knee ${shortNumber(knee)}` }],
    }),
    legend: legend(series),
    data: { head: pointHead, rows: pointRows(arm, curve) },
  });
}

const pointHead = [
  ...["target", "offered deliveries/s", "achieved/s", "p50 ms", "p99 ms", "p99.9 ms", "last receiver p99 ms"],
  ...["CPU µs/delivery", "rounds"],
];

const pointRows = (arm: string, curve: readonly LoadPoint[]): string[][] =>
  curve.map(({ offered, achieved, p50, p99, p999, last99, runs }) => [
    arm,
    ...[fixed(offered, 0), fixed(achieved, 0)],
    ...[pooledText(p50), pooledText(p99), pooledText(p999), pooledText(last99)],
    ...[fixed(meanOf(runs, cpuPerDelivery), 2), String(runs.length)],
  ]);
