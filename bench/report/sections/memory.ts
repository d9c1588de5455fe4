// Section: resident memory against idle connections; the slope is what a connection costs.

import { median } from "../../measure/stats.ts";
import type { Run, SuiteResult } from "../../suite/result.ts";
import { arms, isInvalid, leftOut } from "../arms.ts";
import { linear } from "../axis.ts";
import { chartOf, legend, type PlotPoint, type Series } from "../chart.ts";
import { figureText, fixed, pair, paragraph, picture, type Section, tableFigure } from "../figure.ts";
import { type Look, looksOf } from "../look.ts";
import { figureOf, metrics } from "../metrics.ts";

export function memorySection(suite: SuiteResult): Section | undefined {
  const runs = suite.runs.filter((run) => run.scenario === "memory");
  if (runs.length === 0) return undefined;
  const all = [...arms(runs)];
  const looks = looksOf(all.map(([, own]) => own[0]?.target.name ?? ""));
  const series = all.flatMap(([name, own], place): Series[] => {
    const points = pointsOf(own.filter((run) => !isInvalid(run)));
    return points.length === 0 ? [] : [{ name, look: looks[place] as Look, points }];
  });
  return {
    id: "memory",
    title: "What does an idle connection cost in memory?",
    body: [
      paragraph(
        "Resident memory of the target's processes, after things have settled. What a process weighs without connections is not in the slope; what the ",
        "kernel holds for a socket is in no process's figure.",
      ),
      pair(
        picture({
          caption: "Resident memory against idle connections",
          plot: chartOf({
            title: "Resident memory against idle connections",
            x: linear("connections", 4),
            y: linear("resident memory, MB"),
            series,
          }),
          legend: legend(series),
          data: {
            head: ["target", "connections", "resident MB"],
            rows: series.flatMap(({ name, points: own }) =>
              own.map(({ x, y, low, high }) => [
                name,
                String(x),
                `${fixed(y, 1)} [${fixed(low, 1)}, ${fixed(high, 1)}]`,
              ]),
            ),
          },
          refusals: leftOut(runs, false),
        }),
        tableFigure("Slope: kB per connection", {
          head: ["target", "kB per connection"],
          rows: all.map(([name, own]) => [name, figureText(figureOf(own, metrics.memory, suite.seed), 2)]),
        }),
      ),
    ],
  };
}

/** The median over rounds at each step, with the spread. */
function pointsOf(runs: readonly Run[]): PlotPoint[] {
  const steps = runs.flatMap(({ memory }) => memory?.steps ?? []);
  return [...Map.groupBy(steps, ({ connections }) => connections)]
    .sort(([left], [right]) => left - right)
    .map(([connections, same]) => {
      const megabytes = same.map(({ rssBytes }) => rssBytes / 1e6);
      return {
        x: connections,
        y: median(megabytes),
        low: Math.min(...megabytes),
        high: Math.max(...megabytes),
      };
    });
}
