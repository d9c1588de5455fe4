import { afterAll, beforeAll } from "bun:test";
import type { RedisConnection } from "../src/bridge/connection.ts";
import { testBridge } from "./contract/bridge.ts";
import { createRedisBridge, lookAt, settleOn } from "./support/redis-nodes.ts";
import { RedisServer } from "./support/redis-server.ts";
import { SteppedClock } from "./support/stepped-clock.ts";

let redis: RedisServer;
let look: RedisConnection;
beforeAll(async () => {
  redis = await RedisServer.start();
  look = await lookAt(redis.url);
});
afterAll(async () => {
  look.close();
  await redis[Symbol.asyncDispose]();
});

testBridge("over Redis", async () => {
  const clock = new SteppedClock(() => settleOn(look), 1_000_000);
  const bridge = createRedisBridge([redis.url], {}, clock);
  return { bridge, wait: (ms) => clock.wait(ms), end: () => bridge.close() };
});
