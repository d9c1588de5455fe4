// The contract of a Redis, by a real one.

import { afterAll, beforeAll } from "bun:test";
import { connect } from "../src/bridge/connection.ts";
import { testRedis } from "./contract/redis.ts";
import { RedisServer } from "./support/redis-server.ts";

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.end());

testRedis("a real Redis", async () => {
  await server.command("FLUSHALL");
  await server.command("SCRIPT", "FLUSH");
  return {
    address: server.address,
    connect,
    killConnections: async () => {
      await server.command("CLIENT", "KILL", "TYPE", "normal");
      await server.command("CLIENT", "KILL", "TYPE", "pubsub");
    },
    flushScripts: async () => void (await server.command("SCRIPT", "FLUSH")),
    restart: async (keepsData) => {
      if (keepsData) return server.restart();
      await server.kill();
      await server.revive({ isEmpty: true });
    },
    pause: () => server.pause(),
    resume: () => server.resume(),
    end: async () => undefined,
  };
});
