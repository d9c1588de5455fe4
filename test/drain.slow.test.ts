// A node's end as a deploy brings it about, on both engines: what was asked is answered, presence is left, and behind HAProxy
// nobody is turned away meanwhile.

import { afterEach, describe, expect, test } from "bun:test";
import { Haproxy } from "./support/haproxy.ts";
import { dropPeers, Peer } from "./support/peer.ts";
import { RedisServer } from "./support/redis-server.ts";
import { startServer } from "./support/served.ts";
import { TcpProxy } from "./support/tcp-proxy.ts";
import { secret, tokenFor } from "./support/token.ts";

const timeoutMs = 60_000;
const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
afterEach(dropPeers);

describe.each(["bun", "uws"] as const)("a node on %s that ends", (engine) => {
  test(
    "answers what is under way, refuses what comes then, and closes after that",
    async () => {
      await using redis = await RedisServer.start();
      await using link = await TcpProxy.to(redis.port);
      await using node = await startServer(engine, {
        redis: { urls: [`redis://127.0.0.1:${link.port}`] },
        jwtSecret: secret,
      });
      const [peer, idle] = [await connect(node.port, "ann"), await connect(node.port, "ben")];
      link.slow({ delayMs: 400 });
      const answer = peer.request({ type: "publish", topic: "room:1", data: "the last" });
      // The publication has come when what was sent after it is answered.
      await peer.request({ type: "ping" });
      node.signal("SIGTERM");
      await peer.take("closing");
      const refused = await peer.request({ type: "subscribe", topic: "room:1" });
      expect(refused).toMatchObject({ type: "error", code: "draining", retryable: true });
      expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
      expect(await idle.raw.rest()).toMatchObject({ closing: { code: 1012, reason: "draining" } });
      expect(await answer).toMatchObject({ type: "ok", offset: 1 });
      expect(await peer.raw.closed()).toEqual({ code: 1012, reason: "draining" });
      expect(await node.exited()).toBe(0);
    },
    timeoutMs,
  );

  test(
    "has left presence by the time it is gone",
    async () => {
      await using redis = await RedisServer.start();
      const options = {
        redis: { urls: [redis.url] },
        jwtSecret: secret,
        namespaces: { room: { mode: "stream", joinLeave: {} } },
        limits: { presenceGraceMs: 1 },
      } as const;
      await using ending = await startServer(engine, options);
      await using staying = await startServer("bun", options);
      const watcher = await connect(staying.port, "watcher");
      await watcher.request({ type: "subscribe", topic: "room:1" });
      expect(await watcher.take("join")).toMatchObject({ userId: "watcher" });
      const gone = await connect(ending.port, "gone");
      await gone.request({ type: "subscribe", topic: "room:1" });
      expect(await watcher.take("join")).toMatchObject({ userId: "gone" });
      ending.signal("SIGTERM");
      expect(await ending.exited()).toBe(0);
      // Sooner than its lease would have run out.
      expect(await watcher.take("leave")).toMatchObject({ userId: "gone" });
      const { members } = await watcher.request({ type: "presence", topic: "room:1" });
      expect(members).toMatchObject([{ userId: "watcher" }]);
    },
    timeoutMs,
  );

  test(
    "behind HAProxy loses nobody who comes meanwhile: they are another node's",
    async () => {
      const options = { jwtSecret: secret, limits: { drainClosesPerSecond: 20 } };
      await using ending = await startServer(engine, { ...options, nodeId: "n1" });
      await using staying = await startServer("bun", { ...options, nodeId: "n2" });
      await using haproxy = await Haproxy.start([ending.port, staying.port]);
      for (const id of [1, 2]) await haproxy.sees(id, "UP");
      const come = (room: number) => connect(haproxy.port, `user-${room}`, `room=${room}`);
      const peers = await Promise.all(range(80).map(come));
      const leaving = peers.filter(({ connected }) => connected.nodeId === "n1");
      expect(leaving.length).toBeWithin(20, 60);
      ending.signal("SIGTERM");
      const { retryAfterMs } = await leaving[0]!.take("closing");
      expect(retryAfterMs).toBe(leaving.length * 50);
      // From before HAProxy has noticed until after, of all rooms that were the node's.
      const rooms = range(80).filter((room) => peers[room - 1]!.connected.nodeId === "n1");
      const arrived = [];
      for (const room of [...rooms, ...rooms]) arrived.push((await come(room)).connected.nodeId);
      expect(new Set(arrived)).toEqual(new Set(["n2"]));
      const ends = await Promise.all(leaving.map(({ raw }) => raw.rest()));
      expect(ends.map(({ closing }) => closing.code)).toEqual(leaving.map(() => 1012));
      expect(await ending.exited()).toBe(0);
      const stayed = peers.filter(({ connected }) => connected.nodeId === "n2");
      for (const peer of stayed) expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
    },
    timeoutMs,
  );
});

function connect(port: number, user: string, query = "join=none") {
  return Peer.connect(port, { token: tokenFor(user), query, deadlineMs: 20_000 });
}
