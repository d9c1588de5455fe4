// Which steps a run of the suite takes, at which size: the smoke test, the quick run and the full one. Knows no order.

import type { PlanName } from "./settings.ts";
import { capacity } from "./steps/capacity.ts";
import { memory } from "./steps/memory.ts";
import { disconnects, kill, storm } from "./steps/restless.ts";
import { steady } from "./steps/steady.ts";
import type { Step, StepScope } from "./steps/step.ts";
import type { Deployment, Target } from "./target.ts";
import { createWorkload } from "./workloads/all.ts";

export interface Plan {
  readonly rounds: number;
  readonly steps: readonly Step[];
  /** How long each target is looked at when nobody publishes: what it uses then is printed, and in no figure. */
  readonly idleMs: number;
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
  quick: { rounds: 2, durationMs: 1200, warmUpMs: 500, audience: 500 },
  full: { rounds: 5, durationMs: 5000, warmUpMs: 1000, audience: 500 },
};

/** Of the full plan's rounds, what has this many has an interval and, where all of them agree, a verdict. */
const someRounds = 3;

/** Deliveries per second at which targets are compared: a third to a half of what the slowest of them can do. */
const deliveriesPerSecond = 32_000;

const fanoutOf = (connections: number, burst: number, mode: "volatile" | "stream" = "volatile") =>
  createWorkload({ kind: "fanout", mode, connections, bytes: 128, burst });

type Chosen = NonNullable<Step["only"]>;

/** Whoever can stand alone: the controls are there for what a delivery costs. */
const isSystem: Chosen = ({ kind }) => kind !== "control";
/** Without Socket.IO's other engine, which is a row of its own where there is time for it. */
const isMain: Chosen = ({ kind, name }) => kind !== "control" && name !== "socket.io-uws";

/**
 * CPU per delivery at 1, 8 and 32 publications to a topic at once. All at the same deliveries per second: what changes is only
 * how many of them may share a write.
 */
function cpuSteps(size: Size, bursts: readonly number[]): Step[] {
  const rate = deliveriesPerSecond / 500;
  const isEnd = (burst: number) => burst === bursts[0] || burst === bursts.at(-1);
  return bursts.map((burst) =>
    steady({
      ...{ scenario: "cpu", workload: fanoutOf(size.audience, burst), rate, publicationsPerBurst: burst },
      ...{ durationMs: size.durationMs, warmUpMs: size.warmUpMs },
      // The goals are of the two ends; what lies between them only draws the line.
      ...(isEnd(burst) ? {} : { rounds: someRounds }),
    }),
  );
}

interface Rooms {
  readonly mode: "volatile" | "stream";
  readonly rooms: number;
  readonly connections: number;
}

const roomsWorkload = ({ mode, rooms, connections }: Rooms) =>
  createWorkload({ kind: "rooms", mode, rooms, connections, roomsEach: 2, publishers: 8, bytes: 128 });

interface Trading {
  readonly mode: "stream" | "latest";
  readonly connections: number;
  /** Instruments per connection. */
  readonly watched: number;
}

const tradingWorkload = ({ mode, connections, watched }: Trading) =>
  createWorkload({ kind: "trading", mode, instruments: 100, connections, watched, publishers: 4 });

const gameWorkload = (rooms: number, players: number, tickHz: number) =>
  createWorkload({ kind: "game", mode: "volatile", rooms, players, tickHz, bytes: 64 });

/** The same load for every target, shape by shape; `share`: how much of it. */
function latencySteps({ durationMs, warmUpMs }: Size, share = 1): Step[] {
  const common = { scenario: "latency", durationMs, warmUpMs } as const;
  const shapes = [
    { workload: roomsWorkload({ mode: "stream", rooms: 100, connections: 800 }), rate: 1000 },
    { workload: tradingWorkload({ mode: "stream", connections: 300, watched: 10 }), rate: 400 },
    { workload: tradingWorkload({ mode: "latest", connections: 300, watched: 10 }), rate: 400 },
    { workload: gameWorkload(3, 16, 20), rate: 0 },
  ];
  return shapes.map(({ workload, rate }) => steady({ ...common, workload, rate: rate * share }));
}

/** Of a smoke run: a server that has just started is several times slower than it will be, and only piles up what it is sent. */
const coldShare = 0.2;

/**
 * Long enough for p99.9: of the rooms a hundred publications lie beyond it in three rounds together, of the others thirty,
 * and their figures say so.
 */
function longLatencySteps({ warmUpMs }: Size): Step[] {
  const common = { scenario: "latency", rounds: someRounds, warmUpMs } as const;
  const rooms = roomsWorkload({ mode: "stream", rooms: 240, connections: 800 });
  const trading = tradingWorkload({ mode: "latest", connections: 200, watched: 3 });
  return [
    steady({ ...common, workload: rooms, rate: 2400, durationMs: 14_000, only: isSystem }),
    steady({ ...common, workload: trading, rate: 1000, durationMs: 10_000, only: isMain }),
    steady({ ...common, workload: gameWorkload(4, 16, 20), rate: 0, durationMs: 10_000, only: isMain }),
  ];
}

const twoNodes: Deployment = { nodes: 2, bridge: "redis", entry: "direct" };

/** One subscriber group on the node that does not publish. */
function crossStep({ durationMs, warmUpMs }: Size, only?: Step["only"]): Step {
  const workload = createWorkload({ kind: "fanout", mode: "stream", connections: 20, bytes: 128, burst: 1 });
  return steady({
    ...{ scenario: "cross", name: "cross", workload, rate: 200, deployment: twoNodes, isCrossing: true },
    ...{ durationMs, warmUpMs, only },
  });
}

interface Scale extends StepScope {
  readonly deployments: readonly Deployment[];
  readonly connections: number;
}

/** Also behind HAProxy, and on more nodes: what the way costs, and what the scale model is fitted to. */
function scaleSteps({ durationMs, warmUpMs }: Size, scale: Scale): Step[] {
  const { deployments, connections, only, rounds } = scale;
  return deployments.map((deployment) =>
    steady({
      ...{ scenario: "scale", workload: fanoutOf(connections, 1, "stream"), rate: 60, deployment },
      ...{ durationMs, warmUpMs, only, rounds },
    }),
  );
}

const direct = (nodes: 1 | 2 | 3 | 4): Deployment => ({ nodes, bridge: "redis", entry: "direct" });
const proxied = (nodes: 1 | 2): Deployment => ({ nodes, bridge: "redis", entry: "haproxy" });

interface Ramp extends StepScope {
  readonly audiences: readonly number[];
}

/** The ramp: last receiver against subscribers. */
function rampSteps({ durationMs, warmUpMs }: Size, { audiences, only, rounds }: Ramp): Step[] {
  return audiences.map((connections) =>
    steady({
      ...{ scenario: "ramp", workload: fanoutOf(connections, 1), rate: Math.min(60, 32_000 / connections) },
      ...{ name: `${connections} subscribers`, durationMs, warmUpMs },
      ...{ only, rounds },
    }),
  );
}

export function planOf(name: PlanName): Plan {
  const size = sizes[name];
  if (name === "full") return fullPlan(size);
  if (name === "smoke") return smokePlan(size);
  return {
    rounds: size.rounds,
    idleMs: 200,
    steps: [...cpuSteps(size, [1, 32]), ...latencySteps(size), crossStep(size)],
  };
}

/** Everything once. What needs processes of its own is done by some targets for all: their starts are most of the time. */
function smokePlan(size: Size): Plan {
  const by = (...names: readonly string[]) => ({
    only: ({ name }: Target) => names.includes(name),
    connections: 40,
    durationMs: 1500,
  });
  const { durationMs, warmUpMs } = size;
  const hops = { deployments: [proxied(1)], connections: 40, only: by("fanwire-uws", "centrifugo").only };
  const searched = { workload: fanoutOf(40, 1), durationMs, warmUpMs };
  return {
    rounds: size.rounds,
    idleMs: 50,
    steps: [
      ...cpuSteps(size, [1, 8]),
      ...latencySteps(size, coldShare),
      ...rampSteps(size, { audiences: [1, 60] }),
      crossStep(size),
      capacity({ ...searched, only: by("fanwire-bun", "guide").only }),
      memory({ steps: [50, 100], only: by("fanwire-uws", "socket.io").only }),
      storm(by("fanwire-bun", "socket.io-uws")),
      kill(by("fanwire-uws", "guide")),
      disconnects(by("fanwire-bun", "centrifugo")),
      ...scaleSteps(size, hops),
    ],
  };
}

/** Within an hour: what is compared most has five rounds, the rest three, and what only draws a line two. */
function fullPlan(size: Size): Plan {
  const brief = { ...size, durationMs: 3000, warmUpMs: 700 };
  const some = { rounds: someRounds, only: isMain } as const;
  const isDrawn: Chosen = (target) => isMain(target) || target.name === "raw-floor";
  const ours: Chosen = ({ name }) => name === "fanwire-bun";
  const nodes = [direct(1), direct(2), direct(3), direct(4)];
  return {
    rounds: size.rounds,
    idleMs: 500,
    steps: [
      ...cpuSteps(size, [1, 8, 32]),
      crossStep(size, isMain),
      ...longLatencySteps(size),
      ...[fanoutOf(100, 1), fanoutOf(100, 8)].map((workload) =>
        capacity({ ...some, workload, durationMs: 1500, warmUpMs: 700 }),
      ),
      memory({ ...some, steps: [1000, 3000, 5000] }),
      storm({ ...some, connections: 1500, durationMs: 5000 }),
      kill({ ...some, connections: 600, durationMs: 5000 }),
      disconnects({ ...some, connections: 300, durationMs: 7000 }),
      ...rampSteps(brief, { audiences: [100, 500, 2000], rounds: 1, only: isDrawn }),
      ...scaleSteps(brief, { deployments: [...nodes, proxied(2)], connections: 240, rounds: 2, only: ours }),
      ...scaleSteps(brief, { deployments: nodes, connections: 60, rounds: 2, only: ours }),
    ],
  };
}
