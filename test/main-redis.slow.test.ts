// A node with Redis as a process, on both runtimes: where it refuses to start, and that a Redis that is away is no such case.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Peer } from "./support/peer.ts";
import { Process, runtimes } from "./support/process.ts";
import { RedisServer } from "./support/redis-server.ts";

const timeoutMs = 30_000;
const secret = "s3cret-and-nobodys";
let redis: RedisServer;
let guarded: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
  guarded = await RedisServer.start({ directives: ["--requirepass", secret] });
});
afterAll(() => Promise.all([redis.end(), guarded.end()]));

describe.each(runtimes)("on $engine", ({ command, engine }) => {
  const start = (env: Record<string, string>) => new Process(command, { FANWIRE_PORT: "0", ...env });

  async function refusal(env: Record<string, string>): Promise<string> {
    const { code, stdout, stderr } = await start(env).exit();
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr.indexOf("\n")).toBe(stderr.length - 1);
    return stderr;
  }

  test(
    "a Redis that does not let it in stops the start with one line, without the password",
    async () => {
      const url = `redis://:${secret}-not@127.0.0.1:${guarded.port}`;
      const line = await refusal({ FANWIRE_REDIS_URL: url });
      const shown = `redis.urls.0 is "redis://127.0.0.1:${guarded.port}": must be a Redis that lets this node in`;
      expect(line).toStartWith(`fanwire: ${shown} (WRONGPASS `);
      expect(line).not.toContain(secret);
    },
    timeoutMs,
  );

  test(
    "another mode than the running nodes' stops the start with one line that names both",
    async () => {
      const env = { FANWIRE_REDIS_URL: redis.url, FANWIRE_REDIS_PREFIX: `${engine}:` };
      const running = start(env);
      await running.event("listening");
      const path = `${redis.folder}/${engine}.json`;
      await Bun.write(path, '{"namespaces": {"ticker": {"mode": "stream"}}}');
      const line = await refusal({ ...env, FANWIRE_CONFIG: path });
      expect(line).toStartWith("fanwire: namespace ticker is stream here and latest on the node ");
      running.kill("SIGTERM");
      expect(await running.exit()).toMatchObject({ code: 0, stderr: "" });
    },
    timeoutMs,
  );

  test(
    "a Redis that is away is waited for, and a signal ends the wait",
    async () => {
      const node = start({ FANWIRE_REDIS_URL: "redis://127.0.0.1:1" });
      const { port } = await node.event("listening");
      expect(await node.event("redis-away")).toMatchObject({ level: "warn", address: "redis://127.0.0.1:1" });
      const ready = await fetch(`http://127.0.0.1:${port}/ready`);
      expect([ready.status, await ready.text()]).toEqual([
        404,
        "not ready: the bridge between nodes is not proven alive\n",
      ]);
      node.kill("SIGTERM");
      expect(await node.exit()).toMatchObject({ code: 0, stderr: "" });
    },
    timeoutMs,
  );

  test(
    "a Redis that comes late makes it ready by itself, with what was published meanwhile",
    async () => {
      const late = await RedisServer.start();
      try {
        await late.kill();
        const node = start({ FANWIRE_REDIS_URL: late.url, FANWIRE_API_KEY: secret });
        const { port } = await node.event("listening");
        const publishing = fetch(`http://127.0.0.1:${port}/api/publish`, {
          method: "POST",
          headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
          body: '{"topic":"room:1","data":"early"}',
        });
        await late.revive();
        await node.event("redis-connected");
        expect(await (await publishing).json()).toMatchObject({ offset: 1 });
        const deadline = performance.now() + 10_000;
        while ((await fetch(`http://127.0.0.1:${port}/ready`)).status !== 200) {
          expect(performance.now()).toBeLessThan(deadline);
          await Bun.sleep(10);
        }
        const peer = await Peer.connect(Number(port));
        expect(await peer.request({ type: "subscribe", topic: "room:1" })).toMatchObject({ offset: 1 });
        node.kill("SIGTERM");
        expect(await node.exit()).toMatchObject({ code: 0, stderr: "" });
      } finally {
        await late.end();
      }
    },
    timeoutMs,
  );
});
