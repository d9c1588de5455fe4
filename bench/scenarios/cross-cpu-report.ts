// What `cross-cpu` says: CPU per publication of both nodes and of Redis, arm by arm, and the contract's bounds for it.

import { type Claim, describeClaim, describeFlags, number, type Part, table } from "../measure/report.ts";
import { type Interval, judge, median, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { arms, type CpuArm, type CpuWindow, type CrossCpuComparison, perTurn } from "./cross-cpu.ts";

/** The performance contract: µs of CPU per publication, of each node. */
const boundsUs = { volatile: 4, stream: 6.7 } as const;

type Side = "publishing" | "receiving" | "redis";

export function reportCrossCpu(comparison: CrossCpuComparison, settings: RunSettings): Part {
  const { engine, plan, windows, profiles, redisVersion } = comparison;
  const title = `cross-cpu · ${engine}`;
  const flags = [
    ...comparisonFlags({ rounds: plan.rounds, quick: settings.quick }),
    ...windows.flatMap(windowFlags),
  ];
  const present = arms.filter(({ name }) => windows.some(({ arm }) => arm === name));
  const claims = present.flatMap((arm) =>
    arm.mode === "bare" || arm.spread > 1 ? [] : claimsOf(title, arm, windows, settings, flags.length > 0),
  );
  const rate = number((perTurn * plan.turnsPerSecond) / 1000, 0);
  const text = [
    title,
    `${perTurn} publications a turn, mostly ${rate} k/s; µs of CPU per publication [95 %]`,
    costTable(present, windows, settings),
    ...claims.map(describeClaim),
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
  return { claims, text, record: { engine, redisVersion, claims, flags, windows, profiles } };
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

/** More than these shares of a core are a reason to distrust a window. */
const foreignShare = 0.1;
const stealShare = 0.01;
const fullShare = 0.8;

export function windowFlags(window: CpuWindow): Flag[] {
  const { arm, wanted, accepted, received, lost, disordered, wallNs } = window;
  const flags: Flag[] = [];
  const add = (name: string, detail: string, disturbance = false) =>
    flags.push({ name, detail: `${arm}: ${detail}`, refuses: "everything", disturbance });
  const share = (ns: number) => `${number((ns / wallNs) * 100)} % of a core`;
  if (accepted < wanted) add("underachieved", `${accepted} of ${wanted} publications were accepted`);
  if (received > wanted) add("too-many-received", `${received} received of ${wanted}`);
  if (lost > 0 || received < wanted)
    add("lost", `${Math.max(lost, wanted - received)} of ${wanted} are missing`);
  if (disordered > 0) add("disordered", `${disordered} doubles or late ones`);
  if (window.unexpected > 0) add("unexpected-frames", `${window.unexpected} frames were no publication`);
  if (window.publishingNs + window.redisNs > fullShare * wallNs) {
    add(
      "server-saturated",
      `publishing node and Redis took ${share(window.publishingNs + window.redisNs)}`,
      true,
    );
  }
  if (window.receivingNs > fullShare * wallNs) {
    add("server-saturated", `the receiving node took ${share(window.receivingNs)}`, true);
  }
  if (window.foreignNs > foreignShare * wallNs) {
    add("foreign-load", `other processes used ${share(window.foreignNs)}`, true);
  }
  if (window.stealNs > stealShare * wallNs)
    add("steal", `the hypervisor took ${share(window.stealNs)}`, true);
  const expected = arms.find(({ name }) => name === arm)?.spread ?? 1;
  if (Math.abs(window.messagesPerTurn / expected - 1) > 0.1) {
    add("other-batches", `${number(window.messagesPerTurn, 2)} messages a turn, not ${expected}`);
  }
  return flags;
}
