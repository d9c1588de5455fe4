// Room affinity with a hundred rooms: only the rooms of a node that leaves move, and come back; members who name their room meet.
// A thousand rooms: `npm run soak -- affinity`.

import { expect, test } from "bun:test";
import { type CrossingResult, crossingFaults, measureCrossing } from "./affinity/crossing.ts";
import { measureRing, ringFaults } from "./affinity/ring.ts";
import { unevenness, zipfSizes } from "./affinity/rooms.ts";
import { describedCrossings, describedRings } from "./soak/affinity.ts";

const timeoutMs = 120_000;

test("rooms have a few large ones and many small ones, and a node's load is measured by an even share", () => {
  const sizes = zipfSizes(1000, 6000);
  expect([sizes[0], sizes[1], sizes[9], sizes[999]]).toEqual([802, 401, 80, 2]);
  expect(sizes.reduce((sum, size) => sum + size)).toBeWithin(6000, 6600);
  expect(unevenness([10, 10, 10])).toBe(1);
  expect(unevenness([20, 5, 5])).toBe(2);
});

test(
  "only the rooms of a node that leaves move, and they come back with it",
  async () => {
    const result = await measureRing({ nodes: 3, sizes: zipfSizes(200, 1000), sets: 2 });
    console.log(describedRings([result]));
    expect(ringFaults(result)).toEqual([]);
    expect(result.departures.map(({ how }) => how)).toEqual(["failing", "draining", "failing"]);
    expect(result.departures.reduce((sum, { moved }) => sum + moved, 0)).toBe(200);
  },
  timeoutMs,
);

test(
  "publications cross to other nodes where clients do not name their room, and hardly ever where they do",
  async () => {
    const plan = { sizes: zipfSizes(100, 400), publications: 150, seed: 1 };
    const results: CrossingResult[] = [];
    for await (const result of measureCrossing(plan)) results.push(result);
    console.log(describedCrossings(results));
    expect(crossingFaults(results)).toEqual([]);
    const [byUser, unbounded] = results;
    expect(byUser!.crossing).toBeGreaterThan(100);
    expect(unbounded).toMatchObject({ roomsTogether: 100, crossing: 0, nodesPerPublication: 1 });
  },
  timeoutMs,
);
