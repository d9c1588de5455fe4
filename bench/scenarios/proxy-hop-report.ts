// What `proxy-hop` says: latencies of both paths side by side, and the CPU of node and proxy per delivery. It claims nothing.

import { encode, percentileText } from "../measure/histogram.ts";
import { describeFlags, interval, number, type Part, table } from "../measure/report.ts";
import { type Interval, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { type HopComparison, type HopWindow, hopGroups, type Path, paths } from "./proxy-hop.ts";

export function reportProxyHop(comparison: HopComparison, settings: RunSettings): Part {
  const { engine, format, plan, proxyVersion, windows, repeated } = comparison;
  const flags = [
    ...comparisonFlags({ rounds: plan.rounds, quick: settings.quick }),
    ...windows.flatMap((window) => window.flags),
  ];
  const text = [
    `proxy-hop · ${engine} · ${format} · HAProxy ${proxyVersion}`,
    "from the publication's sending to its delivery, µs; the difference is of medians, by round",
    latencyTable(comparison, settings),
    "",
    "CPU per delivery, µs",
    cpuTable(comparison, settings),
    ...(repeated > 0 ? [`${repeated} windows were disturbed and measured again`] : []),
    ...describeFlags(flags),
  ].join("\n");
  return { claims: [], text, record: record(comparison, flags) };
}

const p50Us = (window: HopWindow, path: Path): number =>
  window.results[path].fromSent.getValueAtPercentile(50) / 1000;

/** What the proxied delivery takes longer at p50, µs. */
export const extraUs = (window: HopWindow): number => p50Us(window, "proxied") - p50Us(window, "direct");

/** CPU of a path's node per delivery, µs. */
export const nodeUs = ({ results }: HopWindow, path: Path): number =>
  results[path].serverNs / Math.max(1, results[path].facts.received) / 1000;

/** HAProxy's per delivery that went through it, µs. */
export const proxyUs = ({ results, proxyNs }: HopWindow): number =>
  proxyNs / Math.max(1, results.proxied.facts.received) / 1000;

function latencyTable({ totals, windows }: HopComparison, settings: RunSettings): string {
  const rows = hopGroups.map(({ subscribers }) => {
    const of = (path: Path) => {
      const total = totals[path].get(subscribers);
      if (total === undefined) return [];
      return [
        ...[50, 99].map((percentile) => percentileText(total.fromSent, percentile, total.publications)),
        percentileText(total.lastReceiver, 50, total.publications),
      ];
    };
    const extra = over(windows, subscribers, settings, extraUs);
    return [String(subscribers), ...paths.flatMap(of), interval(extra, 0)];
  });
  const heads = ["p50", "p99", "last p50"];
  return table(
    [
      "subscribers",
      ...heads.map((head) => `direct ${head}`),
      ...heads.map((head) => `proxied ${head}`),
      "more",
    ],
    rows,
  );
}

function cpuTable({ windows }: HopComparison, settings: RunSettings): string {
  const rows = hopGroups.map(({ subscribers }) => {
    const figure = (value: (window: HopWindow) => number) => over(windows, subscribers, settings, value);
    const ratio = figure(
      (window) => (nodeUs(window, "proxied") + proxyUs(window)) / nodeUs(window, "direct"),
    );
    return [
      String(subscribers),
      interval(
        figure((window) => nodeUs(window, "direct")),
        1,
      ),
      interval(
        figure((window) => nodeUs(window, "proxied")),
        1,
      ),
      interval(figure(proxyUs), 1),
      `${number(ratio.mid, 2)} ×`,
    ];
  });
  return table(["subscribers", "node, direct", "node, proxied", "HAProxy", "both of direct"], rows);
}

function over(
  windows: readonly HopWindow[],
  subscribers: number,
  settings: RunSettings,
  value: (window: HopWindow) => number,
): Interval {
  const own = windows.filter((window) => window.subscribers === subscribers);
  return medianInterval(own.map(value), seededRandom(settings.seed));
}

function record({ totals, windows, ...rest }: HopComparison, flags: readonly object[]): object {
  return {
    ...rest,
    flags,
    windows: windows.map((window) => ({
      round: window.round,
      subscribers: window.subscribers,
      p50Us: Object.fromEntries(paths.map((path) => [path, p50Us(window, path)])),
      nodeUs: Object.fromEntries(paths.map((path) => [path, nodeUs(window, path)])),
      proxyUs: proxyUs(window),
      facts: Object.fromEntries(paths.map((path) => [path, window.results[path].facts])),
      flags: window.flags,
    })),
    histograms: hopGroups.map(({ subscribers }) => ({
      subscribers,
      ...Object.fromEntries(
        paths.map((path) => {
          const total = totals[path].get(subscribers);
          return [
            path,
            total && { delivery: encode(total.fromSent), lastReceiver: encode(total.lastReceiver) },
          ];
        }),
      ),
    })),
  };
}
