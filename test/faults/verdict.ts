// What came of a fault: counts what is lost, doubled and out of order, and says what breaks a promise. Pure.

import type { Case } from "./cases.ts";
import type { Load } from "./load.ts";
import { volatileName } from "./publisher.ts";
import type { Followed } from "./sightings.ts";

export interface Verdict {
  readonly fault: string;
  readonly victim: string;
  readonly acknowledged: number;
  readonly repeated: number;
  readonly deliveries: number;
  readonly disconnects: number;
  readonly expired: number;
  readonly lostLinks: number;
  /** Of `stream`, over all subscribers: acknowledged and never seen. */
  readonly lost: number;
  /** Seen twice; `redone`: again in the epoch that followed one that is forgotten, without having been acknowledged before. */
  readonly doubled: number;
  readonly redone: number;
  readonly outOfOrder: number;
  /** Per `stream` topic and subscriber: the fewest and the most. */
  readonly resets: string;
  /** Of `latest`: keys that a subscriber has another value of. */
  readonly stale: number;
  /** Of `volatile`: the share that arrived of what the own node and what the other one acknowledged. */
  readonly volatileLocal: number;
  readonly volatileRemote: number;
  /** Of deliveries in streams, from when they were first sent: half of them are faster than the one, 99 % than the other. */
  readonly delayMs: { readonly p50: number; readonly p99: number };
  /** Everything that must not be, in words; empty: the promises were kept. */
  readonly broken: readonly string[];
}

/** Of any place. */
type AnyLoad = Pick<Load<string>, "publishers" | "subscribers">;
type Counted = Pick<Verdict, "lost" | "doubled" | "redone" | "outOfOrder">;

export function judge(load: AnyLoad, fault: Case, lostLinks: number, said: readonly string[]): Verdict {
  const { subscribers, publishers } = load;
  const streams = publishers.filter(({ topic }) => topic.startsWith("room:"));
  const counted = countStreams(load);
  const resets = followedOf(load, "stream").map(({ resets: count }) => count);
  const [fewest, most] = [Math.min(...resets), Math.max(...resets)];
  const stale = countStale(load);
  const local = volatileShare(load, true);
  const clients = [...subscribers, ...publishers];
  const disconnects = sum(clients.map((client) => client.disconnects));
  const turnedAway = clients.flatMap((client) => client.turnedAway);
  const broken = [
    ...said,
    ...subscribers.flatMap(({ sightings }) => sightings.complaints.slice(0, 3)),
    ...publishers.flatMap(({ refusals }) => refusals.slice(0, 3)),
    ...wrong(!fault.forgets && counted.lost, "acknowledged publications are lost"),
    ...wrong(counted.doubled, "publications are doubled"),
    ...wrong(!fault.forgets && counted.redone, "publications happened in two epochs"),
    ...wrong(counted.outOfOrder, "publications are out of order"),
    ...wrong(fewest !== fault.resets || most !== fault.resets, `resets are not ${fault.resets} each`),
    ...wrong(stale, "values are not the newest"),
    ...wrong(fault.keepsConnections && disconnects, "connections were lost"),
    ...wrong(
      fault.turnsNobodyAway && turnedAway.length,
      `handshakes were refused: ${[...new Set(turnedAway)]}`,
    ),
    ...wrong(!fault.losesVolatile && local < 1, "volatile publications missed on the own node"),
    ...wrong(fault.isNoticed && lostLinks === 0, "no node noticed the fault"),
    ...wrong(fault.hasShortTokens && subscribers.every(({ expired }) => expired === 0), "no token expired"),
  ];
  return {
    fault: fault.name,
    victim: fault.victim ?? "",
    acknowledged: sum(streams.map(({ acknowledged }) => acknowledged.size)),
    repeated: sum(publishers.map(({ repeated }) => repeated)),
    deliveries: sum(followedOf(load, "stream").map(({ deliveries }) => deliveries)),
    disconnects,
    expired: sum(subscribers.map(({ expired }) => expired)),
    lostLinks,
    ...counted,
    resets: fewest === most ? `${most}` : `${fewest}–${most}`,
    stale,
    volatileLocal: local,
    volatileRemote: volatileShare(load, false),
    delayMs: delays(load),
    broken,
  };
}

/** One line per fault, and what is wrong with it under it. */
export function table(verdicts: readonly Verdict[]): string {
  const heads =
    "fault|node|acked|repeated|delivered|lost|doubled|redone|disorder|resets|stale|local|remote|p99";
  const rows = verdicts.map((verdict) => [
    verdict.fault,
    verdict.victim || "both",
    ...[verdict.acknowledged, verdict.repeated, verdict.deliveries, verdict.lost, verdict.doubled],
    ...[verdict.redone, verdict.outOfOrder, verdict.resets, verdict.stale],
    ...[verdict.volatileLocal, verdict.volatileRemote].map((share) => `${(share * 100).toFixed(1)} %`),
    `${verdict.delayMs.p99} ms`,
  ]);
  const all = [heads.split("|"), ...rows.map((row) => row.map(String))];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const lines = all.map((row) =>
    row.map((cell, at) => (at < 2 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join("  "),
  );
  const notes = verdicts.map(({ broken }) => broken.map((what) => `\n  BROKEN: ${what}`).join(""));
  return lines.map((line, index) => line + (notes[index - 1] ?? "")).join("\n");
}

function countStreams({ subscribers, publishers }: AnyLoad): Counted {
  const counted = { lost: 0, doubled: 0, redone: 0, outOfOrder: 0 };
  /** What every subscriber must have seen at a position: the first who saw it, or its acknowledgement, says what. */
  const placed = new Map<string, string>();
  const acknowledged = new Map<string, string>();
  for (const { name, topic, acknowledged: own } of publishers) {
    if (!topic.startsWith("room:")) continue;
    for (const [number, position] of own) {
      const id = `${topic} ${name} ${number}`;
      acknowledged.set(id, position);
      placed.set(`${topic} ${position}`, id);
    }
  }
  for (const { sightings } of subscribers) {
    const missing = new Set(acknowledged.keys());
    const epochs = new Map<string, string>();
    const last = new Map<string, number>();
    for (const [topic, { seen }] of sightings.topics) {
      for (const { epoch, offset, publication } of seen) {
        const writer = `${topic} ${publication.publisher}`;
        const id = `${writer} ${publication.number}`;
        const position = `${topic} ${epoch}:${offset}`;
        const expected = placed.get(position);
        if (expected === undefined) placed.set(position, id);
        else if (expected !== id) counted.outOfOrder += 1;
        const before = epochs.get(id);
        const wasOwed = before !== undefined && acknowledged.get(id)?.startsWith(`${before}:`);
        if (before !== undefined && (before === epoch || wasOwed)) counted.doubled += 1;
        else if (before !== undefined) counted.redone += 1;
        else if (publication.number < (last.get(writer) ?? 0)) counted.outOfOrder += 1;
        epochs.set(id, epoch);
        last.set(writer, Math.max(publication.number, last.get(writer) ?? 0));
        missing.delete(id);
      }
    }
    counted.lost += missing.size;
  }
  return counted;
}

function countStale({ subscribers, publishers }: AnyLoad): number {
  let stale = 0;
  for (const { topic, name, acknowledged } of publishers) {
    if (!topic.startsWith("ticker:")) continue;
    const newest = Math.max(...acknowledged.keys());
    const values = subscribers.map(({ sightings }) => sightings.topics.get(topic)!.numbers.get(name));
    stale += values.filter((value) => value !== newest).length;
  }
  return stale;
}

/** Only of those who stayed where they were: who is away misses what is volatile. */
function volatileShare({ subscribers, publishers }: AnyLoad, isLocal: boolean): number {
  let [owed, came] = [0, 0];
  const stayed = subscribers.filter(({ disconnects }) => disconnects === 0);
  const isHere = (each: AnyLoad["subscribers"][number], home: string) => (each.home === home) === isLocal;
  for (const { topic, name, home, acknowledged, disconnects } of publishers) {
    if (!topic.startsWith("game:") || disconnects > 0) continue;
    for (const { sightings } of stayed.filter((each) => isHere(each, home))) {
      const followed = sightings.topics.get(topic);
      if (!followed) continue;
      owed += acknowledged.size;
      came += followed.counts.get(volatileName(name, 0)) ?? 0;
    }
  }
  return owed === 0 ? 1 : came / owed;
}

function delays({ subscribers }: AnyLoad): Verdict["delayMs"] {
  const sorted = subscribers.flatMap(({ sightings }) => sightings.delaysMs).sort((one, other) => one - other);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50: at(0.5), p99: at(0.99) };
}

function followedOf({ subscribers }: AnyLoad, mode: Followed["mode"]): readonly Followed[] {
  const all = subscribers.flatMap(({ sightings }) => [...sightings.topics.values()]);
  return all.filter((followed) => followed.mode === mode);
}

function wrong(isSo: number | boolean | undefined, what: string): readonly string[] {
  if (!isSo) return [];
  return [typeof isSo === "number" ? `${isSo} ${what}` : what];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
