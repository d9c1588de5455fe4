// Section: fanwire against each other target, round by round, as a forest of ratios.

import type { SuiteResult } from "../../suite/result.ts";
import { fixed, pair, paragraph, picture, type Section } from "../figure.ts";
import { forest } from "../forest.ts";
import { headlineRows, leadOf, rowName, targetsOf } from "../headline.ts";

export function pairedSection(suite: SuiteResult): Section | undefined {
  const rows = headlineRows(suite);
  const ours = targetsOf(suite, ["ours"]);
  const others = targetsOf(suite, ["peer", "control"]);
  const pictures = others.flatMap((theirs) => {
    const leads = rows.flatMap((row) => ours.flatMap((mine) => leadOf(row, mine, theirs, suite.seed) ?? []));
    if (leads.length === 0) return [];
    const caption = `fanwire against ${theirs}: left of 1, fanwire is ahead`;
    return [
      picture({
        caption,
        plot: forest(
          caption,
          `ratio of medians' rounds to ${theirs}, below 1 is better`,
          leads.map(({ row, ours: mine, ratio }) => ({
            name: `${short(mine)} ${row.metric.name}, ${row.condition}`,
            ...ratio,
          })),
        ),
        data: {
          head: ["", "ratio", "low", "high", "rounds"],
          rows: leads.map(({ row, ours: mine, ratio }) => [
            `${mine}: ${rowName(row)}`,
            ...[fixed(ratio.mid, 3), fixed(ratio.low, 3), fixed(ratio.high, 3), String(ratio.count)],
          ]),
        },
      }),
    ];
  });
  if (pictures.length === 0) return undefined;
  return {
    id: "paired",
    title: "Who is ahead, and by how much?",
    body: [
      paragraph(
        "Targets take turns round by round, so each ratio is of two runs that had the same weather. Median over rounds with its 95 % bootstrap interval. Where ",
        "more is better the ratio is turned over: left of 1 is always fanwire's side.",
      ),
      pair(...pictures),
    ],
  };
}

const short = (name: string) => name.replace("fanwire-", "");
