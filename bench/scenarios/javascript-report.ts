// What `javascript` says: the time per publication at both sizes, the claim that it is the same, and a profile.

import { type Claim, describeClaim, describeFlags, number, type Part, table } from "../measure/report.ts";
import { judge, median, medianInterval, quantile, seededRandom } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { PublicationTimes } from "../targets/servers.ts";
import { type JavascriptComparison, type JavascriptRound, warmerSize } from "./javascript.ts";

/**
 * What a further subscriber may add, in ns: the cheapest loop over subscribers that does anything costs several times as
 * much. It is not zero, because an engine that has just walked 10,000 sockets leaves colder caches behind.
 */
const perSubscriberBoundNs = 3;

const javascriptNs = ({ beforeNs, afterNs }: PublicationTimes): number[] =>
  beforeNs.map((before, i) => before + (afterNs[i] as number));

export function reportJavascript(comparison: JavascriptComparison, settings: RunSettings): Part {
  const { engine, format, mode, rounds, plan, profile } = comparison;
  const title = `javascript · ${engine} · ${format} · ${mode}`;
  const flags = [...comparisonFlags({ rounds: rounds.length, quick: settings.quick }), ...roundFlags(rounds)];
  const [few, many] = plan.sizes;
  const perRound = (size: number) =>
    rounds.map((round) => median(javascriptNs(round.samples[size] as PublicationTimes)));
  const small = perRound(few);
  const figure = medianInterval(
    perRound(many).map((value, i) => (value - (small[i] as number)) / (many - few)),
    seededRandom(settings.seed),
  );
  const claim: Claim = {
    what: `${title}: JavaScript per further subscriber, ${few} to ${many}, ns`,
    figure,
    digits: 2,
    bound: perSubscriberBoundNs,
    verdict: flags.length > 0 ? "refused" : judge(figure, perSubscriberBoundNs),
  };
  const profileRows = profile.map((row) => [row.name, row.place, `${number(row.share * 100)} %`]);
  const text = [
    title,
    sizeTable(comparison),
    "",
    `profile of ${plan.warmUpPublications} publications to ${warmerSize} subscriber, self time`,
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
  const rows = [warmerSize, ...plan.sizes].map((size) => {
    const times = rounds.map((round) => round.samples[size] as PublicationTimes);
    const micros = (pick: (each: PublicationTimes) => readonly number[], share: number) =>
      number(quantile(times.flatMap(pick), share) / 1000);
    return [
      size === warmerSize ? `${size} (in between)` : String(size),
      String(times.flatMap((each) => each.publishNs).length),
      micros(javascriptNs, 0.5),
      micros(javascriptNs, 0.9),
      micros((each) => each.beforeNs, 0.5),
      micros((each) => each.afterNs, 0.5),
      micros((each) => each.publishNs, 0.5),
      micros((each) => each.publishNs, 0.9),
    ];
  });
  const head = ["subscribers", "publications", "JavaScript µs p50", "p90", "of it before publish", "after"];
  return table([...head, "engine's publish µs p50", "p90"], rows);
}
