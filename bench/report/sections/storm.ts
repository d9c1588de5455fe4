// Section: everybody connects at once, and a node is killed under load: who is served again, and when.

import type { Run, Scenario, SuiteResult, Timeline } from "../../suite/result.ts";
import { arms, type Condition, conditionsOf, isInvalid, leftOut, refusalOf } from "../arms.ts";
import { type Axis, linear, linearAxis, logarithmic } from "../axis.ts";
import { chartOf, legend, type PlotPoint, type Series } from "../chart.ts";
import {
  figureText,
  fixed,
  pair,
  paragraph,
  picture,
  type Section,
  type Table,
  tableFigure,
} from "../figure.ts";
import { type Look, looksOf } from "../look.ts";
import { element, type Markup } from "../markup.ts";
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

interface Shown {
  readonly arm: string;
  readonly own: readonly Run[];
  readonly look: Look;
  readonly typical: Run | undefined;
}

function pictures({ name, runs }: Condition, seed: number): Markup {
  const grouped = [...arms(runs)];
  const looks = looksOf(grouped.map(([, own]) => own[0]?.target.name ?? ""));
  const all = grouped.map(
    ([arm, own], place): Shown => ({
      ...{ arm, own, look: looks[place] as Look, typical: medianRound(own) },
    }),
  );
  const receiving = linesOf(all, ({ atMs, receiving: count }, wanted) => shareOf(atMs, count, wanted));
  const ready = linesOf(all, ({ atMs, ready: count }, wanted) => shareOf(atMs, count, wanted));
  const waits = linesOf(all, ({ atMs, worstNs }) =>
    worstNs > 0 ? { x: atMs / 1000, y: worstNs / 1e6 } : undefined,
  );
  const share = (caption: string, series: readonly Series[]) =>
    overTime(
      `${name}: ${caption}`,
      `${caption}, %`,
      series,
      () => linearAxis(`${caption}, %`, [0, 100]),
      all,
    );
  return pair(
    tableFigure(`${name}: when everybody is served`, recovery(all, seed)),
    share("connections that are receiving", receiving),
    share("connections that are ready", ready),
    waits.length === 0
      ? undefined
      : overTime(
          `${name}: largest latency of those who were never cut`,
          "largest latency, ms",
          waits,
          logarithmic("largest latency, ms"),
          all,
        ),
    leftOut(runs, false).length === 0 ? undefined : refusedRuns(runs),
  );
}

const refusedRuns = (runs: readonly Run[]): Markup =>
  element(
    "ul",
    { class: "refusals" },
    leftOut(runs, false).map((line) => element("li", {}, line)),
  );

const shareOf = (atMs: number, count: number, wanted: number) => ({
  x: atMs / 1000,
  y: (100 * count) / Math.max(1, wanted),
});

function linesOf(
  all: readonly Shown[],
  of: (point: Timeline["points"][number], wanted: number) => PlotPoint | undefined,
): Series[] {
  return all.flatMap(({ arm, look, typical }): Series[] => {
    const { points = [], wanted = 0 }: Partial<Timeline> = typical?.timeline ?? {};
    const drawn = points.flatMap((point) => of(point, wanted) ?? []);
    return drawn.length === 0 ? [] : [{ name: arm, look, points: drawn, draw: "sparse" }];
  });
}

function overTime(
  caption: string,
  column: string,
  series: readonly Series[],
  y: (values: readonly number[]) => Axis,
  all: readonly Shown[],
): Markup {
  return picture({
    caption,
    plot: chartOf({ title: caption, x: linear("seconds since it began"), y, series }),
    legend: legend(series),
    data: {
      head: ["target", "round", "s", column],
      rows: series.flatMap(({ name, points: own }) => {
        const round = all.find(({ arm }) => arm === name)?.typical?.round;
        return own.map(({ x, y: value }) => [name, String(round), fixed(x, 2), fixed(value, 2)]);
      }),
    },
  });
}

function recovery(all: readonly Shown[], seed: number): Table {
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
