// The reasons to distrust a run. A run that trips one prints its figures but no headline; knows no scenario.

/** What one measured window was like. Counts are of deliveries unless they say otherwise. */
export interface WindowFacts {
  readonly connections: number;
  /** Of these connections, those that were cut. */
  readonly connectionsCut: number;
  /** Frames that are no publication. */
  readonly unexpectedFrames: number;
  readonly publicationsPlanned: number;
  readonly publicationsSent: number;
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  readonly disordered: number;
  readonly plannedNs: number;
  /** From the first intended publication to the last delivery. */
  readonly elapsedNs: number;
  readonly lowestLatencyNs: number;
  /** Share of one core: the load generator without its idle spinning. */
  readonly generatorBusy: number;
  /** Share of one core. */
  readonly serverBusy: number;
  /** Share of one core used by processes that are neither server nor generator. */
  readonly foreignBusy: number;
  readonly stealShare: number;
  /** Server CPU by schedstat and by stat: they must agree. */
  readonly serverNs: number;
  readonly serverCoarseNs: number;
  /** Frames per chunk as the receivers saw them: an upper bound of the messages per write. */
  readonly framesPerChunk: number;
  readonly latenessP99Ns: number;
  readonly lastReceiverP50Ns: number;
}

export type Refusal = "everything" | "latency";

export interface Flag {
  readonly name: string;
  readonly detail: string;
  /** What may not be claimed from the window. */
  readonly refuses: Refusal;
  /** The machine's fault, not the server's: the pair of windows may be measured again. */
  readonly disturbance: boolean;
}

interface Rule {
  readonly name: string;
  readonly refuses?: Refusal;
  readonly disturbance?: boolean;
  /** A sentence when tripped. */
  readonly check: (facts: WindowFacts) => string | undefined;
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const micros = (ns: number): string => `${(ns / 1000).toFixed(1)} µs`;

const rules: readonly Rule[] = [
  { name: "nobody-connected", check: (f) => (f.connections === 0 ? "no connection" : undefined) },
  {
    name: "connections-cut",
    check: (f) =>
      f.connectionsCut >= 0.01 * f.connections && f.connectionsCut > 0
        ? `${f.connectionsCut} of ${f.connections} connections were cut`
        : undefined,
  },
  {
    name: "unexpected-frames",
    check: (f) => (f.unexpectedFrames > 0 ? `${f.unexpectedFrames} frames were no publication` : undefined),
  },
  { name: "nothing-published", check: (f) => (f.publicationsSent === 0 ? "no publication" : undefined) },
  {
    name: "underachieved",
    disturbance: true,
    check: (f) =>
      f.publicationsSent < 0.99 * f.publicationsPlanned
        ? `${f.publicationsSent} of ${f.publicationsPlanned} publications left`
        : undefined,
  },
  {
    name: "too-many-received",
    check: (f) => (f.received > f.expected ? `${f.received} received of ${f.expected}` : undefined),
  },
  {
    name: "lost",
    check: (f) =>
      f.lost > 0 || f.received < f.expected
        ? `${f.lost} gaps, ${f.expected - f.received} of ${f.expected} missing`
        : undefined,
  },
  {
    name: "disordered",
    check: (f) => (f.disordered > 0 ? `${f.disordered} doubles or late ones` : undefined),
  },
  {
    name: "negative-latency",
    check: (f) =>
      f.lowestLatencyNs < 0 ? `a delivery ${micros(-f.lowestLatencyNs)} before its sending` : undefined,
  },
  {
    name: "stalled",
    disturbance: true,
    check: (f) =>
      f.elapsedNs > 1.5 * f.plannedNs
        ? `took ${(f.elapsedNs / f.plannedNs).toFixed(2)} of the planned time`
        : undefined,
  },
  {
    name: "generator-busy",
    disturbance: true,
    check: (f) => (f.generatorBusy > 0.8 ? `load generator at ${percent(f.generatorBusy)}` : undefined),
  },
  {
    name: "server-saturated",
    check: (f) => (f.serverBusy > 0.8 ? `server at ${percent(f.serverBusy)}` : undefined),
  },
  {
    name: "foreign-load",
    disturbance: true,
    check: (f) =>
      f.foreignBusy > 0.1 ? `other processes used ${percent(f.foreignBusy)} of a core` : undefined,
  },
  {
    name: "steal",
    disturbance: true,
    check: (f) =>
      f.stealShare > 0.01 ? `the hypervisor took ${percent(f.stealShare)} of a core` : undefined,
  },
  {
    name: "cpu-mismatch",
    check: (f) =>
      Math.abs(f.serverNs - f.serverCoarseNs) > 0.03 * f.serverNs + 20e6
        ? `schedstat says ${micros(f.serverNs)}, stat ${micros(f.serverCoarseNs)}`
        : undefined,
  },
  {
    name: "coalesced",
    disturbance: true,
    check: (f) =>
      f.framesPerChunk > 1.05 ? `${f.framesPerChunk.toFixed(2)} frames arrived per chunk` : undefined,
  },
  {
    name: "publisher-late",
    refuses: "latency",
    check: (f) =>
      f.latenessP99Ns > 0.1 * f.lastReceiverP50Ns
        ? `p99 of lateness ${micros(f.latenessP99Ns)}, p50 of last receiver ${micros(f.lastReceiverP50Ns)}`
        : undefined,
  },
];

/** `exempt`: rules a scenario suspends, and says so in its report. */
export function flagsOf(facts: WindowFacts, exempt: readonly string[] = []): Flag[] {
  return rules.flatMap(({ name, check, refuses = "everything", disturbance = false }) => {
    const detail = exempt.includes(name) ? undefined : check(facts);
    return detail === undefined ? [] : [{ name, detail, refuses, disturbance }];
  });
}

export const ruleNames: readonly string[] = rules.map((rule) => rule.name);

/** The rounds a headline rests on at least. */
export const minimumRounds = 5;

/** What forbids a headline of a whole comparison, beside the flags of its windows. */
export function comparisonFlags(settings: { readonly rounds: number; readonly quick: boolean }): Flag[] {
  const flags: Flag[] = [];
  const add = (name: string, detail: string) =>
    flags.push({ name, detail, refuses: "everything", disturbance: false });
  if (settings.quick) add("quick", "a quick run shows that the suite works and measures nothing");
  if (settings.rounds < minimumRounds) add("few-rounds", `${settings.rounds} rounds of ${minimumRounds}`);
  return flags;
}
