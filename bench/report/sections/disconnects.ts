// Section: connections are cut again and again: what share of the publications everybody has in the end.

import type { SuiteResult } from "../../suite/result.ts";
import { arms, type Condition, conditionsOf, isInvalid, leftOut, refusalOf } from "../arms.ts";
import { bars } from "../bars.ts";
import { figureText, fixed, pair, paragraph, picture, type Section } from "../figure.ts";
import type { Child } from "../markup.ts";
import { figureOf, metrics } from "../metrics.ts";
import { meanOf } from "../pooled.ts";

export function disconnectsSection(suite: SuiteResult): Section | undefined {
  const runs = suite.runs.filter((run) => run.scenario === "disconnects" && run.disconnects !== undefined);
  if (runs.length === 0) return undefined;
  return {
    id: "disconnects",
    title: "What still arrives when connections are cut again and again?",
    body: [
      paragraph(
        "Every connection is away equally long, whatever the target: publications of that time count as owed. A protocol that does not ask for what it missed ",
        "loses exactly those.",
      ),
      pair(...conditionsOf(runs).map((one) => delivered(one, suite.seed))),
    ],
  };
}

function delivered({ name, runs }: Condition, seed: number): Child {
  const all = [...arms(runs)].map(([arm, own]) => ({
    arm,
    own,
    figure: figureOf(own, metrics.delivered, seed),
  }));
  const drawn = all.flatMap(({ arm, figure }) => ("none" in figure ? [] : [{ arm, ...figure.interval }]));
  return picture({
    caption: `${name}: delivered in the end`,
    plot:
      drawn.length === 0
        ? undefined
        : bars({
            title: `Share of publications delivered under disconnects, ${name}`,
            label: "delivered, % of what was owed",
            parts: ["delivered"],
            digits: 2,
            bars: drawn.map(({ arm, low, mid, high }) => ({ name: arm, values: [mid], low, high })),
          }),
    data: {
      head: [
        "target",
        "delivered %",
        "asks for what it missed",
        "cuts",
        "away ms",
        "lost",
        "doubled",
        "disordered",
      ],
      rows: all.map(({ arm, own, figure }) => {
        const sound = own.filter((run) => !isInvalid(run));
        if (sound.length === 0) return [arm, refusalOf(own, false), ...Array<string>(6).fill("–")];
        const count = (pick: (run: (typeof own)[number]) => number) =>
          String(sound.reduce((sum, run) => sum + pick(run), 0));
        return [
          arm,
          figureText(figure, 2),
          sound[0]?.disconnects?.recovers ? "yes" : "no",
          count(({ disconnects }) => disconnects?.cuts ?? 0),
          fixed(
            meanOf(sound, ({ disconnects }) => disconnects?.offlineMs ?? 0),
            0,
          ),
          count((run) => run.lost),
          count((run) => run.doubled),
          count((run) => run.disordered),
        ];
      }),
    },
    refusals: leftOut(runs, false),
  });
}
