// The instruments of the soaks with real clients: what is lost, doubled, out of order or silently begun anew is found.

import { describe, expect, test } from "bun:test";
import type { GroupReport } from "./fleet/group.ts";
import { judge } from "./fleet/judgement.ts";
import { Notes } from "./fleet/written.ts";

type Event = number | { readonly reset: string; readonly offset: number };

/** What a member notes that is told this, beginning in epoch `a`. */
function notesOf(events: readonly Event[]): Notes {
  const notes = new Notes();
  let epoch = "a";
  notes.subscribed({ epoch, offset: 0 });
  for (const event of events) {
    if (typeof event === "number") notes.message({ epoch, offset: event });
    else {
      epoch = event.reset;
      notes.reset({ epoch, offset: event.offset });
    }
  }
  return notes;
}

interface Told {
  readonly events: readonly Event[];
  /** By number: where it was acknowledged. */
  readonly acknowledged?: readonly (readonly [number: number, place: string])[];
  readonly seen?: Readonly<Record<string, string>>;
}

/** One process for each of these, with one member that listens to `room:0`. */
function reportsOf(told: readonly Told[]): readonly GroupReport[] {
  return told.map(({ events, acknowledged = [], seen = {} }, index) => ({
    seen: { "room:0": seen },
    complaints: [],
    members: [
      {
        name: `member-${index}`,
        topics: { "room:0": notesOf(events) },
        acknowledged: acknowledged.map(([number, place]) => [number, `room:0 ${place}`] as const),
        refusals: [],
        outages: [{ lostAtMs: 1000, backAtMs: 1200 }],
        deliveries: events.length,
        late: [],
      },
    ],
  }));
}

const three = [
  [1, "a:1"],
  [2, "a:2"],
  [3, "a:3"],
] as const;

describe("the judgement", () => {
  test("has nothing to say where everybody saw everything", () => {
    const reports = reportsOf([{ events: [1, 2, 3], acknowledged: three }, { events: [1, 2, 3] }]);
    const counted = { lost: 0, announced: 0, doubled: 0, disordered: 0, resets: [0, 0], broken: [] };
    expect(judge(reports, 0)).toMatchObject({ ...counted, acknowledged: 3, outageMs: [200, 200, 200] });
  });

  test.each([
    ["at the end", [1, 2], 1, 0],
    ["in the middle", [1, 3], 1, 1],
    ["at the beginning", [2, 3], 1, 1],
  ] as const)("finds what is missing %s", (_, events, lost, disordered) => {
    const verdict = judge(reportsOf([{ events: [1, 2, 3], acknowledged: three }, { events }]), 0);
    expect(verdict).toMatchObject({ lost, disordered });
    expect(verdict.broken).toContain("1 deliveries of acknowledged publications are lost");
  });

  test.each([[[1, 2, 2, 3]], [[1, 3, 2]]])("finds doubles and disorder in %j", (events) => {
    const { broken, disordered } = judge(reportsOf([{ events }]), 0);
    expect(disordered).toBeGreaterThan(0);
    expect(broken).toContain(`${disordered} messages are out of order`);
  });

  test("finds one publication in two places, and two publications in one place", () => {
    const twice = { events: [], seen: { "a:1": "m 1", "a:2": "m 1" } };
    expect(judge(reportsOf([twice]), 0).broken).toEqual(["1 publications are in two places"]);
    const one = { events: [], seen: { "a:1": "m 1" } };
    const other = { events: [], seen: { "a:1": "m 2" } };
    expect(judge(reportsOf([one, other]), 0).broken).toEqual(["1 messages are out of order"]);
    const told = { events: [1], seen: { "a:1": "m 1" }, acknowledged: [[1, "a:1"]] as const };
    expect(judge(reportsOf([told]), 0).broken).toEqual(["1 messages are out of order"]);
  });

  test("lets a client begin anew as often as Redis did, and with a new epoch", () => {
    const events = [1, 2, { reset: "b", offset: 0 }, 1, 2];
    const acknowledged = [...three, [4, "b:1"], [5, "b:2"]] as const;
    const reports = reportsOf([{ events, acknowledged }]);
    expect(judge(reports, 1)).toMatchObject({ lost: 0, announced: 1, resets: [1, 1], broken: [] });
    expect(judge(reports, 0).broken).toEqual(["1 resets more than the 0 there may be"]);
    const inEpoch = reportsOf([{ events: [1, { reset: "a", offset: 1 }, 2] }]);
    expect(judge(inEpoch, 1).broken).toContain("1 resets without a new epoch");
  });

  test("takes a reset for an excuse only between where the client was and where the new epoch begins", () => {
    const reset = { reset: "b", offset: 1 };
    const acknowledged = [...three, [4, "b:1"], [5, "b:2"], [6, "b:3"]] as const;
    const judged = (...events: readonly Event[]) => judge(reportsOf([{ events, acknowledged }]), 1);
    expect(judged(1, 2, reset, 2, 3)).toMatchObject({ lost: 0, announced: 2, disordered: 0, broken: [] });
    expect(judged(1, 3, reset, 2, 3)).toMatchObject({ lost: 1, announced: 1, disordered: 1 });
    expect(judged(1, 2, reset, 3)).toMatchObject({ lost: 1, announced: 2, disordered: 1 });
    expect(judged(1, 2, reset, 2)).toMatchObject({ lost: 1, announced: 2, disordered: 0 });
    const over = { reset: "c", offset: 0 };
    expect(judged(1, 2, over, 1)).toMatchObject({ lost: 0, announced: 4, disordered: 0, broken: [] });
    expect(judged(1, 2, reset, 2, over, 1)).toMatchObject({ lost: 0, announced: 3, disordered: 0 });
  });
});
