// What `connections` says: bytes per connection of node, proxy, Redis and kernel as slopes over the steps, and the time to connect.
// It claims nothing.

import { decode, merge, percentileText } from "../measure/histogram.ts";
import { describeFlags, number, type Part, table } from "../measure/report.ts";
import { leastSquares } from "../measure/stats.ts";
import type { Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { Climb, ConnectionsComparison, ConnectionsStep } from "./connections.ts";

const slabsShown = 8;

export function reportConnections({ plan, climb }: ConnectionsComparison, settings: RunSettings): Part {
  const { kind, engine, nodes, steps, rest } = climb;
  const last = steps.at(-1) as ConnectionsStep;
  const where = kind === "proxied" ? "through HAProxy to one node" : `directly to ${nodes} nodes over Redis`;
  const flags = flagsOf(climb, settings);
  const text = [
    `connections · ${engine} · ${last.connections} ${where}`,
    connectLine(climb),
    "",
    memoryTable(climb),
    kernelLine(climb),
    ...(rest ? [restLine(rest, last.connections)] : []),
    ...describeFlags(flags),
  ].join("\n");
  return { claims: [], text, record: { plan, ...climb, bytes: bytesOf(climb), flags } };
}

/** Bytes per connection: what lies under all steps is in none of them. */
export function slopeOf(
  steps: readonly ConnectionsStep[],
  value: (step: ConnectionsStep) => number | undefined,
  per: (step: ConnectionsStep) => number = ({ connections }) => connections,
): number {
  return leastSquares(steps.map((step) => ({ x: per(step), y: value(step) ?? Number.NaN }))).slope;
}

/** The kernel's, for one end of a connection: here both ends are on one machine. */
export const kernelPerSocket = (steps: readonly ConnectionsStep[]): number =>
  slopeOf(
    steps,
    ({ kernel }) => kernel.slab,
    ({ kernel }) => kernel.tcpSockets,
  );

interface Weight {
  readonly holder: string;
  readonly bytes: number;
  /** Without any connection. */
  readonly base: number;
}

/** Of each process, per connection; and of the kernel for the sockets that these processes have. */
export function bytesOf({ kind, steps }: Pick<Climb, "kind" | "steps">): readonly Weight[] {
  const [first] = steps;
  const holders = ["nodes", "proxy", "redis"] as const;
  const processes = holders.flatMap((holder): Weight[] => {
    const base = first?.[holder]?.rss;
    if (base === undefined) return [];
    return [{ holder, base, bytes: slopeOf(steps, (step) => step[holder]?.rss) }];
  });
  // A proxied connection is one at the node and two at HAProxy.
  const sockets = kind === "proxied" ? 3 : 1;
  const bytes = sockets * kernelPerSocket(steps);
  return [
    ...processes,
    { holder: `kernel, ${sockets} ${sockets === 1 ? "socket" : "sockets"}`, base: 0, bytes },
  ];
}

function memoryTable(climb: Climb): string {
  const weights = bytesOf(climb);
  const last = climb.steps.at(-1) as ConnectionsStep;
  const rows = weights.map(({ holder, bytes, base }) => [
    holder,
    number(bytes, 0),
    number(base / 1e6, 0),
    number((base + bytes * last.connections) / 1e6, 0),
  ]);
  const sum = (value: (weight: Weight) => number) => weights.reduce((total, each) => total + value(each), 0);
  const all = [
    number(
      sum(({ bytes }) => bytes),
      0,
    ),
    number(sum(({ base }) => base) / 1e6, 0),
    number(sum(({ base, bytes }) => base + bytes * last.connections) / 1e6, 0),
  ];
  return table(
    ["memory", "bytes per connection", "MB without", "MB with all"],
    [...rows, ["together", ...all]],
  );
}

function kernelLine({ steps }: Climb): string {
  const [first, last] = [steps[0] as ConnectionsStep, steps.at(-1) as ConnectionsStep];
  const sockets = last.kernel.tcpSockets - first.kernel.tcpSockets;
  const grown = Object.entries(last.kernel.slabs)
    .map(([name, bytes]) => [name, (bytes - (first.kernel.slabs[name] ?? 0)) / sockets] as const)
    .sort(([, one], [, other]) => other - one)
    .slice(0, slabsShown)
    .map(([name, bytes]) => `${name} ${number(bytes, 0)}`);
  const buffers = (last.kernel.tcpBuffers - first.kernel.tcpBuffers) / sockets;
  return `kernel: ${number(kernelPerSocket(steps), 0)} bytes per socket (${grown.join(", ")}); ${number(buffers, 0)} in buffers`;
}

function connectLine({ opened }: Climb): string {
  const histogram = merge(opened.map(({ connect }) => decode(connect)));
  const seconds = opened.reduce((sum, { elapsedMs }) => sum + elapsedMs, 0) / 1000;
  const count = histogram.totalCount;
  const [p50, p99] = [50, 99].map((percentile) => percentileText(histogram, percentile, count));
  return `connected in ${number(seconds)} s, ${number(count / seconds, 0)}/s, 64 at a time; ${p50} µs at p50, ${p99} µs at p99`;
}

function restLine({ wallNs, nodesNs, redisNs }: NonNullable<Climb["rest"]>, connections: number): string {
  const share = (ns: number) => `${number((ns / wallNs) * 100)} %`;
  const each = number(nodesNs / 1000 / (wallNs / 1e9) / connections, 2);
  return `at rest: nodes ${share(nodesNs)} of a core, ${each} µs per connection and second; Redis ${share(redisNs)}`;
}

/** A process whose memory does not lie on a line has no bytes per connection. Share of the growth over the steps. */
const worstBend = 0.15;

export function flagsOf(
  { cut, steps }: Pick<Climb, "cut" | "steps">,
  { quick }: Pick<RunSettings, "quick">,
): Flag[] {
  const flags: Flag[] = [];
  const add = (name: string, detail: string) =>
    flags.push({ name, detail, refuses: "everything", disturbance: false });
  if (quick) add("quick", "a quick run shows that the suite works and measures nothing");
  if (cut > 0) add("connections-cut", `${cut} connections were cut`);
  const points = steps.map(({ connections, nodes }) => ({ x: connections, y: nodes.rss }));
  const { slope, intercept } = leastSquares(points);
  const worst = Math.max(...points.map(({ x, y }) => Math.abs(y - intercept - slope * x)));
  const growth = slope * (steps.at(-1)?.connections ?? 0);
  if (worst > worstBend * growth) {
    const detail = `${number(worst / 1e6)} MB beside a line that rises ${number(growth / 1e6)} MB`;
    add("not-a-line", detail);
  }
  return flags;
}
