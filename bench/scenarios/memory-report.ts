// What `memory` says: bytes per connection as slopes over the ladder, their difference to the bare engine, and the classes.

import {
  type Claim,
  describeClaim,
  describeFlags,
  interval,
  number,
  type Part,
  table,
} from "../measure/report.ts";
import {
  type Interval,
  judge,
  leastSquares,
  medianInterval,
  quantile,
  seededRandom,
} from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { Memory } from "../targets/probed.ts";
import type { Climb, MemoryComparison } from "./memory.ts";

/** Two kilobytes, and not two kibibytes. */
const boundBytes = 2000;
const measures = ["rss", "anonymous", "heap", "external"] as const;
type Measure = (typeof measures)[number];
const classesShown = 20;
/** A process whose memory does not lie on a line has no bytes per connection. Share of the growth over the ladder. */
const worstBend = 0.15;

/** Bytes per connection. */
export function slopeOf(climb: Climb, measure: Measure): number {
  return leastSquares(pointsOf(climb, measure)).slope;
}

const pointsOf = ({ steps }: Climb, measure: Measure) =>
  steps.map(({ connections, memory }) => ({ x: connections, y: memory[measure] }));

export function reportMemory(comparison: MemoryComparison, settings: RunSettings): Part {
  const { engine, plan, climbs, classes } = comparison;
  const title = `memory · ${engine} · ${settings.formats[0]}`;
  const flags = [...comparisonFlags({ rounds: plan.rounds, quick: settings.quick }), ...climbFlags(climbs)];
  const extra = differenceOf(climbs, "rss", settings);
  const claim: Claim = {
    what: `${title}: bytes of resident memory per connection over the bare engine`,
    figure: extra,
    digits: 0,
    bound: boundBytes,
    verdict: flags.length > 0 ? "refused" : judge(extra, boundBytes),
  };
  const text = [
    title,
    stepTable(climbs, plan.ladder),
    "",
    slopeTable(climbs, settings),
    "",
    classTable(classes),
    "",
    describeClaim(claim),
    ...describeFlags(flags),
  ].join("\n");
  return { claims: [claim], text, record: { ...comparison, claims: [claim], flags } };
}

function climbFlags(climbs: readonly Climb[]): Flag[] {
  const flags: Flag[] = [];
  const add = (name: string, detail: string) =>
    flags.push({ name, detail, refuses: "everything", disturbance: false });
  for (const climb of climbs) {
    const { arm, cut } = climb;
    if (cut > 0) add("connections-cut", `${cut} of ${arm}'s connections were cut`);
    const { worst, growth } = bend(climb);
    if (worst > worstBend * growth) {
      add(
        "not-a-line",
        `${arm}: ${number(worst / 1e6, 1)} MB beside a line that rises ${number(growth / 1e6, 1)} MB`,
      );
    }
  }
  return flags;
}

/** How far the farthest step lies from the line of resident memory, and how much the line rises. */
function bend(climb: Climb): { readonly worst: number; readonly growth: number } {
  const points = pointsOf(climb, "rss");
  const { slope, intercept } = leastSquares(points);
  const worst = Math.max(...points.map(({ x, y }) => Math.abs(y - intercept - slope * x)));
  return { worst, growth: slope * ((points.at(-1)?.x ?? 0) - (points[0]?.x ?? 0)) };
}

function differenceOf(climbs: readonly Climb[], measure: Measure, settings: RunSettings): Interval {
  const rounds = [...new Set(climbs.map(({ round }) => round))];
  const slope = (round: number, arm: string) =>
    slopeOf(climbs.find((climb) => climb.round === round && climb.arm === arm) as Climb, measure);
  const differences = rounds.map((round) => slope(round, "fanwire") - slope(round, "bare"));
  return medianInterval(differences, seededRandom(settings.seed));
}

function stepTable(climbs: readonly Climb[], ladder: readonly number[]): string {
  const megabytes = (arm: string, step: number, measure: keyof Memory) => {
    const values = climbs
      .filter((climb) => climb.arm === arm)
      .map(({ steps }) => steps[step]?.memory[measure]);
    return number(
      quantile(
        values.filter((value) => value !== undefined),
        0.5,
      ) / 1e6,
      1,
    );
  };
  const rows = ladder.map((connections, step) => [
    String(connections),
    ...(["fanwire", "bare"] as const).flatMap((arm) =>
      (["rss", "anonymous", "heap"] as const).map((measure) => megabytes(arm, step, measure)),
    ),
  ]);
  return table(["connections", "rss, MB", "anonymous", "heap", "bare rss", "anonymous", "heap"], rows);
}

function slopeTable(climbs: readonly Climb[], settings: RunSettings): string {
  const rows = measures.map((measure) => {
    const median = (arm: string) =>
      number(
        quantile(
          climbs.filter((climb) => climb.arm === arm).map((climb) => slopeOf(climb, measure)),
          0.5,
        ),
        0,
      );
    return [measure, median("fanwire"), median("bare"), interval(differenceOf(climbs, measure, settings), 0)];
  });
  return table(["bytes per connection", "fanwire", "bare", "difference"], rows);
}

function classTable(classes: MemoryComparison["classes"]): string {
  const rows = classes
    .slice(0, classesShown)
    .map(({ name, countPerConnection, bytesPerConnection }) => [
      name,
      number(countPerConnection, 2),
      number(bytesPerConnection, 0),
    ]);
  return table(["class, as the runtime's heap snapshot has it", "per connection", "bytes"], rows);
}
