import { expect, test } from "bun:test";
import { Rendezvous } from "../src/bridge/redis/rendezvous.ts";

const topics = Array.from({ length: 10_000 }, (_, index) => `room:${index}`);
const idsOf = (ids: readonly string[]) => {
  const shards = new Rendezvous(ids);
  return topics.map((topic) => ids[shards.indexOf(topic)]!);
};

test("every node puts a topic on the same shard, in whatever order it names them", () => {
  expect(idsOf(["c", "a", "b"])).toEqual(idsOf(["a", "b", "c"]));
});

test("shards get about as many topics each", () => {
  const counts = new Map<string, number>();
  for (const id of idsOf(["x7", "x8", "x9", "y1"])) counts.set(id, (counts.get(id) ?? 0) + 1);
  for (const count of counts.values()) expect(Math.abs(count - 2500)).toBeLessThan(250);
  expect(counts.size).toBe(4);
});

test("a shard more moves only the topics it gets", () => {
  const before = idsOf(["a", "b", "c"]);
  const after = idsOf(["a", "b", "c", "d"]);
  const moved = after.filter((id, index) => id !== before[index]);
  expect(new Set(moved)).toEqual(new Set(["d"]));
});
