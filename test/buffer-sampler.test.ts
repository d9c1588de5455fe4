import { expect, test } from "bun:test";
import { BufferSampler, socketsPerTick } from "../src/connections/buffer-sampler.ts";

function connections(count: number) {
  let looks = 0;
  const all = Array.from({ length: count }, (_, index) => ({
    index,
    socket: {
      bufferedBytes: () => {
        looks += 1;
        return index;
      },
    },
  }));
  return { set: new Set(all), all, looks: () => looks };
}

test("a tick tells what waits in all sockets and in the fullest one", () => {
  const { set } = connections(100);
  const sampler = new BufferSampler(set);
  sampler.tick();
  expect([sampler.sumBytes, sampler.maxBytes]).toEqual([4950, 99]);
  set.clear();
  sampler.tick();
  expect([sampler.sumBytes, sampler.maxBytes]).toEqual([0, 0]);
});

test("a tick looks at no more sockets than it may, and a round goes on where the last tick stopped", () => {
  const count = 2.5 * socketsPerTick;
  const { set, looks } = connections(count);
  const sampler = new BufferSampler(set);
  for (const looked of [1, 2]) {
    sampler.tick();
    expect(looks()).toBe(looked * socketsPerTick);
    expect(sampler.sumBytes).toBe(0);
  }
  sampler.tick();
  expect(looks()).toBe(count);
  expect([sampler.sumBytes, sampler.maxBytes]).toEqual([(count * (count - 1)) / 2, count - 1]);
});

test("connections may come and go in the middle of a round", () => {
  const { set, all } = connections(2 * socketsPerTick);
  const sampler = new BufferSampler(set);
  sampler.tick();
  for (const connection of all) if (connection.index % 2 === 0) set.delete(connection);
  set.add({ index: 0, socket: { bufferedBytes: () => 1_000_000_000 } });
  sampler.tick();
  const seen = all.filter(({ index }) => index < socketsPerTick || index % 2 === 1);
  expect(sampler.sumBytes).toBe(seen.reduce((sum, { index }) => sum + index, 1_000_000_000));
  expect(sampler.maxBytes).toBe(1_000_000_000);
});
