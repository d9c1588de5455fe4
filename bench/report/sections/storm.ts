// Section: everybody connects at once, and a node is killed under load: who is served again, and when.

import type { Run, Scenario, SuiteResult } from "../../suite/result.ts";
import { arms, type Condition, conditionsOf, isInvalid, leftOut, refusalOf } from "../arms.ts";
import { linearAxis, logAxis } from "../axis.ts";
import { chart, legend, type Series } from "../chart.ts";
import { figureText, fixed, pair, paragraph, picture, type Section, type Table } from "../figure.ts";
import { type Look, looksOf, partLooks } from "../look.ts";
import type { Child, Markup } from "../markup.ts";
import { figureOf, metrics } from "../metrics.ts";

export function stormSection(suite: SuiteResult): Section | undefined {
  return timelines(suite, "storm", "How soon is everybody served when all connect at once?");
}

export function killSection(suite: SuiteResult): Section | undefined {
  return timelines(suite, "kill", "A node is killed under load: how soon do its subscribers receive again?");
}

function timelines(suite: SuiteResult, scenario: Scenario, title: string): Section | undefined {
  const runs = suite.runs.filter((run) => run.scenario === scenario && run.timeline !== undefined);
  if (runs.length === 0) return undefined;
  const words = paragraph(
    "A connection is ready when its subscriptions are confirmed, and receiving once it has had a publication since. Drawn is each target's median round.",
  );
  return {
    id: scenario,
    title,
    body: [words, ...conditionsOf(runs).map((one) => pictures(one, suite.seed))],
  };
}

/** The round whose recovery took neither the longest nor the shortest. */
function medianRound(runs: readonly Run[]): Run | undefined {
  const took = ({ timeline }: Run) => timeline?.receivingMs.most ?? Number.POSITIVE_INFINITY;
  const sorted = runs.filter((run) => !isInvalid(run)).sort((left, right) => took(left) - took(right));
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

function pictures({ name, runs }: Condition, seed: number): Markup {
  const all = [...arms(runs)].map(([arm, own]) => ({ arm, own, typical: medianRound(own) }));
  const looks = looksOf(all.map(({ own }) => own[0]?.target.name ?? ""));
  const series = all.flatMap(({ arm, typical }, place): Series[] => {
    const points = typical === undefined ? [] : shareOf(typical, "receiving");
    return points.length === 0 ? [] : [{ name: arm, look: looks[place] as Look, points, draw: "line" }];
  });
  const times = series.flatMap(({ points }) => points.map(({ x }) => x));
  const main = picture({
    caption: `${name}: share of the connections that are receiving`,
    plot:
      times.length === 0
        ? undefined
        : chart({
            title: `Share of connections that are receiving over time, ${name}`,
            x: linearAxis("seconds since it began", times),
            y: linearAxis("receiving, %", [0, 100]),
            series,
            bounds: [{ y: 95, text: "95 %" }],
          }),
    legend: legend(series),
    data: recovery(all, seed),
    refusals: leftOut(runs, false),
  });
  return pair(
    main,
    ...all.flatMap(({ arm, typical }) => (typical === undefined ? [] : [alone(arm, typical)])),
  );
}

function shareOf({ timeline }: Run, which: "ready" | "receiving") {
  const wanted = timeline?.wanted ?? 1;
  return (timeline?.points ?? []).map((point) => ({
    x: point.atMs / 1000,
    y: (100 * point[which]) / wanted,
  }));
}

/** One target: connected and receiving, and beneath it how long those waited who were never cut. */
function alone(arm: string, run: Run): Child {
  const [ready, receiving, worst] = partLooks(3) as [Look, Look, Look];
  const shares: Series[] = [
    { name: "ready, %", look: ready, points: shareOf(run, "ready"), draw: "line" },
    { name: "receiving, %", look: receiving, points: shareOf(run, "receiving"), draw: "line" },
  ];
  const times = shares.flatMap(({ points }) => points.map(({ x }) => x));
  const x = linearAxis("seconds since it began", times);
  const waits = (run.timeline?.points ?? []).flatMap(({ atMs, worstNs }) =>
    worstNs > 0 ? [{ x: atMs / 1000, y: worstNs / 1e6 }] : [],
  );
  const lines = picture({
    caption: `${arm}: ready and receiving, round ${run.round}`,
    plot: chart({
      title: `${arm}: ready and receiving`,
      x,
      y: linearAxis("connections, %", [0, 100]),
      series: shares,
    }),
    legend: legend(shares),
    data: pointTable(run),
  });
  if (waits.length === 0) return lines;
  const series: Series[] = [{ name: "largest latency", look: worst, points: waits, draw: "both" }];
  return [
    lines,
    picture({
      caption: `${arm}: largest latency of those who were never cut`,
      plot: chart({
        title: `${arm}: largest latency of connections that were never cut`,
        x,
        y: logAxis(
          "largest latency, ms",
          waits.map(({ y }) => y),
        ),
        series,
      }),
      data: pointTable(run),
    }),
  ];
}

function pointTable({ timeline }: Run): Table {
  return {
    head: ["ms", "ready", "receiving", "largest latency ms"],
    rows: (timeline?.points ?? []).map(({ atMs, ready, receiving, worstNs }) => [
      fixed(atMs, 0),
      String(ready),
      String(receiving),
      worstNs > 0 ? fixed(worstNs / 1e6, 1) : "–",
    ]),
  };
}

function recovery(all: readonly { arm: string; own: readonly Run[] }[], seed: number): Table {
  return {
    head: [
      "target",
      "95 % receiving, s",
      "all receiving, s",
      "rounds in which not all came back",
      "never came back",
      "lost",
      "doubled",
    ],
    rows: all.map(({ arm, own }) => {
      const sound = own.filter((run) => !isInvalid(run));
      if (sound.length === 0) return [arm, refusalOf(own, false), "–", "–", "–", "–", "–"];
      const count = (pick: (run: Run) => number) => String(sound.reduce((sum, run) => sum + pick(run), 0));
      return [
        arm,
        figureText(figureOf(own, metrics.receiving, seed), 2),
        figureText(figureOf(own, metrics.everybody, seed), 2),
        count(({ timeline }) => (timeline?.receivingMs.all === null ? 1 : 0)),
        count(({ timeline }) => timeline?.missing ?? 0),
        count((run) => run.lost),
        count((run) => run.doubled),
      ];
    }),
  };
}
