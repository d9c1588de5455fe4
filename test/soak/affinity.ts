// Room affinity: what HAProxy's ring does with 1,000 rooms of Zipf sizes, and what `?room=` saves over three nodes:
// `npm run soak -- affinity [--rooms 1000] [--members 6000] [--publications 1000] [--seed 1]`.

import { table } from "../../bench/measure/report.ts";
import { quantile } from "../../bench/measure/stats.ts";
import { type CrossingResult, crossingFaults, measureCrossing } from "../affinity/crossing.ts";
import { measureRing, type RingResult, ringFaults } from "../affinity/ring.ts";
import { zipfSizes } from "../affinity/rooms.ts";
import { writeResult } from "./result.ts";
import { numbersOf } from "./words.ts";

const options = { rooms: 1000, members: 6000, publications: 1000, seed: 1 };
const nodeCounts = [3, 10];
const sets = 20;

/** Answers the exit code: 0 where the ring moved no more than it must, and nothing was lost. */
export async function soakAffinity(words: readonly string[]): Promise<number> {
  const { rooms, members, publications, seed } = numbersOf(words, options);
  const startedAt = new Date();
  const sizes = zipfSizes(rooms, members);
  const rings: RingResult[] = [];
  for (const nodes of nodeCounts) rings.push(await measureRing({ nodes, sizes, sets }));
  console.log(`${rooms} rooms, ${sizes[0]} members in the largest\n\n${describedRings(rings)}\n`);
  const crossings: CrossingResult[] = [];
  for await (const result of measureCrossing({ sizes, publications, seed })) crossings.push(result);
  console.log(describedCrossings(crossings));
  const broken = [...rings.flatMap(ringFaults), ...crossingFaults(crossings)];
  for (const what of broken) console.log(`BROKEN: ${what}`);
  writeResult("affinity", startedAt, { rooms, publications, seed, sets, rings, crossings, broken });
  return broken.length === 0 ? 0 : 1;
}

export function describedRings(rings: readonly RingResult[]): string {
  const heads = ["ring", "rooms, max/mean", "worst", "members, max/mean", "worst"];
  const moves = ["a node leaves: rooms moved", "of others", "not back"];
  const rows = rings.map(({ nodes, rooms, members, departures }) => {
    const moved = departures.map((departure) => departure.moved / departure.keys);
    const sum = (name: "movedOfOthers" | "astray") =>
      departures.reduce((total, departure) => total + departure[name], 0);
    return [
      `${nodes} nodes`,
      ...[rooms, members].flatMap((values) => [
        quantile(values, 0.5).toFixed(2),
        Math.max(...values).toFixed(2),
      ]),
      `${percent(Math.min(...moved))} to ${percent(Math.max(...moved))} (1/N ${percent(1 / nodes)})`,
      `${sum("movedOfOthers")}`,
      `${sum("astray")}`,
    ];
  });
  return table([...heads, ...moves], rows);
}

export function describedCrossings(results: readonly CrossingResult[]): string {
  const heads = ["placed", "connections by node", "max/mean", "rooms on one node"];
  const more = ["publications with a receiver elsewhere", "deliveries elsewhere", "nodes per publication"];
  const rows = results.map((result) => [
    result.placement.name,
    result.connections.join(" "),
    result.unevenness.toFixed(2),
    percent(result.roomsTogether / result.rooms),
    percent(result.crossing / result.publications),
    percent(result.crossingDeliveries / result.deliveries),
    result.nodesPerPublication.toFixed(2),
  ]);
  return table([...heads, ...more], rows);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
