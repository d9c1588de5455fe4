// Protocol 1, the end of a node: everybody is told, new ones are sent elsewhere, and the process ends well.

import { afterEach, describe, expect, test } from "bun:test";
import type { EngineName } from "../../support/engine-host.ts";
import { dropPeers, Peer } from "../../support/peer.ts";
import { startServer } from "../../support/served.ts";
import { refusal } from "../../support/websocket.ts";
import { ask } from "./endpoints.ts";
import { upTo } from "./setting.ts";

export function draining(engine: EngineName): void {
  describe("a draining node", () => {
    afterEach(dropPeers);

    test("says so to every client, closes all with 1012, takes nobody in, and ends with code 0", async () => {
      const { port, ...server } = await startServerOf(engine);
      // Closing is spread by 50 ms for 50 of them: enough for a while in which to look.
      const peers: Peer[] = [];
      for (const _ of upTo(20)) {
        const some = upTo(40).map((i) => Peer.connect(port, { format: i % 2 === 0 ? "json" : "msgpack" }));
        peers.push(...(await Promise.all(some)));
      }
      expect((await ask(port, "/ready")).status).toBe(200);
      server.terminate();
      const closing = await peers[0]!.take("closing");
      const [ready, health, refused] = await Promise.all([
        ask(port, "/ready"),
        ask(port, "/health"),
        refusal(port, { path: "/ws" }),
      ]);
      expect(closing).toEqual({ type: "closing", code: 1012, retryAfterMs: expect.any(Number) });
      expect(closing.retryAfterMs).toBeWithin(1000, 10_000);
      expect([ready.status, health.status]).toEqual([404, 200]);
      expect(ready.body.toString()).toBe("not ready: draining\n");
      expect([refused.status, Number(refused.headers.get("retry-after")) > 0]).toEqual([503, true]);
      expect(JSON.parse(refused.body)).toMatchObject({ error: { code: "draining" } });
      for (const peer of peers.slice(1)) expect(await peer.take("closing")).toEqual(closing);
      for (const peer of peers) expect(await peer.raw.closed()).toEqual({ code: 1012, reason: "draining" });
      expect(await server.exited()).toBe(0);
    });

    test("lets a client that is behind read up to `closing`, and then closes it with 1012 too", async () => {
      const { port, ...server } = await startServerOf(engine, { limits: slowLimits });
      const [publisher, slow] = [await Peer.connect(port), await Peer.connect(port)];
      const topic = "room:long";
      await slow.request({ type: "subscribe", topic });
      await fill(publisher, topic, slow);
      server.terminate();
      await publisher.take("closing");
      expect(await publisher.raw.closed()).toEqual({ code: 1012, reason: "draining" });
      slow.raw.resume();
      let last = 0;
      for (;;) {
        const frame = await slow.next();
        if (frame.type !== "message") {
          expect(frame).toMatchObject({ type: "closing", code: 1012 });
          break;
        }
        expect(frame.offset).toBe(last + 1);
        last += 1;
      }
      // It was behind: the rest is for the next node.
      expect(last).toBeWithin(1, publications);
      expect(await slow.raw.rest()).toEqual({ messages: [], closing: { code: 1012, reason: "draining" } });
      expect(await server.exited()).toBe(0);
    });

    test("does not wait for ever for one that does not read", async () => {
      const limits = { ...slowLimits, drainCloseMs: 300, drainExitMs: 1000 };
      const { port, ...server } = await startServerOf(engine, { limits });
      const [publisher, slow] = [await Peer.connect(port), await Peer.connect(port)];
      await slow.request({ type: "subscribe", topic: "room:long" });
      await fill(publisher, "room:long", slow);
      server.terminate();
      expect(await server.exited()).toBe(0);
    });

    test("without clients ends at once, and with one that never answers nevertheless", async () => {
      const empty = await startServerOf(engine);
      empty.terminate();
      expect(await empty.exited()).toBe(0);

      const held = await startServerOf(engine, { limits: { drainCloseMs: 100, drainExitMs: 500 } });
      await Peer.connect(held.port, { answersClose: false });
      held.terminate();
      expect(await held.exited()).toBe(0);
    });
  });
}

/** 20 MiB in all: more than a connection's two kernel buffers can take. */
const publications = 640;
const kib = 1024;
const slowLimits = {
  // So that more waits than the kernel would take at the last moment.
  softBufferedBytes: 4 * kib * kib,
  hardBufferedBytes: 32 * kib * kib,
  frameBurst: 100_000,
  bytesBurst: 64 * kib * kib,
};

/** Publishes until a reader that has stopped reading is behind. */
async function fill(publisher: Peer, topic: string, reader: Peer): Promise<void> {
  reader.raw.pause();
  const data = "x".repeat(32 * kib);
  for (let n = 0; n < publications; n++) await publisher.request({ type: "publish", topic, data });
}

/** A server in development mode that its test ends by SIGTERM. */
async function startServerOf(engine: EngineName, options: object = {}) {
  const server = await startServer(engine, options);
  return {
    port: server.port,
    terminate: () => server.signal("SIGTERM"),
    exited: () => server.exited().finally(() => server.kill()),
  };
}
