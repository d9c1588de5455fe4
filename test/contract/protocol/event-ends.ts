// Protocol 1 as server-sent events: what keeps a stream open, what it may take, and the ways in which it ends.

import { afterEach, describe, expect, test } from "bun:test";
import type { EngineName } from "../../support/engine-host.ts";
import { dropEventReaders, EventReader } from "../../support/event-reader.ts";
import { Peer } from "../../support/peer.ts";
import { fresh, startServer } from "../../support/served.ts";
import { secondsFromNow, secret, tokenFor } from "../../support/token.ts";
import { ask } from "./endpoints.ts";
import { setting, upTo } from "./setting.ts";

const ann = { token: tokenFor("ann") };

export function eventEnds(engine: EngineName): void {
  describe("an event stream within limits", () => {
    const limits = {
      maxConnections: 3,
      maxConnectionsPerUser: 2,
      sseHeartbeatMs: 200,
      slowConsumerTimeoutMs: 1500,
      softBufferedBytes: 65_536,
      sweepBytes: 65_536,
      frameBurst: 100_000,
      bytesBurst: 64 * 1024 * 1024,
    };
    const server = setting(engine, "json", { jwtSecret: secret, limits });
    afterEach(dropEventReaders);

    test("is kept open by comments", async () => {
      const reader = await EventReader.connect(server.port, { ...ann, topics: ["room:1"] });
      await reader.raw.take(":\n\n");
      await reader.raw.take(":\n\n");
    });

    test("ends with its token, and says so", async () => {
      const token = tokenFor("ann", { exp: secondsFromNow(-4) });
      const reader = await EventReader.connect(server.port, { token, topics: ["room:1"] });
      expect(await reader.rest()).toEqual([
        { type: "closing", code: 4001, reason: "token-expired", retryAfterMs: 1000 },
      ]);
      expect(reader.raw.hasEnded).toBe(true);
      expect(reader.retryMs).toBeWithin(0, 1001);
    });

    test("counts as a connection, and what is too much is put off by a stream that ends", async () => {
      // What was refused before it began counts no more.
      for (const options of [{}, { ...ann, topics: ["nope:1"] }, { ...ann, topics: ["user:ben"] }, {}]) {
        const refused = await EventReader.open(server.port, { topics: ["room:1"], ...options });
        expect((await refused.raw.head()).status).toBeWithin(401, 405);
      }
      for (const options of [ann, ann])
        await EventReader.connect(server.port, { ...options, topics: ["room:1"] });
      const third = await EventReader.open(server.port, { ...ann, topics: ["room:1"] });
      expect(await third.rest()).toMatchObject([{ type: "error", code: "too-many" }]);
      expect((await third.raw.head()).status).toBe(200);
      expect(third.retryMs).toBeWithin(0, 5001);
      const ben = { token: tokenFor("ben"), topics: ["room:1"] };
      await EventReader.connect(server.port, ben);
      const fourth = await EventReader.open(server.port, ben);
      expect(await fourth.rest()).toMatchObject([{ type: "error", code: "too-many" }]);
      await expect(Peer.connect(server.port, ben)).rejects.toMatchObject({ status: 503 });
      dropEventReaders();
      for (;;) {
        const next = await EventReader.open(server.port, ben);
        const { headers } = await next.raw.head();
        next.raw.destroy();
        if (headers.get("transfer-encoding") === "chunked") break;
      }
    });

    test("of a client that takes nothing is ended as slow", async () => {
      const reader = await EventReader.connect(server.port, { ...ann, topics: ["room:slow"] });
      reader.raw.pause();
      const peer = await Peer.connect(server.port, { ...ann });
      const data = "x".repeat(60_000);
      for (let n = 0; n < 200; n++) await peer.request({ type: "publish", topic: "room:slow", data });
      await Bun.sleep(3500);
      reader.raw.resume();
      const frames = await reader.rest(20_000);
      expect(frames.at(-1)).toMatchObject({ type: "closing", code: 4002, reason: "slow-consumer" });
      const offsets = frames.slice(0, -1).map(({ offset }) => offset);
      expect(offsets).toEqual(upTo(offsets.length));
    }, 60_000);
  });

  describe("an event stream that reads slowly", () => {
    const limits = { bytesBurst: 64 * 1024 * 1024, bytesPerSecond: 64 * 1024 * 1024 };
    const server = setting(engine, "json", { jwtSecret: secret, limits });
    afterEach(dropEventReaders);

    test("or is silent for longer than engines bear by themselves, stays open", async () => {
      const topic = fresh("room");
      const reader = await EventReader.connect(server.port, { ...ann, topics: [topic] });
      await Bun.sleep(14_000);
      const peer = await server.connect();
      await peer.request({ type: "publish", topic, data: "at last" });
      expect(await reader.next()).toMatchObject({ data: "at last" });
      expect(reader.comments).toBe(0);
    }, 30_000);

    test("is fed in order, and loses nothing of a stream", async () => {
      const topic = fresh("room");
      const reader = await EventReader.connect(server.port, { ...ann, topics: [topic] });
      const peer = await server.connect();
      reader.raw.pause();
      const text = "x".repeat(30_000);
      const count = 500;
      for (const n of upTo(count)) await peer.request({ type: "publish", topic, data: { n, text } });
      reader.raw.resume();
      const seen = (await reader.take(count)).map(({ data }) => (data as { n: number }).n);
      expect(seen).toEqual(upTo(count));
    }, 60_000);
  });

  describe("the end of a node", () => {
    afterEach(dropEventReaders);

    test("is told to event streams, which end well and come back elsewhere; new ones are put off", async () => {
      const server = await startServer(engine, { limits: { drainCloseMs: 2000 } });
      const readers = await Promise.all(
        upTo(300).map(() => EventReader.connect(server.port, { topics: ["room:1"] })),
      );
      server.signal("SIGTERM");
      const closing = await readers[0]!.next();
      expect(closing).toMatchObject({ type: "closing", code: 1012, reason: "draining" });
      expect(readers[0]!.retryMs).toBeWithin(0, Number(closing.retryAfterMs) + 1);
      const late = await EventReader.open(server.port, { topics: ["room:1"] });
      expect(await late.rest()).toMatchObject([{ type: "error", code: "draining", retryable: true }]);
      for (const reader of readers.slice(1)) expect(await reader.rest()).toEqual([closing]);
      expect(new Set(readers.map(({ retryMs }) => retryMs)).size).toBeGreaterThan(50);
      expect(await server.exited()).toBe(0);
      await server.kill();
    });
  });

  describe("the server's own hand", () => {
    test("disconnects a user's event streams too, and counts them", async () => {
      const key = "a-key-of-more-than-thirty-two-bytes";
      const server = await startServer(engine, { apiKeys: [key] });
      const reader = await EventReader.connect(server.port, { topics: ["room:1"] });
      const scrape = async () => (await ask(server.port, "/metrics")).body.toString();
      expect(await scrape()).toMatch(/fanwire_connections\{engine="\w+",format="sse"\} 1\n/);
      const state = await (await fetch(`http://127.0.0.1:${server.port}/console/state`)).text();
      const { userId } = JSON.parse(state).connections.rows.find(
        (row: { format: string }) => row.format === "sse",
      );
      await fetch(`http://127.0.0.1:${server.port}/api/users/${userId}/disconnect`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body: JSON.stringify({ reason: "banned" }),
      });
      expect(await reader.rest()).toEqual([
        { type: "closing", code: 4000, reason: "banned", retryAfterMs: 3_600_000 },
      ]);
      expect(reader.retryMs).toBe(3_600_000);
      expect(await scrape()).toMatch(/fanwire_connections\{engine="\w+",format="sse"\} 0\n/);
      await server.kill();
      dropEventReaders();
    });
  });
}
