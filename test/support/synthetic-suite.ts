// Results of the benchmark suite that nobody measured: drawn from a seed and from costs that a test knows, so that it knows what a report must find.

import { createHistogram, encode } from "../../bench/measure/histogram.ts";
import { seededRandom } from "../../bench/measure/stats.ts";
import type { Run, Scenario, SuiteResult } from "../../bench/suite/result.ts";
import { type Deployment, type NodeCount, oneNode } from "../../bench/suite/target.ts";

/** What a target costs: the truth behind its figures. */
export interface Truth {
  readonly kind: Run["target"]["kind"];
  /** µs of CPU per write, and per publication within one. */
  readonly writeUs: number;
  readonly frameUs: number;
  /** Latency without load. */
  readonly baseMs: number;
  readonly bytesPerConnection: number;
  /** When 95 % of the connections receive again after a storm. */
  readonly recoveryMs: number;
  readonly deliveredShare: number;
}

export const truths: Readonly<Record<string, Truth>> = {
  "fanwire-bun": {
    kind: "ours",
    writeUs: 6,
    frameUs: 0.4,
    baseMs: 0.3,
    bytesPerConnection: 4100,
    recoveryMs: 900,
    deliveredShare: 1,
  },
  "fanwire-uws": {
    kind: "ours",
    writeUs: 6.3,
    frameUs: 0.5,
    baseMs: 0.35,
    bytesPerConnection: 3600,
    recoveryMs: 1000,
    deliveredShare: 1,
  },
  guide: {
    kind: "peer",
    writeUs: 16,
    frameUs: 9,
    baseMs: 0.9,
    bytesPerConnection: 21_000,
    recoveryMs: 4800,
    deliveredShare: 0.868,
  },
  "socket.io": {
    kind: "peer",
    writeUs: 14,
    frameUs: 8,
    baseMs: 0.8,
    bytesPerConnection: 33_000,
    recoveryMs: 5200,
    deliveredShare: 0.871,
  },
  centrifugo: {
    kind: "peer",
    writeUs: 9,
    frameUs: 2,
    baseMs: 0.6,
    bytesPerConnection: 30_000,
    recoveryMs: 1900,
    deliveredShare: 0.995,
  },
  "bare-bun": {
    kind: "control",
    writeUs: 5.8,
    frameUs: 0.35,
    baseMs: 0.27,
    bytesPerConnection: 2300,
    recoveryMs: 700,
    deliveredShare: 0.87,
  },
  "raw-floor": {
    kind: "control",
    writeUs: 5.2,
    frameUs: 0.3,
    baseMs: 0.25,
    bytesPerConnection: 1900,
    recoveryMs: 600,
    deliveredShare: 0.87,
  },
};

export interface SyntheticSettings {
  readonly seed?: number;
  readonly rounds?: number;
  readonly plan?: SuiteResult["plan"];
  /** Of each round and target, as a share: 0.03 is a spread of some 3 %. */
  readonly noise?: number;
  /** Every cost and latency of this target is so many times its truth. */
  readonly factor?: Readonly<Record<string, number>>;
  readonly scenarios?: readonly Scenario[];
  readonly targets?: readonly string[];
  /** Draws the noise, where two results of one seed are to differ by chance. */
  readonly sitting?: number;
  readonly flagsOf?: (scenario: Scenario, target: string, round: number) => Run["flags"];
}

const machine = {
  cpu: "Synthetic",
  cores: 2,
  memoryGiB: 24,
  kernel: "6.18.44",
  loadAverage: "0.10 0.10 0.10 1/100 1",
  versions: { bun: "1.4.5", node: "v20.20.2" },
  commit: "0123456789abcdef0123456789abcdef01234567",
  uncommitted: [],
};

export function syntheticSuite(settings: SyntheticSettings = {}): SuiteResult {
  const {
    seed = 1,
    rounds = 6,
    plan = "full",
    targets = Object.keys(truths),
    scenarios = allScenarios,
  } = settings;
  const random = seededRandom((settings.sitting ?? seed) * 7919 + 17);
  const runs: Run[] = [];
  for (let round = 0; round < rounds; round++) {
    const weather = 1 + (random() - 0.5) * 0.1;
    for (const target of targets) {
      const noise = 1 + (random() - 0.5) * 2 * (settings.noise ?? 0.03);
      const truth = truths[target] as Truth;
      const slowdown = weather * noise * (settings.factor?.[target] ?? 1);
      const arm: Arm = { target, truth, round, slowdown, settings };
      runs.push(...scenarios.flatMap((scenario) => makers[scenario](arm)));
    }
  }
  return {
    schema: 2,
    kind: "suite",
    ...{ seed, plan, machine, runs },
    startedAt: "2026-11-24T09:00:00.000Z",
    endedAt: "2026-11-24T10:00:00.000Z",
    command: ["--full"],
    unavailable: { "bare-uws": "uWebSockets.js is not installed" },
  };
}

interface Arm {
  readonly target: string;
  readonly truth: Truth;
  readonly round: number;
  readonly slowdown: number;
  readonly settings: SyntheticSettings;
}

interface Shape {
  readonly scenario: Scenario;
  readonly workload: string;
  readonly deployment?: Deployment;
  readonly subscribers: number;
  readonly rate: number;
  readonly burst?: number;
}

const seconds = 10;
const redis = (nodes: NodeCount): Deployment => ({ nodes, bridge: "redis", entry: "direct" });

/** A run as the truth has it: cost per delivery, and latency that grows as the core fills. */
function runOf(
  { target, truth, round, slowdown, settings }: Arm,
  shape: Shape,
  extra: Partial<Run> = {},
): Run {
  const { scenario, workload, deployment = oneNode, subscribers, rate, burst = 1 } = shape;
  const hops = deployment.nodes - 1;
  const nodeUs = (truth.writeUs / burst + truth.frameUs) * subscribers + 20 + 6 * hops;
  const busy = Math.min(0.98, (rate * nodeUs * slowdown) / 1e6);
  const p50 = (truth.baseMs + hops * 0.4 + (subscribers * truth.writeUs) / 2e3) / (1 - busy);
  const publications = rate * seconds;
  const deliveries = publications * subscribers;
  const latency = (medianMs: number) => histogramOf(medianMs * slowdown, publications);
  const offered = { publicationsPerSecond: rate, deliveriesPerSecond: rate * subscribers };
  return {
    ...{ scenario, round, offered, achieved: offered, publications, deliveries, framesPerChunk: burst },
    target: {
      ...{ name: target, kind: truth.kind, deployment },
      versions: { [target]: "1.0.0" },
      settings: { compression: false },
    },
    workload: {
      ...({ name: workload, mode: "stream", connections: subscribers, topics: 1, publishers: 1 } as const),
      spec: { kind: workload, mode: "stream", subscribers },
    },
    seed: 1000 + round,
    startedAt: "2026-11-24T09:00:00.000Z",
    ...{ elapsedMs: seconds * 1000, durationMs: seconds * 1000, publicationsPerBurst: burst },
    ...{
      bytesPerDelivery: 172,
      expectedDeliveries: deliveries,
      wallNs: seconds * 1e9,
      idleCpuNsPerSecond: 1e6,
    },
    cpuNs: {
      node: nodeUs * publications * 1000 * slowdown,
      redis: deployment.bridge === "redis" ? (8 + 3 * deployment.nodes) * publications * 1000 * slowdown : 0,
      haproxy: deployment.entry === "haproxy" ? 4 * deliveries * 1000 : 0,
      generator: 5 * deliveries * 1000,
    },
    rssBytes: { node: 90e6, redis: 8e6, haproxy: 0 },
    histograms: {
      fromIntended: latency(p50),
      fromSent: latency(p50 * 0.95),
      lastReceiver: latency(p50 * 2),
      lateness: histogramOf(0.05, publications),
    },
    ...{ lost: 0, doubled: 0, disordered: 0, skipped: 0 },
    perSecond: [],
    flags: settings.flagsOf?.(scenario, target, round) ?? [],
    ...extra,
  };
}

const made = new Map<string, string>();

/** Medians are rounded to a percent: thousands of histograms would take most of a test's time. */
function histogramOf(medianMs: number, publications: number): string {
  const rounded = Math.exp(Math.round(Math.log(medianMs) * 100) / 100) * 1e6;
  const key = `${rounded} ${publications}`;
  const known = made.get(key) ?? drawn(rounded, publications);
  made.set(key, known);
  return known;
}

/** Log-logistic, from its own quantiles: a middle and a tail, the same for the same arguments. */
function drawn(medianNs: number, publications: number): string {
  const histogram = createHistogram();
  const steps = 200;
  for (let step = 0; step < steps; step++) {
    const share = (step + 0.5) / steps;
    const value = medianNs * Math.exp(0.25 * Math.log(share / (1 - share)));
    histogram.recordValueWithCount(
      Math.max(1, Math.round(value)),
      Math.max(1, Math.round(publications / steps)),
    );
  }
  return encode(histogram);
}

const makers: Readonly<Record<Scenario, (arm: Arm) => Run[]>> = {
  cpu: (arm) =>
    [1, 8, 32].map((burst) =>
      runOf(arm, { scenario: "cpu", workload: "writes", subscribers: 200, rate: 100, burst }),
    ),
  latency: (arm) =>
    ["rooms", "trading"].map((workload) =>
      runOf(arm, { scenario: "latency", workload, subscribers: 32, rate: 500 }),
    ),
  ramp: (arm) =>
    [100, 400, 1000].map((subscribers) =>
      runOf(arm, { scenario: "ramp", workload: "fanout", subscribers, rate: 12 }),
    ),
  capacity,
  memory: (arm) => {
    const slope = arm.truth.bytesPerConnection * arm.slowdown;
    const steps = [500, 2000, 5000].map((connections) => ({
      connections,
      rssBytes: 60e6 + slope * connections,
    }));
    const memory = { steps, bytesPerConnection: slope };
    return [runOf(arm, { scenario: "memory", workload: "idle", subscribers: 1, rate: 1 }, { memory })];
  },
  storm: (arm) => [recovery(arm, "storm")],
  kill: (arm) => (arm.truth.kind === "control" ? [] : [recovery(arm, "kill")]),
  disconnects: (arm) => {
    const disconnects = {
      ...{ cuts: 400, offlineMs: 2000, deliveredShare: arm.truth.deliveredShare },
      recovers: arm.truth.deliveredShare > 0.99,
    };
    return [
      runOf(arm, { scenario: "disconnects", workload: "rooms", subscribers: 100, rate: 20 }, { disconnects }),
    ];
  },
  cross: (arm) =>
    arm.truth.kind === "control"
      ? []
      : [
          runOf(arm, {
            scenario: "cross",
            workload: "cross",
            subscribers: 1,
            rate: 200,
            deployment: redis(2),
          }),
        ],
  scale: (arm) =>
    arm.truth.kind !== "ours"
      ? []
      : ([1, 2, 3, 4] as const).flatMap((nodes) =>
          [50, 200].map((subscribers) =>
            runOf(arm, {
              scenario: "scale",
              workload: "fanout",
              subscribers,
              rate: 20,
              deployment: redis(nodes),
            }),
          ),
        ),
};

const allScenarios = Object.keys(makers) as Scenario[];

/** A ramp by 1.25 until the core is full, then beyond the knee and after it. */
function capacity(arm: Arm): Run[] {
  const subscribers = 100;
  const costUs = (arm.truth.writeUs + arm.truth.frameUs) * subscribers + 20;
  const full = 1e6 / costUs;
  const rates = Array.from({ length: 14 }, (_, step) => 60 * 1.25 ** step).filter((rate) => rate < full);
  const steps = [
    ...rates.map((rate) => ({ rate, step: "ramp" as const })),
    { rate: full * 0.93, step: "bisect" as const },
    { rate: full * 1.02, step: "over" as const },
    { rate: full * 0.4, step: "after" as const },
  ];
  return steps.map(({ rate, step }) => {
    const shape: Shape = { scenario: "capacity", workload: "rooms", subscribers, rate: Math.round(rate) };
    const within = { ms5: rate < full * 0.7, ms10: rate < full * 0.85, ms50: rate < full };
    const deliveriesPerCoreSecond = (1e6 / costUs / arm.slowdown) * subscribers;
    return runOf(arm, shape, { capacity: { step, within, deliveriesPerCoreSecond } });
  });
}

function recovery(arm: Arm, scenario: "storm" | "kill"): Run {
  const wanted = 2000;
  const most = arm.truth.recoveryMs * arm.slowdown;
  const share = (atMs: number, delay: number) =>
    Math.round(wanted * Math.min(1, Math.max(0, (atMs - delay) / (most * 1.05 - delay))));
  const points = Array.from({ length: 70 }, (_, slice) => {
    const atMs = slice * 100;
    return {
      atMs,
      ready: share(atMs, 50),
      receiving: share(atMs, 200),
      worstNs: slice === 0 ? 0 : 4e6 + 30e6 * Math.exp(-slice / 9),
    };
  });
  const receivingMs = { half: most / 2, most, all: most * 1.05 };
  const deployment = scenario === "kill" ? redis(2) : oneNode;
  const shape: Shape = { scenario, workload: "rooms", subscribers: wanted, rate: 10, deployment };
  return runOf(arm, shape, { timeline: { points, wanted, receivingMs, missing: 0 } });
}
