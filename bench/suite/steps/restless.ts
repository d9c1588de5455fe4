// Connections that do not last: everybody at once (a storm), those of a node that is killed, and cuts again and again under load.

import { stepMs } from "../estimate.ts";
import { gather, type MeasureSettings, measure, warmUp } from "../measure.ts";
import { type Deployment, oneNode } from "../target.ts";
import type { Workload } from "../workload.ts";
import { createWorkload } from "../workloads/all.ts";
import type { Step, StepScope } from "./step.ts";

/** What is away, missing or late is what is measured; only disorder is nobody's excuse. */
const exempt = ["connections-cut", "lost", "not-everybody-connected", "publisher-late", "server-saturated"];

/** So many topics that each connection hears something a few times a second, whoever is away. */
function workloadOf(connections: number, mode: "volatile" | "stream"): Workload {
  const rooms = Math.max(1, Math.round(connections / 50));
  const shape = { roomsEach: 1, publishers: 4, bytes: 128 };
  return createWorkload({ kind: "rooms", mode, rooms, connections, ...shape });
}

/** Each room has ten publications a second. */
const rateOf = ({ topics }: Workload): number => 10 * topics;

interface Restless {
  readonly scenario: "storm" | "kill" | "disconnects";
  readonly workload: Workload;
  readonly deployment: Deployment;
  readonly settings: Pick<MeasureSettings, "durationMs" | "unrest">;
  readonly size: RestlessSize;
}

export interface RestlessSize extends StepScope {
  readonly connections: number;
  readonly durationMs: number;
}

function restless({ scenario, workload, deployment, settings, size }: Restless): Step {
  const rate = rateOf(workload);
  const { only, rounds } = size;
  return {
    ...{ scenario, name: scenario, deployment, workload },
    estimateMs: stepMs(workload.connections, warmUpMs, settings.durationMs),
    wantsFresh: true,
    only,
    rounds,
    async run(bench) {
      const { ports } = bench.running;
      // A node that is killed must not take the publishers with it.
      const everywhere = { subscribers: ports, publishers: ports.slice(-1) };
      const audience = await gather(bench, workload, everywhere, true);
      await warmUp(bench, rate, warmUpMs);
      const unrest = settings.unrest && { ...settings.unrest, ports: placesOf(scenario, ports) };
      const begins = () => {
        if (scenario === "kill") setTimeout(() => void bench.running.killNode(0), killAtMs);
      };
      const { durationMs } = settings;
      return [
        await measure(bench, audience, {
          scenario,
          rate,
          exempt,
          begins,
          durationMs,
          ...(unrest && { unrest }),
        }),
      ];
    },
  };
}

const warmUpMs = 500;
const killAtMs = 500;

/** After a kill clients try the nodes in turn, as with a list of addresses; a dead one refuses at once. */
const placesOf = (scenario: string, ports: readonly number[]): readonly number[] =>
  scenario === "kill" && ports.length > 1 ? ports.slice(1) : ports;

const quiet = { ports: [], offlineMs: 0, spreadMs: 0, cutsAtMs: [], share: 0 };

/** Nine of ten connections end at the same moment and return at once. */
export function storm(size: RestlessSize): Step {
  const { connections, durationMs } = size;
  const unrest = { ...quiet, cutsAtMs: [500], share: 0.9 };
  const workload = workloadOf(connections, "stream");
  const settings = { durationMs, unrest };
  return restless({ scenario: "storm", workload, deployment: oneNode, settings, size });
}

/** The first of two nodes is killed; its connections return to the other one, spread over a second as clients' back-off does. */
export function kill(size: RestlessSize): Step {
  const { connections, durationMs } = size;
  const deployment: Deployment = { nodes: 2, bridge: "redis", entry: "direct" };
  const unrest = { ...quiet, spreadMs: Math.min(1000, durationMs / 4) };
  const workload = workloadOf(connections, "stream");
  const settings = { durationMs, unrest };
  return restless({ scenario: "kill", workload, deployment, settings, size });
}

/** Every two seconds a fifth of all connections is cut, and stays away for half a second to one. */
export function disconnects(size: RestlessSize): Step {
  const { connections, durationMs } = size;
  const cutsAtMs = [];
  // The last ones are back before the end.
  for (let atMs = 300; atMs < durationMs - 2500; atMs += 2000) cutsAtMs.push(atMs);
  if (cutsAtMs.length === 0) cutsAtMs.push(300);
  const offlineMs = Math.min(500, durationMs / 8);
  const unrest = { ...quiet, cutsAtMs, share: 0.2, offlineMs, spreadMs: offlineMs };
  const workload = workloadOf(connections, "stream");
  const settings = { durationMs, unrest };
  return restless({ scenario: "disconnects", workload, deployment: oneNode, settings, size });
}
