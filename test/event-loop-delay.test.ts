import { expect, test } from "bun:test";
import { beatMs, EventLoopDelay } from "../src/metrics/event-loop-delay.ts";

const { boundsSeconds } = EventLoopDelay;
const bucketOf = (seconds: number) => boundsSeconds.findIndex((bound) => seconds <= bound);

test("each second counts with its longest delay, and only with that", () => {
  const delay = new EventLoopDelay();
  let now = 1000;
  const beat = (lateMs: number) => {
    now += beatMs + lateMs;
    delay.beat(now);
  };
  delay.beat(now);
  for (const lateMs of [0, 300, 1, 30]) beat(lateMs);
  delay.tick();
  beat(15);
  delay.tick();
  const expected = boundsSeconds.map(() => 0);
  expected[bucketOf(0.3)]! += 1;
  expected[bucketOf(0.015)]! += 1;
  expect(delay.counts).toEqual([...expected, 0]);
  expect(delay.sumSeconds).toBeCloseTo(0.315);
});

test("a delay beyond all bounds is counted too, and a punctual second as no delay", () => {
  const delay = new EventLoopDelay();
  delay.beat(0);
  delay.beat(60_000);
  delay.tick();
  delay.beat(60_000 + beatMs);
  delay.tick();
  expect([delay.counts.at(0), delay.counts.at(-1)]).toEqual([1, 1]);
  expect(delay.sumSeconds).toBeCloseTo(60 - beatMs / 1000);
});

test("what blocks the process is seen, also by two servers of one process", async () => {
  const delays = [new EventLoopDelay(), new EventLoopDelay()];
  for (const delay of delays) delay.start();
  const until = performance.now() + 300;
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 2 * beatMs));
  delays[0]!.tick();
  delays[0]!.close();
  delays[1]!.tick();
  delays[1]!.close();
  for (const { sumSeconds } of delays) expect(sumSeconds).toBeGreaterThan(0.15);
});
