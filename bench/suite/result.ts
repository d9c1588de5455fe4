// The suite's result as it lies on disk: everything a report needs, and all that it may use. Types only, so that the report
// depends on no code that measured.

import type { Mode } from "./protocol.ts";
import type { Deployment } from "./target.ts";
import type { WorkloadSpec } from "./workload.ts";

export interface SuiteResult {
  readonly schema: 2;
  readonly kind: "suite";
  /** ISO 8601. */
  readonly startedAt: string;
  readonly endedAt: string;
  /** Arguments after `npm run bench --`. */
  readonly command: readonly string[];
  readonly seed: number;
  /** Which plan: `smoke` shows that everything works and judges no number. */
  readonly plan: "smoke" | "quick" | "full";
  /** What measure/machine.ts says: processor, kernel, mitigations, versions, commit. */
  readonly machine: Readonly<Record<string, unknown>>;
  /** Targets that could not run here, with the sentence why. */
  readonly unavailable: Readonly<Record<string, string>>;
  readonly runs: readonly Run[];
  /** Steps that ended with an error instead of a measurement; the run went on with the next one. */
  readonly failures?: readonly FailedStep[];
  /** What ended the run before its plan did; the runs are those made until then. */
  readonly broken?: string;
}

export interface FailedStep {
  readonly target: string;
  readonly scenario: Scenario;
  readonly step: string;
  /** From 0. */
  readonly round: number;
  readonly reason: string;
}

/** What a run is for; a report groups by it. */
export type Scenario =
  /** CPU per delivery at one, 8 and 32 publications per write. */
  | "cpu"
  /** Latency of all targets at the same offered load, one shape each (see `Run.workload`). */
  | "latency"
  /** Last receiver against the number of subscribers. */
  | "ramp"
  /** One point of the search for the highest load within a bound; `Run.capacity` says which. */
  | "capacity"
  /** Resident memory against idle connections: `Run.memory`. */
  | "memory"
  /** Everybody connects at once: `Run.timeline`. */
  | "storm"
  /** A node is killed under load and its connections come back to the others: `Run.timeline`. */
  | "kill"
  /** Connections are cut again and again; what is still delivered: `Run.disconnects`. */
  | "disconnects"
  /** From a publisher on one node to a subscriber on another. */
  | "cross"
  /** CPU per delivery and latency over nodes, for the scale model. */
  | "scale";

export interface RunTarget {
  readonly name: string;
  readonly kind: "ours" | "control" | "peer";
  readonly deployment: Deployment;
  readonly versions: Readonly<Record<string, string>>;
  /** What was set beside the defaults. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface RunWorkload {
  readonly name: string;
  readonly mode: Mode;
  readonly spec: WorkloadSpec;
  readonly connections: number;
  readonly topics: number;
  readonly publishers: number;
}

export interface Rates {
  readonly publicationsPerSecond: number;
  readonly deliveriesPerSecond: number;
}

/** Of the window, nanoseconds. `generator` is all of its processes without the publisher's idle turning. */
export interface RoleCpu {
  readonly node: number;
  readonly redis: number;
  readonly haproxy: number;
  readonly generator: number;
}

/** At the end of the window, bytes. */
export interface RoleMemory {
  readonly node: number;
  readonly redis: number;
  readonly haproxy: number;
}

/** Nanoseconds each, in the compressed HDR encoding as base64 (measure/histogram.ts decodes). Of all processes, added. */
export interface RunHistograms {
  /** Per delivery, from the time its publication was meant to leave. */
  readonly fromIntended: string;
  /** Per delivery, from the time its publication really left. */
  readonly fromSent: string;
  /** Per publication that reached everybody, when the last one had it, from the intended time. */
  readonly lastReceiver: string;
  /** Per publication, how long after its intended time it left. */
  readonly lateness: string;
}

/** The second that begins `second` seconds after the start of the window, by the time of arrival. */
export interface SecondOfRun {
  readonly second: number;
  readonly deliveries: number;
  /** Largest latency from the intended time, nanoseconds. */
  readonly worstNs: number;
}

export interface RunFlag {
  readonly name: string;
  readonly detail: string;
  /** What may not be claimed from the run. A run with any `everything` is invalid. */
  readonly refuses: "everything" | "latency";
}

export interface Run {
  readonly scenario: Scenario;
  readonly target: RunTarget;
  readonly workload: RunWorkload;
  /** Rounds are independent of each other (fresh processes); intervals are over them. From 0. */
  readonly round: number;
  readonly seed: number;
  readonly startedAt: string;
  /** What the schedule asked for. */
  readonly offered: Rates;
  /** What arrived until the last delivery, over the time that took. */
  readonly achieved: Rates;
  /** From the first intended publication to the last delivery. */
  readonly elapsedMs: number;
  readonly durationMs: number;
  /** How many publications the plan meant to leave at once, to one topic; 1 for a paced schedule. */
  readonly publicationsPerBurst: number;
  /** WebSocket frames per received chunk: an upper bound of the frames per write. */
  readonly framesPerChunk: number;
  /** Publications per received chunk: more than frames where a protocol puts several into one. Absent before 24 November 2026. */
  readonly messagesPerChunk?: number;
  /** Payload plus framing, mean bytes per delivery on the wire. */
  readonly bytesPerDelivery: number;
  readonly publications: number;
  readonly deliveries: number;
  readonly expectedDeliveries: number;
  readonly cpuNs: RoleCpu;
  readonly rssBytes: RoleMemory;
  /** Wall-clock nanoseconds of the window that `cpuNs` is of. */
  readonly wallNs: number;
  /** What the target's processes use when nobody publishes, nanoseconds per second; in `cpuNs` too. */
  readonly idleCpuNsPerSecond: number;
  readonly histograms: RunHistograms;
  /** Per (connection, publisher, topic). In `latest`, values that newer ones replaced are `skipped`, not lost. */
  readonly lost: number;
  readonly doubled: number;
  readonly disordered: number;
  readonly skipped: number;
  readonly perSecond: readonly SecondOfRun[];
  readonly flags: readonly RunFlag[];
  readonly capacity?: CapacityPoint;
  readonly memory?: MemoryLadder;
  readonly timeline?: Timeline;
  readonly disconnects?: Disconnects;
}

/** Why this load was offered: the search's own step. A search is all capacity runs of one target, workload and round. */
export interface CapacityPoint {
  /** ramp: upwards until it breaks. bisect: between the highest good and the lowest bad. over: 1.2 × the knee. after: recovery. */
  readonly step: "ramp" | "bisect" | "over" | "after";
  /** Whether p99 from the intended time was within 5, 10 and 50 ms and at least 99 % of the offered load arrived. */
  readonly within: { readonly ms5: boolean; readonly ms10: boolean; readonly ms50: boolean };
  /** Deliveries per second of the target's CPU time, all of its processes together. */
  readonly deliveriesPerCoreSecond: number;
}

export interface MemoryLadder {
  readonly steps: readonly { readonly connections: number; readonly rssBytes: number }[];
  /** Slope of the least-squares line. */
  readonly bytesPerConnection: number;
}

/** Of a storm or a kill; milliseconds from the moment it began. */
export interface Timeline {
  readonly points: readonly {
    readonly atMs: number;
    /** Connections that are ready. */
    readonly ready: number;
    /** Connections that have had a publication since they became ready. */
    readonly receiving: number;
    /** Largest latency of connections that were never cut, in the slice that ends here; 0 without any. */
    readonly worstNs: number;
  }[];
  readonly wanted: number;
  /** When this share of the wanted connections was receiving (again); null: never. */
  readonly receivingMs: {
    readonly half: number | null;
    readonly most: number | null;
    readonly all: number | null;
  };
  /** Connections that never came back. */
  readonly missing: number;
}

export interface Disconnects {
  readonly cuts: number;
  readonly offlineMs: number;
  /** Of the publications a connection should have had, offline ones included, the share it had in the end. */
  readonly deliveredShare: number;
  /** Whether the protocol asked for what it had missed. */
  readonly recovers: boolean;
}
