import { expect, test } from "bun:test";
import { type Checked, IdleCheck } from "../src/bridge/redis/idle-check.ts";

function topics(count: number): (Checked & { readonly name: number })[] {
  return Array.from({ length: count }, (_, name) => ({ name, isHeard: false }));
}

test("every topic is due once in a rotation, and about as many at each tick", () => {
  const idle = new IdleCheck<Checked & { readonly name: number }>(15);
  for (const topic of topics(100)) idle.add(topic);
  const seen: number[] = [];
  for (let tick = 0; tick < 15; tick++) {
    const due = idle.tick();
    expect(due.length).toBeGreaterThanOrEqual(6);
    expect(due.length).toBeLessThanOrEqual(7);
    seen.push(...due.map(({ name }) => name));
  }
  expect(new Set(seen).size).toBe(100);
  expect(seen).toHaveLength(100);
});

test("a topic that was heard is passed over once", () => {
  const idle = new IdleCheck<Checked>(3);
  const [topic] = topics(1);
  idle.add(topic!);
  topic!.isHeard = true;
  const rotation = () => [idle.tick(), idle.tick(), idle.tick()].flat();
  expect(rotation()).toEqual([]);
  expect(rotation()).toEqual([topic!]);
  idle.delete(topic!);
  expect(rotation()).toEqual([]);
});
