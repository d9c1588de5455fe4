// Section: CPU per delivery by process, against how many publications leave together, and how near that is to the raw writes.

import type { RoleCpu, Run, SuiteResult } from "../../suite/result.ts";
import { arms, isInvalid, leftOut, refusalOf } from "../arms.ts";
import { logarithmic } from "../axis.ts";
import { type Bar, bars, barsLegend } from "../bars.ts";
import { chartOf, legend, type Series } from "../chart.ts";
import { figureText, fixed, pair, paragraph, picture, type Section } from "../figure.ts";
import { type Look, looksOf } from "../look.ts";
import type { Markup } from "../markup.ts";
import { figureOf, messagesPerChunk, metrics, pairedRatio, roundValues } from "../metrics.ts";
import { meanOf } from "../pooled.ts";

/** The control that does nothing but write prepared bytes. */
export const floor = "raw-floor";
/** Whose CPU time is the target's, in the order of the bars' parts. */
export const roles = ["node", "redis", "haproxy"] as const satisfies readonly (keyof RoleCpu)[];

export function costSection(suite: SuiteResult): Section | undefined {
  const runs = suite.runs.filter((run) => run.scenario === "cpu");
  if (runs.length === 0) return undefined;
  const sizes = [...Map.groupBy(runs, (run) => run.publicationsPerBurst)].sort(
    ([left], [right]) => left - right,
  );
  return {
    id: "cost",
    title: "What does a delivery cost, and what do publications save that leave together?",
    body: [
      paragraph(
        "CPU time of the target's processes over deliveries; the generator's is not in it. Where publications leave together a server may put several into one ",
        "write; how many really arrived together stands in the table.",
      ),
      pair(againstBurst(runs), ...sizes.map(([burst, same]) => byProcess(burst, same, suite.seed))),
    ],
  };
}

function againstBurst(runs: readonly Run[]): Markup {
  const all = [...arms(runs)];
  const looks = looksOf(all.map(([, own]) => own[0]?.target.name ?? ""));
  const series = all.flatMap(([name, own], place): Series[] => {
    const sizes = [...Map.groupBy(own, (run) => run.publicationsPerBurst)].sort(
      ([left], [right]) => left - right,
    );
    const points = sizes.flatMap(([burst, same]) => {
      const figure = figureOf(same, metrics.cpu, 1);
      if ("none" in figure) return [];
      const { low, mid, high } = figure.interval;
      return [{ x: burst, y: mid, low, high }];
    });
    return points.length === 0 ? [] : [{ name, look: looks[place] as Look, points }];
  });
  const caption = "CPU per delivery against publications that leave together";
  return picture({
    caption,
    plot: chartOf({
      title: caption,
      x: logarithmic("publications at once, to one topic"),
      y: logarithmic("CPU, µs per delivery"),
      series,
    }),
    legend: legend(series),
    data: {
      head: ["target", "at once", "µs per delivery"],
      rows: series.flatMap(({ name, points: own }) =>
        own.map(({ x, y, low, high }) => [
          name,
          String(x),
          `${fixed(y, 2)} [${fixed(low, 2)}, ${fixed(high, 2)}]`,
        ]),
      ),
    },
  });
}

const head = [
  ...["target", "µs/delivery", "node", "redis", "haproxy", "generator", "of the floor's %"],
  ...["messages/chunk", "bytes/delivery", "deliveries/s"],
];

function byProcess(burst: number, runs: readonly Run[], seed: number): Markup {
  const all = [...arms(runs)].map(([arm, own]) => ({
    arm,
    own,
    sound: own.filter((run) => !isInvalid(run)),
  }));
  const floorRuns = all.find(({ own }) => own[0]?.target.name === floor)?.own ?? [];
  const drawn = all.filter(({ sound }) => roundValues(sound, metrics.cpu).size > 0);
  const caption = burst === 1 ? "One publication at a time" : `${burst} publications at once`;
  return picture({
    caption: `${caption}: CPU per delivery, by process`,
    plot:
      drawn.length === 0
        ? undefined
        : bars({
            title: `${caption}: CPU per delivery by process`,
            label: "CPU, µs per delivery",
            parts: roles,
            digits: 2,
            bars: drawn.map(({ arm, sound }) => barOf(arm, sound, seed)),
          }),
    legend: barsLegend(roles),
    data: {
      head,
      rows: all.map(({ arm, own, sound }) =>
        sound.length === 0
          ? [arm, refusalOf(own, false), ...Array<string>(head.length - 2).fill("–")]
          : [
              arm,
              figureText(figureOf(own, metrics.cpu, seed), 2),
              ...[...roles, "generator" as const].map((role) => fixed(partOf(sound, role), 2)),
              efficiency(floorRuns, own, seed),
              fixed(meanOf(sound, messagesPerChunk), 2),
              fixed(
                meanOf(sound, (run) => run.bytesPerDelivery),
                0,
              ),
              fixed(
                meanOf(sound, (run) => run.achieved.deliveriesPerSecond),
                0,
              ),
            ],
      ),
    },
    refusals: leftOut(runs, false),
  });
}

/** µs per delivery of one role, over all rounds. */
const partOf = (runs: readonly Run[], role: keyof RoleCpu): number =>
  meanOf(
    runs.filter(({ deliveries }) => deliveries > 0),
    (run) => run.cpuNs[role] / run.deliveries / 1000,
  );

/** The parts stretched to the median of the sums, so that a bar is as long as its figure says. */
export function barOf(name: string, runs: readonly Run[], seed: number): Bar {
  const figure = figureOf(runs, metrics.cpu, seed);
  const parts = roles.map((role) => partOf(runs, role));
  const total = parts.reduce((sum, part) => sum + part, 0);
  if ("none" in figure || total === 0) return { name, values: parts };
  const { low, mid, high } = figure.interval;
  return { name, values: parts.map((part) => (part / total) * mid), low, high };
}

/** What the floor takes over what the arm takes, round by round. */
function efficiency(floorRuns: readonly Run[], own: readonly Run[], seed: number): string {
  const ratio = pairedRatio(floorRuns, own, metrics.cpu, seed);
  return ratio === undefined
    ? "–"
    : `${fixed(ratio.mid * 100, 0)} [${fixed(ratio.low * 100, 0)}, ${fixed(ratio.high * 100, 0)}]`;
}
