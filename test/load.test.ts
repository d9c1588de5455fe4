import { expect, test } from "bun:test";
import { keptSamples, LoadHistory, type LoadReading } from "../src/console/load.ts";

const still = {
  connections: 3,
  publications: 0,
  deliveries: 0,
  cpuMs: 0,
  delayMs: 1,
  memoryBytes: 5,
  bufferedBytes: 7,
};

function history() {
  let reading: LoadReading = { atMs: 0, ...still };
  let now = 1_000_000;
  const load = new LoadHistory(
    () => reading,
    () => now,
  );
  return {
    load,
    tick: (elapsedMs: number, change: Partial<LoadReading> = {}) => {
      reading = { ...reading, ...change, atMs: reading.atMs + elapsedMs };
      now += elapsedMs;
      load.tick();
    },
  };
}

test("a second's rates are by the time that it really took", () => {
  const { load, tick } = history();
  tick(1000, { publications: 10, deliveries: 1000, cpuMs: 250 });
  tick(2000, { publications: 20, deliveries: 1000, cpuMs: 2250 });
  tick(500);
  const rates = load.after(0).map((sample) => {
    return [sample.publicationsPerSecond, sample.deliveriesPerSecond, sample.cpuShare];
  });
  expect(rates).toEqual([
    [10, 1000, 0.25],
    [5, 0, 1],
    [0, 0, 0],
  ]);
  expect(load.after(0)[0]).toMatchObject({
    timestamp: 1_001_000,
    connections: 3,
    delayMs: 1,
    bufferedBytes: 7,
  });
});

test("two ticks in one moment make one sample", () => {
  const { load, tick } = history();
  tick(1000);
  tick(0);
  expect(load.after(0).length).toBe(1);
});

test("who knows some samples is told the newer ones, and five minutes are kept", () => {
  const { load, tick } = history();
  for (let second = 1; second <= keptSamples + 20; second++) tick(1000);
  const all = load.after(0).map(({ timestamp }) => timestamp);
  expect(all.length).toBe(keptSamples);
  expect(all.at(-1)).toBe(1_000_000 + (keptSamples + 20) * 1000);
  expect(load.after(all.at(-3)!).map(({ timestamp }) => timestamp)).toEqual(all.slice(-2));
  expect(load.after(all.at(-1)!)).toEqual([]);
});
