// The contract of a Redis, by the model that simulations run on, in real time.

import { testRedis } from "./contract/redis.ts";
import { ModelRedis } from "./support/model-redis.ts";

testRedis("the model of a Redis", async () => {
  let ids = 0;
  const redis = new ModelRedis({
    clock: {
      now: () => performance.now(),
      after: (delayMs, work) => {
        const timer = setTimeout(work, delayMs);
        return () => clearTimeout(timer);
      },
    },
    delayMs: () => 0,
    newId: () => `replid-${++ids}`,
  });
  return {
    address: "model",
    connect: redis.connect,
    killConnections: async () => {
      for (const connection of redis.connections) connection.cut();
    },
    flushScripts: async () => redis.flushScripts(),
    restart: async (keepsData) => redis.restart(keepsData ? "data" : "nothing"),
    pause: () => redis.pause(),
    resume: () => redis.resume(),
    end: async () => undefined,
  };
});
