// The report: one HTML page that needs no script and no network, made from results alone.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Claim } from "../measure/report.ts";
import type { FailedStep, Run, SuiteResult } from "../suite/result.ts";
import { arms, flagLines, isInvalid } from "./arms.ts";
import { patterns } from "./bars.ts";
import { paragraph, type Section, type Table, tableFigure } from "./figure.ts";
import { goalCells, goals, headlineTable, targetsOf } from "./headline.ts";
import type { Loaded } from "./load.ts";
import { type Child, element, style } from "./markup.ts";
import { costSection } from "./sections/cost.ts";
import { disconnectsSection } from "./sections/disconnects.ts";
import { crossSection, latencySection } from "./sections/latency.ts";
import { loadSection } from "./sections/load.ts";
import { memorySection } from "./sections/memory.ts";
import { olderSections } from "./sections/older.ts";
import { pairedSection } from "./sections/paired.ts";
import { rampSection } from "./sections/ramp.ts";
import { scaleSection } from "./sections/scale.ts";
import { killSection, stormSection } from "./sections/storm.ts";

const sections: readonly ((suite: SuiteResult) => Section | undefined)[] = [
  ...[pairedSection, loadSection, latencySection, rampSection, costSection, memorySection],
  ...[stormSection, killSection, disconnectsSection, crossSection, scaleSection],
];

/** `suite`: what `together` made of the suite's files. */
export function page(suite: SuiteResult | undefined, loaded: readonly Loaded[]): string {
  const older = loaded.flatMap((one) =>
    one.older === undefined ? [] : [{ file: one.file, result: one.older }],
  );
  const body: Section[] = [
    ...(suite === undefined ? [] : [summary(suite), ...sections.flatMap((of) => of(suite) ?? [])]),
    ...olderSections(older),
    ...(suite === undefined ? [] : [trust(suite), settingsOf(suite)]),
    machineOf(suite?.machine ?? older[0]?.result.machine ?? {}),
  ];
  const title = "fanwire: benchmark report";
  const files = loaded.map(({ file }) => file).join(", ");
  const html = element(
    "html",
    { lang: "en", xmlns: "http://www.w3.org/1999/xhtml" },
    element(
      "head",
      {},
      element("meta", { charset: "utf-8" }),
      element("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
      element("meta", {
        "http-equiv": "Content-Security-Policy",
        content: "default-src 'none'; style-src 'unsafe-inline'",
      }),
      element("title", {}, title),
      style(readFileSync(join(import.meta.dirname, "page.css"), "utf8")),
    ),
    element(
      "body",
      {},
      patterns(),
      element("h1", {}, title),
      suite === undefined ? undefined : paragraphs(suite),
      element("p", { class: "facts" }, `Made from ${files} and nothing else.`),
      element(
        "nav",
        { "aria-label": "questions" },
        element(
          "ul",
          {},
          body.map(({ id, title: text }) => element("li", {}, element("a", { href: `#${id}` }, text))),
        ),
      ),
      element("main", {}, body.map(sectionOf)),
    ),
  );
  return `<!DOCTYPE html>\n${html}\n`;
}

const sectionOf = ({ id, title, body }: Section): Child =>
  element("section", { id }, element("h2", {}, title), ...body);

function paragraphs({ plan, startedAt, endedAt, machine, seed, command, runs }: SuiteResult): Child {
  const invalid = runs.filter(isInvalid).length;
  const commit = String(machine.commit ?? "unknown").slice(0, 12);
  return [
    element(
      "p",
      { class: "facts" },
      `${plan} run from ${startedAt} to ${endedAt}, commit ${commit}, seed ${seed}, ${runs.length} runs, ${invalid} of them invalid. `,
      element("code", {}, `npm run bench -- ${command.join(" ")}`),
    ),
    plan === "full"
      ? undefined
      : element(
          "p",
          { class: "refused" },
          `A ${plan} run: it shows that the suite works, and its numbers are no headline.`,
        ),
  ];
}

function summary(suite: SuiteResult): Section {
  const targets = targetsOf(suite, ["ours", "peer", "control"]);
  return {
    id: "summary",
    title: "What came out?",
    body: [
      paragraph(
        "Medians over rounds with 95 % bootstrap intervals. “–”: not measured, or the target cannot do it. ",
        "A figure of fewer than three rounds has no interval, but their number (n). “~”, and a hollow mark in a plot: fewer than a hundred ",
        "publications lie beyond that percentile; where fewer than ten do, it is left out.",
      ),
      tableFigure("Each target under the same conditions", headlineTable(suite, targets)),
      tableFigure(
        "The project's own goals, as ratios in this run (below 1 is better for fanwire)",
        goalTable(goals(suite)),
      ),
    ],
  };
}

const goalTable = (all: readonly Claim[]): Table => ({
  head: ["", "ratio", "goal", "verdict"],
  rows: all.map((goal) => [goal.what, ...goalCells(goal)]),
});

function trust({ runs, unavailable, plan, failures = [], broken }: SuiteResult): Section {
  const lines = flagLines(runs);
  const missing = Object.entries(unavailable);
  return {
    id: "trust",
    title: "What speaks against these figures?",
    body: [
      lines.length === 0
        ? paragraph(`No run of this ${plan} plan raised a flag.`)
        : element(
            "ul",
            {},
            lines.map((text) => element("li", {}, text)),
          ),
      broken === undefined ? undefined : paragraph(`The run ended before its plan did: ${broken}`),
      failures.length === 0 ? undefined : paragraph("Ended with an error instead of a measurement:"),
      element("ul", {}, failures.map(failureLine)),
      missing.length === 0 ? undefined : paragraph("Could not run here:"),
      element(
        "ul",
        {},
        missing.map(([name, why]) => element("li", {}, `${name}: ${why}`)),
      ),
      paragraph(
        "One machine: two virtual cores that all processes of a target share with nobody but each other, loopback, no TLS, no network card. Ratios are the ",
        "claims; absolute figures are this machine's.",
      ),
    ],
  };
}

const failureLine = ({ target, step, round, reason }: FailedStep): Child =>
  element("li", {}, `${target}, ${step}, round ${round}: ${reason}`);

function settingsOf({ runs }: SuiteResult): Section {
  const all = [...arms(runs)].flatMap(([arm, own]) => {
    const variants = Map.groupBy(own, ({ target }) => JSON.stringify([target.settings, target.versions]));
    return [...variants.values()].map((same) => ({
      arm,
      target: (same[0] as Run).target,
      count: same.length,
    }));
  });
  return {
    id: "settings",
    title: "How was each target set?",
    body: [
      paragraph("What was set beside the defaults, and the versions."),
      ...all.map(({ arm, target, count }) =>
        element(
          "details",
          {},
          element("summary", {}, `${arm} (${count} runs)`),
          paragraph(element("code", {}, JSON.stringify(target.settings))),
          paragraph(element("code", {}, JSON.stringify(target.versions))),
        ),
      ),
    ],
  };
}

function machineOf(machine: SuiteResult["machine"]): Section {
  const rows = Object.entries(machine).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  return {
    id: "machine",
    title: "On which machine?",
    body: [
      element(
        "dl",
        {},
        rows.map(([name = "", value = ""]) => [
          element("dt", {}, name),
          element("dd", {}, element("code", {}, value)),
        ]),
      ),
    ],
  };
}
