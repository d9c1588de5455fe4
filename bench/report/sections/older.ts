// Sections from results of the scenarios that hold fanwire against the bare engine (schema 1): their claims, and plots where one helps.

import { decode } from "../../measure/histogram.ts";
import { median } from "../../measure/stats.ts";
import { linear, logarithmic } from "../axis.ts";
import { chartOf, legend, type Series } from "../chart.ts";
import { fixed, pair, paragraph, picture, type Section, type Table } from "../figure.ts";
import { forest } from "../forest.ts";
import type { OlderClaim, OlderResult } from "../load.ts";
import { type Look, looksOf } from "../look.ts";
import type { Child } from "../markup.ts";

interface Older {
  readonly file: string;
  readonly result: OlderResult;
}

/** What each scenario asks. One that is not here has its claims shown under its name. */
const questions: Readonly<Record<string, string>> = {
  fanout: "What does fanwire add to what the bare engine spends on the same bytes?",
  memory: "What does an idle connection cost over the bare engine?",
  cross: "How much does a second node add over one node in memory?",
};

const plots: Readonly<Record<string, (results: readonly Older[]) => Child>> = {
  fanout: slopes,
  memory: ladders,
  cross: nodes,
};

export function olderSections(all: readonly Older[]): Section[] {
  const byScenario = [...Map.groupBy(all, ({ result }) => result.scenario)];
  return byScenario.map(([scenario, results]) => {
    const claims = results.flatMap(({ file, result }) => result.claims.map((claim) => ({ file, claim })));
    return {
      id: `scenario-${scenario.replace(/[^a-z-]/g, "")}`,
      title: questions[scenario] ?? `${scenario}: what it claims`,
      body: [
        paragraph(`From ${results.map(({ file }) => file).join(", ")}.`),
        claims.length === 0 ? paragraph("No claim; figures only.") : undefined,
        pair(plots[scenario]?.(results), claims.length === 0 ? undefined : claimPicture(claims)),
      ],
    };
  });
}

interface NamedClaim {
  readonly file: string;
  readonly claim: OlderClaim;
}

/** Without a plot of their own, claims are a table. */
const claimPicture = (claims: readonly NamedClaim[]): Child =>
  picture({
    caption: "Claims and verdicts",
    plot: claims.every(({ claim }) => claim.verdict === "refused") ? undefined : verdicts(claims),
    data: claimTable(claims),
  });

/** How far each figure is along its bound: at 1 it is spent. */
function verdicts(claims: readonly NamedClaim[]): ReturnType<typeof forest> | undefined {
  const rows = claims.flatMap(({ claim: { what, figure, bound, verdict } }) =>
    verdict === "refused" || bound <= 0 || figure.low <= 0
      ? []
      : [{ name: what, intervals: [scaled(figure, bound)] }],
  );
  return rows.length === 0
    ? undefined
    : forest("Claims", "figure over its bound: left of 1 the claim is met", rows);
}

const scaled = ({ low, mid, high }: OlderClaim["figure"], bound: number) => ({
  low: low / bound,
  mid: mid / bound,
  high: high / bound,
});

function claimTable(claims: readonly NamedClaim[]): Table {
  return {
    head: ["claim", "figure", "bound", "verdict", "n"],
    rows: claims.map(({ claim: { what, figure, digits, bound, verdict } }) => [
      what,
      `${fixed(figure.mid, digits)} [${fixed(figure.low, digits)}, ${fixed(figure.high, digits)}]`,
      String(bound),
      verdict === "refused" ? "invalid (refused)" : verdict,
      String(figure.count),
    ]),
  };
}

/** CPU per further subscriber, fanwire over the bare engine. */
function slopes(results: readonly Older[]): Child {
  const claims = results.flatMap(({ file, result }) =>
    result.claims.filter(({ what }) => what.includes(": b, ")).map((claim) => ({ file, claim })),
  );
  const sound = claims.filter(({ claim }) => claim.verdict !== "refused");
  const caption = "CPU per further subscriber, fanwire over the bare engine";
  return picture({
    caption,
    plot:
      sound.length === 0
        ? undefined
        : forest(
            caption,
            "ratio: right of 1 fanwire costs more",
            sound.map(({ claim: { what, figure, bound } }) => ({
              name: what.replace(/^fanout · /, "").replace(/: b, .*/, ""),
              intervals: [figure],
              goal: bound,
            })),
          ),
    data: claimTable(claims),
  });
}

interface Climb {
  readonly arm: string;
  readonly steps: readonly { readonly connections: number; readonly memory: { readonly rss: number } }[];
}

function ladders(results: readonly Older[]): Child {
  const climbs = results.flatMap(({ result }) =>
    result.parts.flatMap((part) =>
      (part.climbs as readonly Climb[]).map(({ arm, steps }) => ({
        name: `${arm} on ${part.engine}`,
        steps,
      })),
    ),
  );
  const arms = [...Map.groupBy(climbs, ({ name }) => name)];
  const looks = looksOf(arms.map(([name]) => name));
  const series = arms.map(([name, own], place): Series => {
    const steps = Map.groupBy(
      own.flatMap((climb) => climb.steps),
      ({ connections }) => connections,
    );
    const points = [...steps].map(([connections, same]) => ({
      x: connections,
      y: median(same.map(({ memory }) => memory.rss / 1e6)),
    }));
    return { name, look: looks[place] as Look, points };
  });
  return picture({
    caption: "Resident memory against idle connections",
    plot: chartOf({
      title: "Resident memory against idle connections",
      x: linear("connections", 4),
      y: linear("resident memory, MB"),
      series,
    }),
    legend: legend(series),
    data: {
      head: ["arm", "connections", "resident MB"],
      rows: series.flatMap(({ name, points: own }) => own.map(({ x, y }) => [name, String(x), fixed(y, 1)])),
    },
  });
}

const percentiles = [50, 75, 90, 95, 99, 99.5] as const;

function nodes(results: readonly Older[]): Child {
  const lines = results.flatMap(({ result }) =>
    result.parts.flatMap((part) => {
      const histograms = part.histograms as Readonly<Record<string, string>>;
      const name = `${part.pair}, ${part.format}, ${part.mode}${part.hasKeys ? ", idempotency keys" : ""}`;
      return [
        { name: `${name}: other node`, text: histograms.cross ?? "" },
        { name: `${name}: one node`, text: histograms.memory ?? "" },
      ];
    }),
  );
  const looks = looksOf(lines.map(({ name }) => name));
  const series = lines.map(({ name, text }, place): Series => {
    const histogram = decode(text);
    const points = percentiles.map((percentile) => ({
      x: 100 / (100 - percentile),
      y: histogram.getValueAtPercentile(percentile) / 1e6,
    }));
    return { name, look: looks[place] as Look, points };
  });
  return picture({
    caption: "Latency to the other node, and on one node in memory, from sending",
    plot: chartOf({
      title: "Percentiles of latency between nodes",
      x: logarithmic("one delivery in … is slower"),
      y: logarithmic("latency, ms"),
      series,
    }),
    legend: legend(series),
    data: {
      head: ["", ...percentiles.map((percentile) => `p${percentile} ms`)],
      rows: series.map(({ name, points: own }) => [name, ...own.map(({ y }) => fixed(y, 2))]),
    },
  });
}
