// What the coordinator and the generator's processes say to each other; plain data, structured-cloned between Bun processes.

import type { Mode } from "../protocol.ts";
import type { WorkloadSpec } from "../workload.ts";

/** Who connects where. */
export interface OpenOrder {
  readonly do: "open";
  /** A key of protocols/all.ts. */
  readonly protocol: string;
  readonly mode: Mode;
  readonly workload: WorkloadSpec;
  /** Connections take them in turn, by their number. */
  readonly ports: readonly number[];
  readonly source: string;
  /** Handshakes at a time. */
  readonly together: number;
  /** Of a receiver: this process has the workload's connections `first`, `first + step` … */
  readonly first: number;
  readonly step: number;
  /** Only those below this number; a further order for the same workload opens the next ones beside them. */
  readonly upTo: number;
  /** Whether members must remember where they are, because their connections will end and come back. */
  readonly isRestless: boolean;
}

/** Draws the schedule, which takes a while, before anything counts. */
export interface PrepareOrder {
  readonly do: "prepare";
  readonly window: number;
  readonly seed: number;
  readonly rate: number;
  readonly durationMs: number;
}

/** The window begins at this time of the shared clock. A publisher answers when it has sent everything, a receiver at once. */
export interface StartOrder {
  readonly do: "start";
  readonly startNs: number;
}

/**
 * Of a receiver, between open and start: its connections come back when they end, and some of them are cut. Times are
 * from the start of the window.
 */
export interface UnrestOrder {
  readonly do: "unrest";
  readonly seed: number;
  /** Where they come back: the first of these that takes them, each from its own place on. */
  readonly ports: readonly number[];
  /** How long a connection stays away, and over how long more the returns are spread. */
  readonly offlineMs: number;
  readonly spreadMs: number;
  /** When connections are cut, and which share of them. */
  readonly cutsAtMs: readonly number[];
  readonly share: number;
}

/** Of a receiver: answers once everything is here or the grace is over. */
export interface FinishOrder {
  readonly do: "finish";
  readonly graceMs: number;
}

export interface CloseOrder {
  readonly do: "close";
}

export type Order = OpenOrder | PrepareOrder | UnrestOrder | StartOrder | FinishOrder | CloseOrder;

export interface OpenAnswer {
  readonly ready: number;
  readonly failed: number;
  readonly firstError?: string | undefined;
  readonly elapsedMs: number;
  /** From the call to ready, nanoseconds, encoded. */
  readonly opening: string;
}

export interface PublisherRecord {
  readonly planned: number;
  readonly sent: number;
  /** Encoded histogram of nanoseconds. */
  readonly lateness: string;
  /** From the start of the window. */
  readonly endedAfterNs: number;
}

export interface ReceiverRecord {
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  readonly doubled: number;
  readonly disordered: number;
  readonly skipped: number;
  readonly strange: number;
  /** Frames that held no publication. */
  readonly strangers: number;
  /** Connections that the server's side ended during the window. */
  readonly cut: number;
  readonly connections: number;
  readonly chunks: number;
  readonly frames: number;
  readonly bytes: number;
  readonly lowestLatencyNs: number;
  readonly lastArrivalAfterNs: number;
  readonly fromIntended: string;
  readonly fromSent: string;
  /** Per publication. */
  readonly receivers: Uint32Array;
  readonly lastAfterNs: Float64Array;
  readonly perSecond: readonly { readonly deliveries: number; readonly worstNs: number }[];
  readonly unrest?: UnrestRecord | undefined;
}

/** What became of a restless window's connections. Milliseconds from its start, ascending. */
export interface UnrestRecord {
  readonly endedMs: readonly number[];
  readonly readyMs: readonly number[];
  /** The first publication after a return. */
  readonly receivingMs: readonly number[];
  /** Largest latency by slice of `sliceMs`, of connections that never ended. */
  readonly worstNs: readonly number[];
  /** Connections that are away at the end. */
  readonly missing: number;
  readonly recovers: boolean;
}

export const sliceMs = 50;

/** The process's own mistakes reach the coordinator instead of a log nobody reads. */
export interface Failure {
  readonly failure: string;
}

export type Answers = {
  open: OpenAnswer;
  prepare: object;
  unrest: object;
  start: PublisherRecord | object;
  finish: ReceiverRecord;
  close: object;
};
