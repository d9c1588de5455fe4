// The outcome of the search for capacity as a table: the highest load within each bound, and what happens beyond the knee and after.

import type { Run } from "../../suite/result.ts";
import { arms } from "../arms.ts";
import { figureText, fixed, tableFigure } from "../figure.ts";
import type { Markup } from "../markup.ts";
import { figureOf, metrics } from "../metrics.ts";
import { meanOf, pool, pooledText } from "../pooled.ts";

const head = [
  ...["target", "≤ 5 ms: k deliveries/core-s", "≤ 10 ms", "≤ 50 ms", "ended by"],
  ...["beyond the knee: p99 ms", "arrived %", "lost per million", "after it: p99 ms"],
];

export function searchTable(workload: string, runs: readonly Run[]): Markup {
  const rows = [...arms(runs)].map(([arm, own]) => [
    arm,
    ...[metrics.capacity5, metrics.capacity10, metrics.capacity50].map((metric) =>
      figureText(figureOf(own, metric, 1), metric.digits),
    ),
    endedBy(own),
    ...overload(own),
  ]);
  const caption = `${workload}: the highest load within each bound of p99, beyond the knee (1.2 × its load), and after that`;
  return tableFigure(caption, { head, rows });
}

/** Where the generator gave out before the target did, the target could carry more, and its figure is a lower bound. */
function endedBy(runs: readonly Run[]): string {
  const limited = runs.filter(({ flags }) => flags.some(({ name }) => name === "generator-busy"));
  const rounds = new Set(limited.map(({ round }) => round)).size;
  return rounds === 0 ? "the target" : `the generator in ${rounds} rounds`;
}

/** Beyond the knee a target is meant to be late, so these runs are shown whatever their flags say. */
function overload(runs: readonly Run[]): string[] {
  const at = (step: "over" | "after") => runs.filter(({ capacity }) => capacity?.step === step);
  const [over, after] = [at("over"), at("after")];
  const p99 = (some: readonly Run[]) =>
    some.length === 0 ? "–" : pooledText(pool(some, "fromIntended").at(99), 1);
  if (over.length === 0) return ["–", "–", "–", p99(after)];
  const arrived = meanOf(over, ({ deliveries, expectedDeliveries }) => deliveries / expectedDeliveries);
  const lost = meanOf(over, (run) => run.lost / run.expectedDeliveries);
  return [p99(over), fixed(arrived * 100, 2), fixed(lost * 1e6, 0), p99(after)];
}
