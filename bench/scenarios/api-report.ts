// What `api` says: per case the publications a second, the latency of an answer and the CPU of a publication. It claims nothing.

import { describeFlags, number, type Part, table } from "../measure/report.ts";
import { median } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { type ApiCase, type ApiComparison, type ApiWindow, batchSizes, connectionCounts } from "./api.ts";

/** A core that is this busy is full. */
const fullShare = 0.9;

export function reportApi({ engine, format, plan, windows }: ApiComparison, settings: RunSettings): Part {
  const title = `api · ${engine} · ${format}`;
  const flags = [
    ...comparisonFlags({ rounds: plan.rounds, quick: settings.quick }),
    ...windows.flatMap(windowFlags),
  ];
  const cases = batchSizes.flatMap((batch) =>
    connectionCounts.map((connections) => ({ batch, connections })),
  );
  const head = ["per request", "connections", "publications/s", "requests/s"];
  const rows = cases.map((each) => row(each, windows));
  const text = [
    title,
    table([...head, "p50 µs", "p99 µs", "server µs/publication", "server busy", "generator busy"], rows),
    ...describeFlags(flags),
  ].join("\n");
  return { claims: [], text, record: { engine, format, flags, windows } };
}

function row({ batch, connections }: ApiCase, all: readonly ApiWindow[]): string[] {
  const windows = all.filter((window) => window.batch === batch && window.connections === connections);
  const mid = (value: (window: ApiWindow) => number) => median(windows.map(value));
  const perSecond = mid(({ answered, elapsedNs }) => (answered * 1e9) / elapsedNs);
  const serverBusy = mid(({ serverNs, elapsedNs }) => serverNs / elapsedNs);
  const generatorBusy = mid(({ generatorNs, elapsedNs }) => generatorNs / elapsedNs);
  // One connection is never busy enough to show what the server can, and says so by its row.
  const isBound = serverBusy < fullShare ? "≥ " : "";
  return [
    batch === 1 ? "1 publication" : `${batch} publications`,
    String(connections),
    `${isBound}${number(perSecond * batch, 0)}`,
    number(perSecond, 0),
    number(mid(({ p50Ns }) => p50Ns) / 1000, 0),
    number(mid(({ p99Ns }) => p99Ns) / 1000, 0),
    number(
      mid(({ serverNs, accepted }) => serverNs / accepted / 1000),
      2,
    ),
    `${number(serverBusy * 100, 0)} %`,
    `${number(generatorBusy * 100, 0)} %`,
  ];
}

function windowFlags(window: ApiWindow): Flag[] {
  const { answered, batch, connections, refused, errors, accepted, foreignBusy, stealShare } = window;
  const flags: Flag[] = [];
  const add = (name: string, detail: string, disturbance = false) => {
    flags.push({ name, detail, refuses: "everything", disturbance });
  };
  if (refused + errors > 0) add("unexpected-answers", `${refused} not 200, ${errors} without an answer`);
  // What is under way when the window ends is made and not answered.
  const missing = answered * batch - accepted;
  if (missing > 0 || -missing > connections * batch) {
    add("miscounted", `${answered * batch} publications answered, ${accepted} made`);
  }
  if (foreignBusy > 0.1)
    add("foreign-load", `other processes used ${number(foreignBusy * 100)} % of a core`, true);
  if (stealShare > 0.01) add("steal", `the hypervisor took ${number(stealShare * 100)} % of a core`, true);
  return flags;
}
