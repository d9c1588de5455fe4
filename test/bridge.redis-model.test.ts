// The contract suite of the bridge over Redis, over the model of one: what a simulation finds is the bridge's and not the model's.

import { randomUUID } from "node:crypto";
import { testBridge } from "./contract/bridge.ts";
import { ModelRedis } from "./support/model-redis.ts";
import { createRedisBridge } from "./support/redis-nodes.ts";
import { SteppedClock } from "./support/stepped-clock.ts";

/** Enough for a question, its answer and what that brings about, each of which takes a turn there and one back. */
const turns = 12;

async function settle(): Promise<void> {
  for (let turn = 0; turn < turns; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

testBridge("over the model of a Redis", async () => {
  const clock = new SteppedClock(settle, 1_000_000);
  const redis = new ModelRedis({
    clock: {
      now: () => clock.now(),
      after: (delayMs, work) => {
        if (delayMs > 0) return clock.after(delayMs, work);
        const turn = setImmediate(work);
        return () => clearImmediate(turn);
      },
    },
    delayMs: () => 0,
    newId: randomUUID,
  });
  const bridge = createRedisBridge(["model"], { connect: redis.connect }, clock);
  return { bridge, wait: (ms) => clock.wait(ms), end: () => bridge.close() };
});
