// Section: fanwire against each other target, round by round, as a forest of ratios.

import type { SuiteResult } from "../../suite/result.ts";
import { legend } from "../chart.ts";
import { fixed, pair, paragraph, picture, type Section } from "../figure.ts";
import { forest } from "../forest.ts";
import { headlineRows, type Lead, leadOf, rowName, targetsOf } from "../headline.ts";
import { type Look, looksOf } from "../look.ts";

export function pairedSection(suite: SuiteResult): Section | undefined {
  const rows = headlineRows(suite);
  const ours = targetsOf(suite, ["ours"]);
  const others = targetsOf(suite, ["peer", "control"]);
  const looks = looksOf(ours);
  const pictures = others.flatMap((theirs) => {
    const led = rows.flatMap((row) => {
      const leads = ours.flatMap((mine) => leadOf(row, mine, theirs, suite.seed) ?? []);
      return leads.length === 0 ? [] : [{ row, leads }];
    });
    if (led.length === 0) return [];
    const caption = `fanwire against ${theirs}: left of 1, fanwire is ahead`;
    return [
      picture({
        caption,
        plot: forest(
          caption,
          `ratio to ${theirs}, round by round; below 1 is better`,
          led.map(({ row, leads }) => ({
            name: rowName(row),
            intervals: leads.map((lead) => ({ ...lead.ratio, look: looks[ours.indexOf(lead.ours)] as Look })),
          })),
        ),
        legend: legend(ours.map((name, place) => ({ name, look: looks[place] as Look }))),
        data: {
          head: ["", "ratio", "low", "high", "rounds"],
          rows: led.flatMap(({ leads }) => leads.map(leadRow)),
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

const leadRow = ({ row, ours, ratio }: Lead): string[] => [
  `${ours}: ${rowName(row)}`,
  ...[fixed(ratio.mid, 3), fixed(ratio.low, 3), fixed(ratio.high, 3), String(ratio.count)],
];
