// Section: how long until the last subscriber has a publication, against how many there are, with the line through it.

import { fitLine } from "../../measure/stats.ts";
import type { Run, SuiteResult } from "../../suite/result.ts";
import { arms, audience, isSoundFor, leftOut } from "../arms.ts";
import { linear } from "../axis.ts";
import { chartOf, legend, type Series } from "../chart.ts";
import { fixed, pair, paragraph, picture, type Section } from "../figure.ts";
import { type Look, looksOf } from "../look.ts";
import { pool, pooledText } from "../pooled.ts";

export function rampSection(suite: SuiteResult): Section | undefined {
  const runs = suite.runs.filter((run) => run.scenario === "ramp");
  if (runs.length === 0) return undefined;
  const all = [...arms(runs)];
  const looks = looksOf(all.map(([, own]) => own[0]?.target.name ?? ""));
  const lines = all.map(([arm, own], place) => lineOf(arm, looks[place] as Look, own));
  const series = lines.flatMap(({ drawn }) => (drawn.points.length === 0 ? [] : [drawn]));
  return {
    id: "ramp",
    title: "How long until the last subscriber has a publication?",
    body: [
      paragraph(
        "One topic. Sending to many is a ramp: one write after another. Its slope is what a further subscriber adds for the last one. From the intended time; ",
        "median over publications, with the spread over rounds.",
      ),
      pair(
        picture({
          caption: "Last receiver, p50, against subscribers of the topic",
          plot: chartOf({
            title: "Time until the last subscriber has a publication, against subscribers",
            x: linear("subscribers of the topic", 4),
            y: linear("last receiver p50, ms"),
            series,
          }),
          legend: legend(series),
          data: { head, rows: lines.flatMap(({ rows }) => rows) },
          refusals: leftOut(runs, true),
        }),
      ),
    ],
  };
}

const head = [
  ...["target", "subscribers", "last receiver p50 ms", "p99 ms", "a delivery p50 ms", "rounds"],
  "line: µs + µs per subscriber",
];

interface Line {
  readonly drawn: Series;
  readonly rows: readonly string[][];
}

function lineOf(arm: string, look: Look, runs: readonly Run[]): Line {
  const sound = runs.filter((run) => isSoundFor(run, true));
  const sizes = [...Map.groupBy(sound, audience)].sort(([left], [right]) => left - right);
  const steps = sizes.flatMap(([subscribers, same]) => {
    const pooled = pool(same, "lastReceiver");
    const last = pooled.at(50);
    return last === undefined ? [] : [{ subscribers, same, last, last99: pooled.at(99) }];
  });
  const points = steps.map(({ subscribers, last }) => ({
    x: subscribers,
    y: last.value,
    low: last.low,
    high: last.high,
    isRough: last.isRough,
  }));
  const line = points.length > 1 ? fitLine(points) : undefined;
  const rows = steps.map(({ subscribers, same, last, last99 }) => [
    arm,
    String(subscribers),
    pooledText(last),
    pooledText(last99),
    pooledText(pool(same, "fromIntended").at(50)),
    String(same.length),
    line === undefined ? "–" : `${fixed(line.intercept * 1000, 0)} + ${fixed(line.slope * 1000, 2)}`,
  ]);
  return { drawn: { name: arm, look, points }, rows };
}
