// The README's part of a result: the headline as a Markdown table, the goals beneath it. Knows no file.

import type { SuiteResult } from "../suite/result.ts";
import { isInvalid } from "./arms.ts";
import { goalCells, goals, headlineTable, targetsOf } from "./headline.ts";

type Rows = readonly (readonly string[])[];

export interface MarkdownPart {
  readonly introduction: string;
  /** The first row is the head. */
  readonly headline: Rows;
  readonly goals: Rows;
}

/** A bar would end a cell. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");

export function markdownPart(suite: SuiteResult): MarkdownPart {
  const { head, rows } = headlineTable(suite, targetsOf(suite, ["ours", "peer"]));
  const aims = goals(suite).map((goal) => [goal.what, ...goalCells(goal)]);
  return {
    introduction: introductionOf(suite),
    headline: [["", ...head.slice(1)], ...rows].map((row) => row.map(cell)),
    goals: [["ratio, below 1 is better for fanwire", "figure", "goal", "verdict"], ...aims].map((row) =>
      row.map(cell),
    ),
  };
}

function introductionOf(suite: SuiteResult): string {
  const { command, machine, runs, startedAt, seed, unavailable, failures = [] } = suite;
  const invalid = runs.filter(isInvalid).length;
  const commit = String(machine.commit ?? "unknown").slice(0, 7);
  const steps = failures.map(({ target, step, round }) => `${target}, ${step}, round ${round}`);
  const failed = steps.length === 0 ? "" : ` Ended with an error: ${steps.join("; ")}.`;
  const missing = Object.entries(unavailable).map(([name, why]) => ` Not run: ${name} (${why}).`);
  return (
    `\`npm run bench -- ${command.join(" ")}\` at commit ${commit}, ${startedAt.slice(0, 10)}, seed ${seed}: medians over rounds with 95 % bootstrap ` +
    `intervals; ${runs.length} runs, ${invalid} of them invalid and left out. Where fewer than three rounds are left there is no interval, but their ` +
    `number (n); ~: fewer than a hundred publications lie beyond the percentile.${failed}${missing.join("")}`
  );
}
