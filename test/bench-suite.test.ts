// The suite's arithmetic: the account of what arrived, one clock over processes, the search for capacity, every flag of its own.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { sharedClock } from "../bench/measure/clock.ts";
import { seededRandom, shuffled } from "../bench/measure/stats.ts";
import type { WindowFacts } from "../bench/measure/validity.ts";
import { isInvalid, type SuiteFacts, suiteFlags, suiteRuleNames } from "../bench/suite/flags.ts";
import { Account, windowSize } from "../bench/suite/load/account.ts";
import { sequencesOf } from "../bench/suite/load/sequences.ts";
import { nextLoad, type Searched } from "../bench/suite/steps/capacity-search.ts";
import { audienceOf } from "../bench/suite/workload.ts";
import { createWorkload } from "../bench/suite/workloads/all.ts";
import { specs } from "./support/workload-specs.ts";

describe("the account", () => {
  const workload = createWorkload(specs.game!);
  const schedule = workload.schedule(4, 0, 1000);
  const numbers = Array.from({ length: workload.connections }, (_, i) => i);
  const startNs = 5e9;

  interface Delivery {
    readonly connection: number;
    readonly index: number;
  }

  /** Everything that is to be delivered, in order. */
  const all: Delivery[] = [];
  schedule.topic.forEach((topic, index) => {
    for (const connection of numbers) {
      if (workload.members(connection).includes(topic)) all.push({ connection, index });
    }
  });

  function accountOf(deliveries: readonly Delivery[]): Account {
    const account = new Account(workload, schedule, numbers, 3, startNs);
    for (const { connection, index } of deliveries) {
      const sentNs = schedule.atMs[index]! * 1e6 + 1000;
      account.delivery(connection, 3 * windowSize + index, sentNs, startNs + sentNs + 5000);
    }
    account.close();
    return account;
  }

  test("of a sound window has nothing missing, and both latencies", async () => {
    const account = accountOf(all);
    expect(account.received).toBe(all.length);
    expect(account.expected).toBe(all.length);
    const { lost, doubled, disordered, strange } = account;
    expect({ lost, doubled, disordered, strange }).toEqual({
      lost: 0,
      doubled: 0,
      disordered: 0,
      strange: 0,
    });
    expect(account.fromSent.mean).toBeGreaterThan(4990);
    expect(account.fromSent.mean).toBeLessThan(5010);
    expect(account.fromIntended.mean).toBeGreaterThan(5990);
    expect(account.receivers.every((count) => count === 4)).toBe(true);
    expect(account.perSecond.reduce((sum, one) => sum + one.deliveries, 0)).toBe(all.length);
    await account.complete(60_000);
  });

  test("counts exactly what is taken out, put in twice or overtaken, wherever that is", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 0, max: 30 }), (seed, count) => {
        const random = seededRandom(seed);
        const chosen = shuffled(
          all.map((_, place) => place),
          random,
        );
        const gone = new Set(chosen.slice(0, count));
        const twice = new Set(chosen.slice(count, 2 * count));
        const deliveries = all.flatMap((one, place) =>
          gone.has(place) ? [] : twice.has(place) ? [one, one] : [one],
        );
        const account = accountOf(deliveries);
        expect(account.lost).toBe(count);
        expect(account.doubled).toBe(count);
        expect(account.disordered).toBe(0);
      }),
      { numRuns: 40, seed: 1 },
    );
  });

  test("calls a delivery that was overtaken disordered, not lost", () => {
    const sequences = sequencesOf(schedule, workload.topics);
    const isPair = (one: Delivery, other: Delivery) =>
      one.connection === other.connection &&
      schedule.topic[one.index] === schedule.topic[other.index] &&
      schedule.publisher[one.index] === schedule.publisher[other.index] &&
      sequences.ordinal[other.index] === sequences.ordinal[one.index]! + 1;
    const first = all.findIndex((one) => all.some((other) => isPair(one, other)));
    const second = all.findIndex((other) => isPair(all[first]!, other));
    const swapped = [...all];
    [swapped[first], swapped[second]] = [all[second]!, all[first]!];
    const { lost, doubled, disordered } = accountOf(swapped);
    expect({ lost, doubled, disordered }).toEqual({ lost: 0, doubled: 0, disordered: 1 });
  });

  test("has no place for another window's publications, another room's, or ones that nobody planned", () => {
    const account = new Account(workload, schedule, numbers, 3, startNs);
    account.delivery(0, 2 * windowSize, 0, startNs);
    account.delivery(0, 3 * windowSize + schedule.topic.length, 0, startNs);
    const foreign = schedule.topic.findIndex((topic) => topic !== 0);
    account.delivery(0, 3 * windowSize + foreign, 0, startNs);
    expect(account.strange).toBe(3);
    expect(account.received).toBe(0);
  });

  test("of latest skips what newer values replaced and loses nothing", () => {
    const latest = createWorkload(specs.trading!);
    const planned = latest.schedule(1, 300, 1000);
    const everybody = Array.from({ length: latest.connections }, (_, i) => i);
    const account = new Account(latest, planned, everybody, 1, 0);
    let left = 0;
    planned.topic.forEach((topic, index) => {
      for (const connection of everybody) {
        if (!latest.members(connection).includes(topic)) continue;
        if (index % 3 === 0) left++;
        else account.delivery(connection, windowSize + index, 0, planned.atMs[index]! * 1e6 + 1);
      }
    });
    account.close();
    expect(account.skipped).toBe(left);
    expect(account.lost).toBe(0);
  });

  test("numbers publications per publisher and topic", () => {
    const { ordinal, publishers } = sequencesOf(
      {
        atMs: new Float64Array(5),
        topic: Uint32Array.from([0, 0, 1, 0, 1]),
        publisher: Uint32Array.from([2, 5, 2, 2, 2]),
        bytes: new Uint16Array(5),
      },
      2,
    );
    expect([...ordinal]).toEqual([0, 0, 0, 1, 1]);
    expect([...publishers]).toEqual([2, 1]);
    expect([...audienceOf(workload)]).toEqual([4, 4, 4]);
  });
});

test("the shared clock is one clock in two processes: a child's reading lies between two of its parent's", async () => {
  const clock = sharedClock();
  const module = new URL("../bench/measure/clock.ts", import.meta.url).pathname;
  const script = `import { sharedClock } from "${module}"; const now = sharedClock();
    for await (const _ of console) console.log(now());`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdin: "pipe", stdout: "pipe" });
  const reader = child.stdout.getReader();
  const errors: number[] = [];
  for (let i = 0; i < 20; i++) {
    const before = clock();
    child.stdin.write("?\n");
    await child.stdin.flush();
    const { value } = await reader.read();
    const after = clock();
    const told = Number(new TextDecoder().decode(value));
    // A microsecond for the offsets' own error.
    expect(told).toBeGreaterThan(before - 1000);
    expect(told).toBeLessThan(after + 1000);
    errors.push((after - before) / 2);
  }
  // The check would mean nothing if the two readings were far apart.
  expect(Math.min(...errors)).toBeLessThan(5e6);
  child.kill();
  await child.exited;
});

describe("the search for capacity", () => {
  function search(capacity: number, first = 16_000): Searched[] {
    const searched: Searched[] = [];
    for (;;) {
      const next = nextLoad(searched, first);
      if (next === undefined) return searched;
      searched.push({ deliveries: next.deliveries, isGood: next.deliveries <= capacity });
    }
  }

  test("finds what is there, from below to within twenty percent, in few steps", () => {
    fc.assert(
      fc.property(fc.integer({ min: 3000, max: 900_000 }), (capacity) => {
        const searched = search(capacity);
        const best = Math.max(...searched.filter(({ isGood }) => isGood).map(({ deliveries }) => deliveries));
        expect(searched.length).toBeLessThanOrEqual(12);
        expect(best).toBeLessThanOrEqual(capacity);
        expect(best).toBeGreaterThan(capacity / 1.2001);
      }),
      { seed: 1 },
    );
  });

  test("gives up where nothing is good", () => {
    expect(search(0).map(({ deliveries }) => deliveries)).toEqual([16_000, 4000, 1000]);
  });
});

describe("the suite's validity", () => {
  const sound: SuiteFacts = {
    latency: [{ percentile: 50, intendedNs: 1e6, sentNs: 1e6 }],
    wanted: 10,
    firstError: undefined,
    byProcess: [
      { expected: 500, received: 500 },
      { expected: 500, received: 500 },
    ],
    strange: 0,
    doubled: 0,
    ...({
      connections: 10,
      connectionsCut: 0,
      unexpectedFrames: 0,
      publicationsPlanned: 100,
      publicationsSent: 100,
      expected: 1000,
      received: 1000,
      lost: 0,
      disordered: 0,
      plannedNs: 1e9,
      elapsedNs: 1e9,
      lowestLatencyNs: 20_000,
      generatorBusy: 0.4,
      serverBusy: 0.4,
      foreignBusy: 0.01,
      stealShare: 0,
      serverNs: 4e8,
      serverCoarseNs: 4e8,
      framesPerChunk: 1,
      latenessP99Ns: 1000,
      lastReceiverP50Ns: 1e6,
    } satisfies WindowFacts),
  };
  const trips: Readonly<Record<string, Partial<SuiteFacts>>> = {
    "not-everybody-connected": { connections: 9, firstError: "refused" },
    "silent-receivers": {
      byProcess: [
        { expected: 500, received: 500 },
        { expected: 500, received: 0 },
      ],
    },
    "strange-publications": { strange: 1 },
    doubled: { doubled: 1 },
    "publisher-late": { latency: [{ percentile: 99, intendedNs: 1.2e6, sentNs: 1e6 }] },
  };

  test("finds nothing wrong with a sound run", () => {
    expect(suiteFlags(sound, [])).toEqual([]);
  });

  test("every rule of the suite's own has a case here that trips it", () => {
    expect(Object.keys(trips).sort()).toEqual([...suiteRuleNames].sort());
  });

  test.each(Object.entries(trips))("%s is flagged, and forbids a headline", (name, fault) => {
    const isOfLatency = name === "publisher-late";
    const flags = suiteFlags({ ...sound, ...fault }, []);
    expect(flags.map((flag) => flag.name)).toEqual([name]);
    expect(isInvalid(flags)).toBe(!isOfLatency);
    expect(suiteFlags({ ...sound, ...fault }, [name])).toEqual([]);
  });

  test("a late publisher whose lateness is a small part of the latency is none", () => {
    const latency = [{ percentile: 50, intendedNs: 1.09e6, sentNs: 1e6 }];
    expect(suiteFlags({ ...sound, latency, latenessP99Ns: 2e5 }, [])).toEqual([]);
    const quick = [{ percentile: 50, intendedNs: 3.9e5, sentNs: 3e5 }];
    expect(suiteFlags({ ...sound, latency: quick }, [])).toEqual([]);
    const late = [{ percentile: 50, intendedNs: 4.1e5, sentNs: 3e5 }];
    expect(suiteFlags({ ...sound, latency: late }, [])).toHaveLength(1);
  });

  test("the rules of every window hold too", () => {
    expect(isInvalid(suiteFlags({ ...sound, lost: 1 }, []))).toBe(true);
  });
});
