// Which steps a run of the suite takes, at which size: the smoke test, the quick run and the full one. Knows no order.

import type { PlanName } from "./settings.ts";
import { capacity } from "./steps/capacity.ts";
import { memory } from "./steps/memory.ts";
import { disconnects, kill, storm } from "./steps/restless.ts";
import { steady } from "./steps/steady.ts";
import type { Step } from "./steps/step.ts";
import type { Deployment } from "./target.ts";
import { createWorkload } from "./workloads/all.ts";

export interface Plan {
  readonly rounds: number;
  readonly steps: readonly Step[];
}

/** What a size changes: everything else is the same in all plans. */
interface Size {
  readonly rounds: number;
  readonly durationMs: number;
  readonly warmUpMs: number;
  /** Subscribers of the one big topic. */
  readonly audience: number;
}

const sizes: Readonly<Record<PlanName, Size>> = {
  smoke: { rounds: 1, durationMs: 250, warmUpMs: 100, audience: 40 },
  quick: { rounds: 2, durationMs: 1500, warmUpMs: 700, audience: 500 },
  full: { rounds: 7, durationMs: 8000, warmUpMs: 3000, audience: 500 },
};

/** Deliveries per second at which targets are compared: a third to a half of what the slowest of them can do. */
const deliveriesPerSecond = 32_000;

const fanoutOf = (connections: number, burst: number, mode: "volatile" | "stream" = "volatile") =>
  createWorkload({ kind: "fanout", mode, connections, bytes: 128, burst });

/**
 * CPU per delivery at 1, 8 and 32 publications to a topic at once. All at the same deliveries per second: what changes is only
 * how many of them may share a write.
 */
function cpuSteps(size: Size, bursts: readonly number[]): Step[] {
  const rate = deliveriesPerSecond / 500;
  return bursts.map((burst) =>
    steady({
      ...{ scenario: "cpu", workload: fanoutOf(size.audience, burst), rate, publicationsPerBurst: burst },
      ...{ durationMs: size.durationMs, warmUpMs: size.warmUpMs },
    }),
  );
}

const roomsWorkload = (mode: "volatile" | "stream") =>
  createWorkload({
    kind: "rooms",
    mode,
    rooms: 100,
    connections: 800,
    roomsEach: 2,
    publishers: 8,
    bytes: 128,
  });

const tradingWorkload = (mode: "stream" | "latest") =>
  createWorkload({ kind: "trading", mode, instruments: 100, connections: 300, watched: 10, publishers: 4 });

const gameWorkload = (rooms: number, players: number, tickHz: number) =>
  createWorkload({ kind: "game", mode: "volatile", rooms, players, tickHz, bytes: 64 });

/** The same load for every target, shape by shape. */
function latencySteps({ durationMs, warmUpMs }: Size, isFull: boolean): Step[] {
  const common = { scenario: "latency", durationMs, warmUpMs } as const;
  const shapes: { workload: ReturnType<typeof createWorkload>; rate: number }[] = [
    { workload: roomsWorkload("stream"), rate: 1000 },
    { workload: tradingWorkload("stream"), rate: 400 },
    { workload: tradingWorkload("latest"), rate: 400 },
    { workload: gameWorkload(3, 16, 20), rate: 0 },
  ];
  if (isFull) {
    shapes.push(
      { workload: gameWorkload(2, 16, 60), rate: 0 },
      { workload: gameWorkload(1, 32, 30), rate: 0 },
    );
    shapes.push(
      { workload: fanoutOf(500, 1), rate: 64 },
      { workload: roomsWorkload("volatile"), rate: 1000 },
    );
  }
  return shapes.map((shape) => steady({ ...common, ...shape }));
}

const twoNodes: Deployment = { nodes: 2, bridge: "redis", entry: "direct" };

/** One subscriber group on the node that does not publish. */
function crossStep({ durationMs, warmUpMs }: Size): Step {
  const workload = createWorkload({ kind: "fanout", mode: "stream", connections: 20, bytes: 128, burst: 1 });
  return steady({
    ...{ scenario: "cross", name: "cross", workload, rate: 200, deployment: twoNodes, isCrossing: true },
    ...{ durationMs, warmUpMs },
  });
}

/** Also behind HAProxy, and on more nodes: what the way costs, and what the scale model is fitted to. */
function scaleSteps({ durationMs, warmUpMs }: Size, deployments: readonly Deployment[]): Step[] {
  return deployments.map((deployment) =>
    steady({
      ...{ scenario: "scale", workload: fanoutOf(240, 1, "stream"), rate: 60, deployment },
      ...{ durationMs, warmUpMs },
    }),
  );
}

/** A second number of subscribers tells the model what one of them costs; the model is of our own nodes. */
function modelSteps({ durationMs, warmUpMs }: Size, deployments: readonly Deployment[]): Step[] {
  return deployments.map((deployment) =>
    steady({
      ...{ scenario: "scale", workload: fanoutOf(60, 1, "stream"), rate: 60, deployment },
      ...{ durationMs, warmUpMs, only: ({ kind }) => kind === "ours" },
    }),
  );
}

const direct = (nodes: 1 | 2 | 3 | 4): Deployment => ({ nodes, bridge: "redis", entry: "direct" });
const proxied = (nodes: 1 | 2): Deployment => ({ nodes, bridge: "redis", entry: "haproxy" });

/** The ramp: last receiver against subscribers. */
function rampSteps({ durationMs, warmUpMs }: Size): Step[] {
  return [30, 100, 300, 1000, 2000].map((connections) =>
    steady({
      ...{ scenario: "ramp", workload: fanoutOf(connections, 1), rate: Math.min(60, 32_000 / connections) },
      ...{ name: `${connections} subscribers`, durationMs, warmUpMs },
    }),
  );
}

export function planOf(name: PlanName): Plan {
  const size = sizes[name];
  if (name === "full") return fullPlan(size);
  const isSmoke = name === "smoke";
  return {
    rounds: size.rounds,
    steps: [
      ...cpuSteps(size, isSmoke ? [1, 8] : [1, 32]),
      ...latencySteps(size, false),
      crossStep(size),
      ...(isSmoke
        ? [disconnects({ connections: 40, durationMs: 1500 }), ...scaleSteps(size, [proxied(1)])]
        : []),
    ],
  };
}

function fullPlan(size: Size): Plan {
  return {
    rounds: size.rounds,
    steps: [
      ...cpuSteps(size, [1, 8, 32]),
      ...latencySteps(size, true),
      ...rampSteps(size),
      capacity({ workload: fanoutOf(200, 1), durationMs: 3000, warmUpMs: 1000 }),
      capacity({ workload: roomsWorkload("stream"), durationMs: 3000, warmUpMs: 1000 }),
      memory({ steps: [1000, 2500, 4000, 5500, 7000] }),
      storm({ connections: 2000 }),
      kill({ connections: 1000 }),
      disconnects({ connections: 300, durationMs: 20_000 }),
      crossStep(size),
      ...scaleSteps(size, [direct(1), direct(2), direct(3), direct(4), proxied(1), proxied(2)]),
      ...modelSteps(size, [direct(1), direct(2), direct(3), direct(4)]),
    ],
  };
}
