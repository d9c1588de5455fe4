// The reasons to distrust a run of the suite: the rules of every window (measure/validity.ts) and those that several processes and
// targets bring.

import { flagsOf, type WindowFacts } from "../measure/validity.ts";
import type { RunFlag } from "./result.ts";

export interface SuiteFacts extends WindowFacts {
  /** Connections that the workload has. */
  readonly wanted: number;
  /** Why the first of those missing failed. */
  readonly firstError: string | undefined;
  /** Deliveries that each process of receivers was to have, and had. */
  readonly byProcess: readonly { readonly expected: number; readonly received: number }[];
  /** Publications that nobody planned, or of another window. */
  readonly strange: number;
  /** Deliveries that came twice; also among `disordered` of the window's facts. */
  readonly doubled: number;
  /** Latency, nanoseconds, from the intended time and from the real sending, at p50 and at p99. */
  readonly latency: readonly {
    readonly percentile: number;
    readonly intendedNs: number;
    readonly sentNs: number;
  }[];
}

/**
 * So much of a latency may be the generator's own lateness, or a tenth of a millisecond: what a process takes to wake up is
 * added to every target alike, which can only make the faster one look less fast.
 */
const publisherShare = 0.1;
const publisherNs = 100_000;

interface Rule {
  readonly name: string;
  /** Default: everything. */
  readonly refuses?: RunFlag["refuses"];
  readonly check: (facts: SuiteFacts) => string | undefined;
}

const rules: readonly Rule[] = [
  {
    name: "not-everybody-connected",
    check: (f) =>
      f.connections < f.wanted
        ? `${f.connections} of ${f.wanted}: ${f.firstError ?? "no reason"}`
        : undefined,
  },
  {
    // Some had everything and some had nothing: a process of the generator stood still, or a node was never linked.
    name: "silent-receivers",
    check: (f) => {
      const silent = f.byProcess.filter(({ expected, received }) => expected > 0 && received === 0).length;
      return silent > 0 && silent < f.byProcess.length
        ? `${silent} of ${f.byProcess.length} processes of receivers had nothing`
        : undefined;
    },
  },
  {
    name: "strange-publications",
    check: (f) => (f.strange > 0 ? `${f.strange} publications of no plan or another window` : undefined),
  },
  {
    name: "doubled",
    check: (f) => (f.doubled > 0 ? `${f.doubled} deliveries came twice` : undefined),
  },
  {
    // Instead of the windows' rule of that name, which asks how late the publisher was and not what that did to the figures:
    // where a delivery takes a millisecond, a twentieth of one at p99 of the lateness would refuse every run.
    name: "publisher-late",
    refuses: "latency",
    check: ({ latency }) => {
      const late = latency.find(
        ({ intendedNs, sentNs }) => intendedNs - sentNs > Math.max(publisherNs, publisherShare * sentNs),
      );
      if (late === undefined) return undefined;
      const [intended, sent] = [late.intendedNs, late.sentNs].map((ns) => `${(ns / 1000).toFixed(1)} µs`);
      return `p${late.percentile} is ${intended} from the intended time, ${sent} from the sending`;
    },
  },
];

export const suiteRuleNames: readonly string[] = rules.map(({ name }) => name);

/** `exempt`: rules that a scenario suspends because they are what it measures. */
export function suiteFlags(facts: SuiteFacts, exempt: readonly string[]): RunFlag[] {
  const own = rules.flatMap(({ name, refuses = "everything", check }) => {
    const detail = exempt.includes(name) ? undefined : check(facts);
    return detail === undefined ? [] : [{ name, detail, refuses }];
  });
  const shared = flagsOf(facts, [...exempt, ...suiteRuleNames]).map(({ name, detail, refuses }) => ({
    name,
    detail,
    refuses,
  }));
  return [...own, ...shared];
}

/** A run with such a flag prints no headline. */
export const isInvalid = (flags: readonly RunFlag[]): boolean =>
  flags.some(({ refuses }) => refuses === "everything");
