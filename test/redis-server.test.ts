// The Redis that tests use and break: what it says of itself must be so.

import { expect, test } from "bun:test";
import { RedisServer } from "./support/redis-server.ts";

test("it comes back with what it held after an orderly end, and after a crash only with what it had to write down", async () => {
  await using redis = await RedisServer.start();
  const value = () => redis.command("GET", "a");
  expect(await redis.command("SET", "a", "1")).toBe("OK");
  await redis.restart();
  expect(await value()).toBe("1");
  await redis.command("SET", "a", "2");
  await redis.kill();
  await redis.revive();
  expect(await value()).toBe("1");
  await redis.kill();
  await redis.revive({ isEmpty: true });
  expect(await value()).toBe("");
  await using written = await RedisServer.start({
    directives: ["--appendonly", "yes", "--appendfsync", "always"],
  });
  await written.command("SET", "a", "1");
  await written.kill();
  await written.revive();
  expect(await written.command("GET", "a")).toBe("1");
});

test("paused it answers nothing, and then what it was asked meanwhile", async () => {
  await using redis = await RedisServer.start();
  redis.pause();
  let hasAnswered = false;
  const answer = redis.command("PING").then((text) => {
    hasAnswered = true;
    return text;
  });
  await Bun.sleep(100);
  expect(hasAnswered).toBe(false);
  redis.resume();
  expect(await answer).toBe("PONG");
});
