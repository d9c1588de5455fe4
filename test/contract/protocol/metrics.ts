// `/metrics` of a real process: who may read it, and that it counts exactly what clients did.

import { afterEach, describe, expect, test } from "bun:test";
import type { EngineName } from "../../support/engine-host.ts";
import { dropPeers, Peer } from "../../support/peer.ts";
import { Scrape } from "../../support/scrape.ts";
import { startServer } from "../../support/served.ts";
import type { ServerProcess } from "../../support/server-process.ts";
import { secret } from "../../support/token.ts";
import { refusal } from "../../support/websocket.ts";
import { ask } from "./endpoints.ts";

async function scrape(port: number): Promise<Scrape> {
  const { status, headers, body } = await ask(port, "/metrics");
  expect(status).toBe(200);
  expect(headers["content-type"]).toBe("text/plain; version=0.0.4; charset=utf-8");
  return new Scrape(body);
}

const key = "a-key-for-the-tests-of-metrics";

/** Publishes by the server API, which has no limit on a connection's rate. */
async function publish(port: number, topic: string, data: unknown): Promise<void> {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const body = JSON.stringify({ topic, data });
  const answer = await fetch(`http://127.0.0.1:${port}/api/publish`, { method: "POST", headers, body });
  expect([answer.status, await answer.json()]).toEqual([200, expect.anything()]);
}

/** Scrapes until a scrape is as wanted: what a client did last may not have arrived yet. */
async function scrapeUntil(port: number, isWanted: (scrape: Scrape) => boolean): Promise<Scrape> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const read = await scrape(port);
    if (isWanted(read)) return read;
    if (performance.now() > deadline) throw new Error(`never as wanted: ${[...read.values].join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function metrics(engine: EngineName): void {
  describe("metrics", () => {
    let server: ServerProcess | undefined;
    afterEach(async () => {
      dropPeers();
      await server?.kill();
    });
    const start = async (
      ...options: Parameters<typeof startServer> extends [unknown, ...infer R] ? R : never
    ) => {
      server = await startServer(engine, ...options);
      return server.port;
    };

    test("count what clients did, exactly", async () => {
      const port = await start({ nodeId: "measured" });
      const before = await scrape(port);
      expect(before.families.get("fanwire_build_info")!.labels).toContain("version");
      expect([...before.values.keys()].join("\n")).toContain(`engine="${engine}"`);
      const ann = await Peer.connect(port, { query: "join=none" });
      const bob = await Peer.connect(port, { query: "join=none", format: "msgpack" });
      for (const peer of [ann, bob]) {
        await peer.request({ type: "subscribe", topic: "room:1" });
        await peer.request({ type: "subscribe", topic: "game:1" });
      }
      for (let count = 0; count < 5; count++) {
        await ann.request({ type: "publish", topic: "room:1", data: count });
        await ann.request({ type: "publish", topic: "game:1", data: count, echo: false });
      }
      await bob.messages(10);
      await ann.messages(5);
      expect((await ann.request({ type: "publish", topic: "nowhere:1", data: 1 })).code).toBe(
        "unknown-namespace",
      );

      const after = await scrape(port);
      const value = (name: string, labels = {}) => after.value(name, labels);
      expect(value("fanwire_connections", { engine, format: "json" })).toBe(1);
      expect(value("fanwire_connections", { engine, format: "msgpack" })).toBe(1);
      for (const format of ["json", "msgpack"]) {
        expect(value("fanwire_subscriptions", { mode: "stream", format })).toBe(1);
        expect(value("fanwire_subscriptions", { mode: "volatile", format })).toBe(1);
        expect(after.sum("fanwire_deliveries_total", { mode: "stream", format })).toBe(5);
      }
      expect(after.sum("fanwire_deliveries_total", { mode: "volatile", format: "json" })).toBe(0);
      expect(after.sum("fanwire_deliveries_total", { mode: "volatile", format: "msgpack" })).toBe(5);
      for (const mode of ["stream", "volatile"]) {
        expect(value("fanwire_publications_total", { mode })).toBe(5);
        expect(value("fanwire_accepted_publications_total", { mode, source: "client" })).toBe(5);
      }
      expect(after.sum("fanwire_accepted_publications_total", { source: "server" })).toBe(0);
      expect(value("fanwire_topics")).toBe(2);
      expect(value("fanwire_errors_total", { code: "unknown-namespace" })).toBe(1);
      expect(after.sum("fanwire_errors_total")).toBe(1);
      expect(value("fanwire_received_frames_total", { format: "json" })).toBe(13);
      expect(value("fanwire_received_frames_total", { format: "msgpack" })).toBe(2);
      expect(value("fanwire_recoveries_total", { outcome: "none" })).toBe(2);
      expect(value("fanwire_bridge_alive")).toBe(1);
      expect(value("process_resident_memory_bytes")).toBeGreaterThan(1e6);
      expect(value("process_cpu_seconds_total")).toBeGreaterThan(0);
    });

    test("tell why connections ended and why others never began", async () => {
      const port = await start({ limits: { maxConnections: 4, badFrameBurst: 1 } });
      const connect = () => Peer.connect(port);
      const [closing, breaking, bad, large] = [
        await connect(),
        await connect(),
        await connect(),
        await connect(),
      ];
      await refusal(port, { path: "/ws" });
      await refusal(port, { path: "/ws", headers: [["Origin", "https://evil.example"]] });
      await refusal(port, { path: "/ws", protocols: ["fanwire.v9"] });
      await refusal(port, { path: "/elsewhere" });
      closing.raw.close(4002);
      breaking.raw.destroy();
      for (let count = 0; count < 3; count++) bad.send({ type: "nonsense" });
      large.raw.send("x".repeat(100_000));
      const after = await scrapeUntil(port, (read) => read.sum("fanwire_connections") === 0);
      const counted = (name: string) => {
        const values = [...after.values].filter(([key, value]) => key.startsWith(name) && value > 0);
        return Object.fromEntries(values.map(([key, value]) => [/reason="(.*)"/.exec(key)![1], value]));
      };
      expect(counted("fanwire_connections_closed_total")).toEqual({
        client: 1,
        lost: 1,
        "protocol-error": 1,
        "too-large": 1,
      });
      expect(counted("fanwire_connections_refused_total")).toEqual({
        "too-many": 1,
        forbidden: 1,
        "bad-frame": 1,
        "not-found": 1,
      });
      expect(after.value("fanwire_connections_opened_total", { format: "json" })).toBe(4);
    });

    test("show the bytes that a stopped reader leaves waiting, and that it is behind", async () => {
      const limits = { softBufferedBytes: 65_536, sweepBytes: 65_536, bytesBurst: 67_108_864 };
      const port = await start({ apiKeys: [key], limits });
      const slow = await Peer.connect(port);
      await slow.request({ type: "subscribe", topic: "room:1" });
      slow.raw.pause();
      const data = "x".repeat(60_000);
      const behind = () => scrapeUntil(port, (read) => read.value("fanwire_connections_behind") === 1);
      for (let count = 0; count < 200; count++) await publish(port, "room:1", data);
      expect((await behind()).value("fanwire_resyncs_begun_total", { cause: "slow" })).toBe(1);
      const waiting = await scrapeUntil(port, (read) => read.value("fanwire_buffered_bytes") > 0);
      expect(waiting.value("fanwire_buffered_max_bytes")).toBe(waiting.value("fanwire_buffered_bytes"));
      slow.raw.resume();
      await slow.messages(200);
      const after = await scrapeUntil(port, (read) => read.value("fanwire_connections_behind") === 0);
      expect(after.value("fanwire_resyncs_ended_total", { outcome: "caught-up" })).toBe(1);
      await scrapeUntil(port, (read) => read.value("fanwire_buffered_bytes") === 0);
      expect(after.sum("fanwire_deliveries_total", { mode: "stream", path: "fed" })).toBeGreaterThan(0);
      const published = { mode: "stream", source: "server" };
      expect(after.value("fanwire_accepted_publications_total", published)).toBe(200);
    });

    test("see the second in which the process stood still", async () => {
      const port = await start({});
      const count = (read: Scrape, le: string) =>
        read.value("fanwire_event_loop_delay_seconds_bucket", { le });
      const stalled = (read: Scrape) => count(read, "+Inf") - count(read, "0.2");
      const before = await scrapeUntil(port, (read) => count(read, "+Inf") > 0);
      server!.signal("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 500));
      server!.signal("SIGCONT");
      await scrapeUntil(port, (read) => stalled(read) > stalled(before));
    });

    test("are not for other web pages, nor in production for anybody without a key", async () => {
      const port = await start({});
      for (const headers of [{ origin: "https://evil.example" }, { host: "evil.example" }]) {
        const answer = await ask(port, "/metrics", { headers });
        expect([answer.status, answer.body.includes("fanwire_")]).toEqual([403, false]);
      }
      await server?.kill();
      const production = await start({ jwtSecret: secret, apiKeys: [key] });
      for (const headers of [{}, { authorization: "Bearer other" }, { authorization: key }]) {
        const answer = await ask(production, "/metrics", { headers });
        expect([answer.status, answer.body.includes("fanwire_")]).toEqual([401, false]);
      }
      const answer = await ask(production, "/metrics", { headers: { authorization: `Bearer ${key}` } });
      expect(new Scrape(answer.body).value("fanwire_bridge_alive")).toBe(1);
    });
  });
}
