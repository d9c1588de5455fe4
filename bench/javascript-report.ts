// What `javascript` says: the time per publication at both sizes, the claim that it is the same, and a profile.

import type { JavascriptComparison, JavascriptRound } from "./javascript.ts";
import { type Claim, describeClaim, describeFlags, number, type Part, table } from "./measure/report.ts";
import { judge, median, medianInterval, quantile, seededRandom } from "./measure/stats.ts";
import { comparisonFlags, type Flag } from "./measure/validity.ts";
import type { RunSettings } from "./settings.ts";

/** "The same", with room for what a machine that others use can tell apart. */
const ratioBound = 1.1;

export function reportJavascript(comparison: JavascriptComparison, settings: RunSettings): Part {
  const { engine, format, mode, rounds, plan, profile } = comparison;
  const title = `javascript · ${engine} · ${format} · ${mode}`;
  const flags = [...comparisonFlags({ rounds: rounds.length, quick: settings.quick }), ...roundFlags(rounds)];
  const perRound = (size: number) =>
    rounds.map((round) => median(round.samples[size]?.javascriptNs ?? []) / 1000);
  const [few, many] = plan.sizes;
  const small = perRound(few);
  const figure = medianInterval(
    perRound(many).map((value, i) => value / (small[i] as number)),
    seededRandom(settings.seed),
  );
  const claim: Claim = {
    what: `${title}: JavaScript per publication outside publish, ${many} / ${few} subscribers`,
    figure,
    digits: 3,
    bound: ratioBound,
    verdict: flags.length > 0 ? "refused" : judge(figure, ratioBound),
  };
  const profileRows = profile.map((row) => [row.name, row.place, `${number(row.share * 100)} %`]);
  const text = [
    title,
    sizeTable(comparison),
    "",
    `profile of ${plan.warmUpPublications} publications to ${few} subscribers, self time`,
    table(["function", "place", "share"], profileRows),
    "",
    describeClaim(claim),
    ...describeFlags(flags),
  ].join("\n");
  return { claims: [claim], text, record: { engine, format, mode, claims: [claim], flags, rounds, profile } };
}

function roundFlags(rounds: readonly JavascriptRound[]): Flag[] {
  return rounds.flatMap(({ expected, received, lost, disordered }) => {
    if (received === expected && lost === 0 && disordered === 0) return [];
    const detail = `${received} of ${expected} received, ${lost} gaps, ${disordered} out of order`;
    return [{ name: "miscounted", detail, refuses: "everything", disturbance: false }];
  });
}

function sizeTable({ rounds, plan }: JavascriptComparison): string {
  const rows = plan.sizes.map((size) => {
    const all = (name: "javascriptNs" | "publishNs") =>
      rounds.flatMap((round) => round.samples[size]?.[name] ?? []).map((ns) => ns / 1000);
    const javascript = all("javascriptNs");
    const publish = all("publishNs");
    return [
      String(size),
      String(javascript.length),
      number(median(javascript)),
      number(quantile(javascript, 0.9)),
      number(median(publish)),
      number(quantile(publish, 0.9)),
    ];
  });
  const head = ["subscribers", "publications", "JavaScript µs p50", "p90", "engine's publish µs p50", "p90"];
  return table(head, rows);
}
