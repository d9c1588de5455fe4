// What can be measured: a system that is started in a deployment, pinned, and stopped again. Knows no workload's numbers.

import type { Workload } from "./workload.ts";

export type NodeCount = 1 | 2 | 3 | 4;

export interface Deployment {
  readonly nodes: NodeCount;
  /** What carries publications between nodes. `memory` is for one node alone. */
  readonly bridge: "memory" | "redis";
  /** Whether clients connect to the nodes themselves, in turn, or to an HAProxy before them. */
  readonly entry: "direct" | "haproxy";
}

export const oneNode: Deployment = { nodes: 1, bridge: "memory", entry: "direct" };

/** As it stands in tables and file names: `1 node`, `2 nodes, redis`, `2 nodes, redis, haproxy`. */
export const deploymentName = ({ nodes, bridge, entry }: Deployment): string =>
  [
    `${nodes} node${nodes === 1 ? "" : "s"}`,
    ...(bridge === "redis" ? ["redis"] : []),
    ...(entry === "haproxy" ? ["haproxy"] : []),
  ].join(", ");

/** Every arm is pinned alike: all of a target's processes share this core, the generator has the other one. */
export interface Placement {
  readonly core: number;
}

export type Role = "node" | "redis" | "haproxy";

export interface TargetProcess {
  readonly role: Role;
  readonly pid: number;
}

export interface RunningTarget {
  /** Where clients connect, on 127.0.0.1: each node's port in their order, or the proxy's one. */
  readonly ports: readonly number[];
  /** Everything whose CPU time and memory is the target's. A process that a role needs several of stands here for each. */
  readonly processes: readonly TargetProcess[];
  /** What was set beside the defaults, as it is printed with each result. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Of the target and what it needs: runtime, libraries, Redis, HAProxy. */
  readonly versions: Readonly<Record<string, string>>;
  /** Ends the node's process at once (SIGKILL) and resolves when it is gone. */
  killNode(node: number): Promise<void>;
  /** Ends everything and resolves when it is gone; may be called once more without harm. */
  stop(): Promise<void>;
}

export interface Target {
  /** As `--target` takes it: fanwire-bun, fanwire-uws, bare-bun, bare-uws, raw-floor, guide, socket.io, centrifugo. */
  readonly name: string;
  /** ours: fanwire. control: what no server with the same engine or kernel can beat. peer: another system. */
  readonly kind: "ours" | "control" | "peer";
  /** Another way to set up a target of the list: measured only when it is named. Default: false. */
  readonly isVariant?: boolean;
  /** The key of the protocol in protocols/all.ts. */
  readonly protocol: string;
  /** One sentence why it cannot run on this machine (a program is missing), or undefined. */
  unavailable(): Promise<string | undefined>;
  /** Makes it available if that can be done here, in minutes; why it could not, `unavailable` or standard error says. */
  prepare?(): Promise<void>;
  /** Whether it can do this at all; what it cannot do is left out of a table, not counted against it. */
  supports(deployment: Deployment, workload: Workload): boolean;
  /** Resolves once every port accepts connections. */
  start(deployment: Deployment, placement: Placement): Promise<RunningTarget>;
}
