// What a fleet's reports add up to: counts what is lost, doubled and out of order, and says what breaks a promise. Pure.

import type { Position } from "../../src/client/client.ts";
import type { GroupReport } from "./group.ts";
import { lateMs, type MemberReport } from "./member.ts";
import type { Run, TopicNotes } from "./written.ts";

export interface Judgement {
  readonly acknowledged: number;
  readonly deliveries: number;
  /** Acknowledged, and missing at a member where no `reset` says so. Each missing delivery counts. */
  readonly lost: number;
  /** Acknowledged, and missing where a `reset` with a new epoch left it out: from where the old one was seen last to where that begins. */
  readonly announced: number;
  /** One publication in two places. */
  readonly doubled: number;
  /** Two publications in one place, or a message that did not follow the one before. */
  readonly disordered: number;
  /** Per member and topic: the fewest and the most. */
  readonly resets: readonly [fewest: number, most: number];
  /** Connections that were lost and came back, and how long that took at the median, at 99 %, and at most, in milliseconds. */
  readonly outages: number;
  readonly outageMs: readonly [p50: number, p99: number, most: number];
  /** Everything that must not be, in words; empty: the promises were kept. */
  readonly broken: readonly string[];
}

/** `mostResets`: how often Redis was started anew, which is how often each topic may have begun anew. */
export function judge(reports: readonly GroupReport[], mostResets: number): Judgement {
  const members = reports.flatMap((report) => report.members);
  const notes = members.flatMap(({ topics }) => Object.values(topics));
  const { doubled, conflicts } = placesOf(reports);
  const { lost, announced } = missing(members);
  const disordered = conflicts + notes.reduce((sum, { runs }) => sum + breaks(runs), 0);
  const resets = notes.map((each) => each.resets);
  const lengths = outageLengths(members);
  const broken = [
    ...reports.flatMap(({ complaints }) => complaints),
    ...members.flatMap(({ refusals }) => refusals.slice(0, 3)).slice(0, 20),
    ...wrong(lost, "deliveries of acknowledged publications are lost"),
    ...wrong(doubled, "publications are in two places"),
    ...wrong(disordered, "messages are out of order"),
    ...wrong(sumOf(notes, "resetsInEpoch"), "resets without a new epoch"),
    ...wrong(
      Math.max(0, Math.max(...resets) - mostResets),
      `resets more than the ${mostResets} there may be`,
    ),
  ];
  return {
    acknowledged: members.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
    deliveries: members.reduce((sum, { deliveries }) => sum + deliveries, 0),
    ...{ lost, announced, doubled, disordered },
    resets: [Math.min(...resets), Math.max(...resets)],
    outages: lengths.length,
    outageMs: [quantile(lengths, 0.5), quantile(lengths, 0.99), lengths.at(-1) ?? 0],
    broken,
  };
}

/** The value that so large a part of these is not above; they are in order. */
export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}

/** What 99 % of deliveries took at most, by the times of those that were late, in order; `lateMs` stands for itself and less. */
export function p99Of(late: readonly number[], deliveries: number): number {
  const beyond = Math.floor(deliveries * 0.01);
  return late.length > beyond ? late[late.length - 1 - beyond]! : lateMs;
}

/** How long members were away or behind, in order. */
export function outageLengths(members: readonly MemberReport[]): readonly number[] {
  return members
    .flatMap(({ outages }) => outages)
    .map(({ lostAtMs, backAtMs }) => (backAtMs ?? Number.POSITIVE_INFINITY) - lostAtMs)
    .sort((one, other) => one - other);
}

/** Runs that nothing explains: a message was doubled or left out before each of them. */
function breaks(runs: readonly Run[]): number {
  return runs.filter((run, index) => {
    const before = runs[index - 1];
    return before && (!run.isAfterReset || before.epoch === run.epoch);
  }).length;
}

/** Compares what different processes saw, and what publishers were told, in one place. */
function placesOf(reports: readonly GroupReport[]): { doubled: number; conflicts: number } {
  const publications = new Map<string, string>();
  const places = new Map<string, Set<string>>();
  let conflicts = 0;
  const note = (place: string, publication: string) => {
    const known = publications.get(place);
    if (known === undefined) publications.set(place, publication);
    else if (known !== publication) conflicts += 1;
    const own = `${place.split(" ")[0]} ${publication}`;
    places.set(own, (places.get(own) ?? new Set()).add(place));
  };
  for (const { seen, members } of reports) {
    for (const [topic, all] of Object.entries(seen)) {
      for (const [place, publication] of Object.entries(all)) note(`${topic} ${place}`, publication);
    }
    for (const { name, acknowledged } of members) {
      for (const [number, place] of acknowledged) note(place, `${name} ${number}`);
    }
  }
  return { doubled: [...places.values()].filter(({ size }) => size > 1).length, conflicts };
}

function missing(members: readonly MemberReport[]): { lost: number; announced: number } {
  const owed = Map.groupBy(
    members.flatMap(({ acknowledged }) => acknowledged.map(([, place]) => positionOf(place))),
    ({ topic }) => topic,
  );
  let [lost, announced] = [0, 0];
  for (const { topics } of members) {
    for (const [topic, { runs }] of Object.entries(topics)) {
      for (const position of owed.get(topic) ?? []) {
        if (has(runs, position)) continue;
        if (isAnnounced(runs, position)) announced += 1;
        else lost += 1;
      }
    }
  }
  return { lost, announced };
}

interface Placed extends Position {
  readonly topic: string;
}

function positionOf(place: string): Placed {
  const [, topic = "", epoch = "", offset] = /^(\S+) (.*):(\d+)$/.exec(place)!;
  return { topic, epoch, offset: Number(offset) };
}

function has(runs: readonly Run[], { epoch, offset }: Position): boolean {
  return runs.some((run) => run.epoch === epoch && run.from <= offset && offset <= run.to);
}

/** Whether a `reset` leaves this out: it ends the epoch before it, says where its own begins, and may leave whole epochs out. */
function isAnnounced(runs: readonly Run[], { epoch, offset }: Position): boolean {
  const isElsewhere = runs.every((run) => run.epoch !== epoch);
  return runs.some((run, index) => {
    const before = runs[index - 1];
    if (!run.isAfterReset || !before) return false;
    if (epoch === before.epoch) return offset > before.to;
    return epoch === run.epoch ? offset < run.from : isElsewhere;
  });
}

function sumOf(notes: readonly TopicNotes[], field: "resetsInEpoch"): number {
  return notes.reduce((sum, each) => sum + each[field], 0);
}

function wrong(count: number, what: string): readonly string[] {
  return count === 0 ? [] : [`${count} ${what}`];
}
