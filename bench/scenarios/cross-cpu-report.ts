// What `cross-cpu` says: CPU per publication of both nodes and of Redis, arm by arm, and the contract's bounds for it.

import { type Claim, describeClaim, describeFlags, number, type Part, table } from "../measure/report.ts";
import { type Interval, judge, median, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { arms, type CpuArm, type CpuWindow, type CrossCpuComparison, perTurn } from "./cross-cpu.ts";
import { windowFlags } from "./cross-cpu-flags.ts";

/** The performance contract: µs of CPU per publication, of each node. */
const boundsUs = { volatile: 4, stream: 6.7 } as const;

type Side = "publishing" | "receiving" | "redis";

export function reportCrossCpu(comparison: CrossCpuComparison, settings: RunSettings): Part {
  const { engine, plan, windows, repeated, profiles, redisVersion } = comparison;
  const title = `cross-cpu · ${engine}`;
  const common = comparisonFlags({ rounds: plan.rounds, quick: settings.quick });
  const flags = [...common, ...windows.flatMap(windowFlags)];
  // What disturbed another arm's window is no reason to distrust this one's.
  const isRefused = (arm: string) =>
    common.length > 0 || windows.some((window) => window.arm === arm && windowFlags(window).length > 0);
  const present = arms.filter(({ name }) => windows.some(({ arm }) => arm === name));
  const claims = present.flatMap((arm) =>
    arm.mode === "bare" || arm.spread > 1 ? [] : claimsOf(title, arm, windows, settings, isRefused(arm.name)),
  );
  const rate = number((perTurn * plan.turnsPerSecond) / 1000, 0);
  const text = [
    title,
    `${perTurn} publications a turn, mostly ${rate} k/s; µs of CPU per publication [95 %]`,
    costTable(present, windows, settings),
    ...claims.map(describeClaim),
    ...(repeated > 0 ? [`${repeated} windows were disturbed and measured again`] : []),
    ...describeFlags(flags),
    ...profiles.flatMap(({ arm, node, rows }) => [
      "",
      `where the ${node} node's time goes, ${arm}:`,
      table(
        ["function", "share", "place"],
        rows.map(({ name, place, share }) => [name, `${number(share * 100)} %`, place]),
      ),
    ]),
  ].join("\n");
  return { claims, text, record: { engine, redisVersion, claims, flags, windows, repeated, profiles } };
}

/** µs per publication, round by round. */
export function costsOf(windows: readonly CpuWindow[], arm: string, side: Side): number[] {
  return windows
    .filter((window) => window.arm === arm)
    .map((window) => window[`${side}Ns`] / window.accepted / 1000);
}

function claimsOf(
  title: string,
  arm: CpuArm,
  windows: readonly CpuWindow[],
  settings: RunSettings,
  isRefused: boolean,
): Claim[] {
  if (arm.mode === "bare") return [];
  const bound = boundsUs[arm.mode];
  return (["publishing", "receiving"] as const).map((side) => {
    const figure = medianInterval(costsOf(windows, arm.name, side), seededRandom(settings.seed));
    return {
      what: `${title}: ${arm.name}: the ${side} node, µs per publication`,
      figure,
      digits: 2,
      bound,
      verdict: isRefused ? "refused" : judge(figure, bound),
    };
  });
}

function costTable(present: readonly CpuArm[], windows: readonly CpuWindow[], settings: RunSettings): string {
  const rows = present.map(({ name }) => {
    const mine = windows.filter(({ arm }) => arm === name);
    const cost = (side: Side) =>
      figureText(medianInterval(costsOf(windows, name, side), seededRandom(settings.seed)));
    const perSecond = median(mine.map(({ accepted, wallNs }) => (accepted * 1e6) / wallNs));
    return [
      name,
      ...(["publishing", "receiving", "redis"] as const).map(cost),
      number(median(mine.map(({ messagesPerTurn }) => messagesPerTurn)), 2),
      number(perSecond, 1),
    ];
  });
  return table(["arm", "publishing", "receiving", "Redis", "messages/turn", "k pub/s"], rows);
}

const figureText = ({ low, mid, high }: Interval): string =>
  `${number(mid, 2)} [${number(low, 2)}, ${number(high, 2)}]`;
