// What `sse` says: CPU per publication and per delivery of the three arms, by number of subscribers. Figures, no claim.

import { WindowTotals } from "../client/window.ts";
import { encode, percentileText } from "../measure/histogram.ts";
import { describeFlags, interval, number, type Part, table } from "../measure/report.ts";
import { fitLine, median, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { arms, groups, type SseArm, type SseComparison, ssePlanOf } from "./sse.ts";

export function reportSse(comparison: SseComparison, settings: RunSettings): Part {
  const { engine, mode, windows, repeated, upkeepMsPerSecond } = comparison;
  const { rounds } = ssePlanOf(settings);
  const flags: Flag[] = [
    ...comparisonFlags({ rounds, quick: settings.quick }),
    ...windows.flatMap((window) => window.flags),
  ];
  const head = ["S", "arm", "bytes", "µs/publication", "µs/delivery", "of WebSocket", "of bare"];
  const more = ["msgs/chunk", "busy %", "last receiver p50, µs", "p99"];
  const text = [
    `sse · ${engine} · ${mode}`,
    table([...head, ...more], rowsOf(comparison, settings)),
    "",
    ...arms.map((arm) => lineOf(comparison, arm)),
    `per further subscriber: ${slopeRatio(comparison, "websocket", settings)} of WebSocket, ${slopeRatio(comparison, "bare", settings)} of bare`,
    `upkeep without publications, taken off: ${arms.map((arm) => `${arm} ${number(upkeepMsPerSecond[arm])} ms per second`).join(", ")}`,
    ...(repeated > 0 ? [`${repeated} windows were disturbed and measured again`] : []),
    ...describeFlags(flags),
  ].join("\n");
  return { claims: [], text, record: recordOf(comparison, flags) };
}

/** µs of server CPU per publication without the upkeep, round by round. */
function costs({ windows, upkeepMsPerSecond }: SseComparison, arm: SseArm, subscribers: number): number[] {
  const upkeepShare = upkeepMsPerSecond[arm] / 1000;
  return windows
    .filter((window) => window.arm === arm && window.subscribers === subscribers)
    .map(({ result: { serverNs, wallNs, publications } }) => {
      return (serverNs - upkeepShare * wallNs) / publications / 1000;
    });
}

function rowsOf(comparison: SseComparison, settings: RunSettings): string[][] {
  return groups.flatMap(({ subscribers }) =>
    arms.map((arm) => {
      const total = new WindowTotals();
      const mine = comparison.windows.filter(
        (window) => window.arm === arm && window.subscribers === subscribers,
      );
      for (const { result } of mine) total.add(result);
      const own = costs(comparison, arm, subscribers);
      const ratioTo = (other: SseArm) => {
        if (arm !== "sse") return "";
        const theirs = costs(comparison, other, subscribers);
        const ratios = own.map((cost, round) => cost / (theirs[round] as number));
        return interval(medianInterval(ratios, seededRandom(settings.seed)), 2);
      };
      return [
        String(subscribers),
        arm,
        number(total.frameBytes, 0),
        number(median(own)),
        number(median(own) / subscribers, 2),
        ratioTo("websocket"),
        ratioTo("bare"),
        number(total.framesPerChunk, 2),
        number(total.serverBusy * 100, 0),
        percentileText(total.lastReceiver, 50, total.publications),
        percentileText(total.lastReceiver, 99, total.publications),
      ];
    }),
  );
}

/** The lines through the arms' costs have the bare one's weights (see fitLine). */
function fits(comparison: SseComparison, arm: SseArm) {
  const rounds = [...new Set(comparison.windows.map(({ round }) => round))];
  return rounds.map((_, place) => {
    const points = (one: SseArm) =>
      groups.map(({ subscribers: x }) => ({ x, y: costs(comparison, one, x)[place] as number }));
    return fitLine(points(arm), points("bare"));
  });
}

function lineOf(comparison: SseComparison, arm: SseArm): string {
  const all = fits(comparison, arm);
  const part = (name: "intercept" | "slope" | "worstResidual") => median(all.map((line) => line[name]));
  const residual = `${number(part("worstResidual") * 100)} %`;
  return `${arm.padEnd(9)} a ${number(part("intercept"))} µs, b ${number(part("slope"), 2)} µs; worst residual ${residual}`;
}

function slopeRatio(comparison: SseComparison, other: SseArm, settings: RunSettings): string {
  const theirs = fits(comparison, other);
  const ratios = fits(comparison, "sse").map(({ slope }, place) => slope / (theirs[place]?.slope ?? 0));
  return interval(medianInterval(ratios, seededRandom(settings.seed)), 2);
}

function recordOf(comparison: SseComparison, flags: readonly Flag[]): object {
  const { engine, mode, windows, upkeepMsPerSecond, repeated } = comparison;
  const raw = windows.map(({ result, ...window }) => {
    const { facts, publications, serverNs, generatorNs, wallNs, frameBytes, lastReceiver } = result;
    const figures = { facts, publications, serverNs, generatorNs, wallNs, frameBytes };
    return { ...window, ...figures, lastReceiver: encode(lastReceiver) };
  });
  return { engine, mode, flags, upkeepMsPerSecond, repeated, windows: raw };
}
