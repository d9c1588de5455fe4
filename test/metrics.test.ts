import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { noConnections } from "../src/connections/connection-counts.ts";
import type { MeasuredBridge } from "../src/metrics/bridge-metrics.ts";
import { EventLoopDelay } from "../src/metrics/event-loop-delay.ts";
import { describeMetrics, exposeMetrics, type Measured } from "../src/metrics/metrics.ts";
import { version } from "../src/version.ts";
import { json } from "../src/wire/json.ts";
import { msgpack } from "../src/wire/msgpack.ts";
import { CountingReader } from "./support/counting-reader.ts";
import { ModelNode } from "./support/model-node.ts";
import { Scrape } from "./support/scrape.ts";

/** Two Redis, to which nothing has happened. */
function measuredBridge(): MeasuredBridge {
  const shard = {
    link: { isAlive: true, reconnects: 0, roundTripMs: 0 },
    outbox: { counts: { batches: 0, publications: 0, bytes: 0, repeated: 0 } },
    relays: { counts: { sent: 0, dropped: 0 } },
    counts: {
      malformedEnvelopes: 0,
      gaps: 0,
      caughtUp: 0,
      checks: 0,
      resets: { epoch: 0, history: 0, inconsistent: 0 },
    },
  };
  return { shards: [shard, shard], budget: { publications: 0, bytes: 0 } };
}

const text = (node: ModelNode) => {
  const none = { volatile: 0, stream: 0, latest: 0 };
  const measured: Measured = {
    engine: "bun",
    nodeId: "model",
    version,
    sinceMs: performance.now(),
    hub: node.hub,
    bridge: measuredBridge(),
    connections: { counts: noConnections(), buffers: { sumBytes: 0, maxBytes: 0 }, isDraining: false },
    delay: new EventLoopDelay(),
    accepted: { client: none, server: none },
  };
  return exposeMetrics(measured);
};
const scrape = (node: ModelNode) => new Scrape(text(node));

/** What has changed between two scrapes, zeros and the process's own numbers left out: those change by themselves. */
function changes(before: Scrape, after: Scrape): Record<string, number> {
  const timed = /^process_|_seconds|^fanwire_heap_used_bytes/;
  return Object.fromEntries(
    [...after.values]
      .map(([key, value]) => [key, value - before.values.get(key)!] as const)
      .filter(([key, change]) => change !== 0 && !timed.test(key)),
  );
}

async function joined(node: ModelNode, topic: string, format = json): Promise<CountingReader> {
  const reader = new CountingReader(node, format);
  reader.subscribe(topic);
  await node.settle();
  return reader;
}

describe("a scrape", () => {
  const node = new ModelNode(100);

  test("is valid, by Prometheus' conventions, and has what the table of metrics says", () => {
    const { families } = scrape(node);
    expect([...families.keys()]).toEqual(describeMetrics().map(({ name }) => name));
    for (const { name, type, help, labels } of describeMetrics()) {
      expect(name).toMatch(/^(fanwire|process)_[a-z_]+$/);
      expect([name, name.endsWith("_total")]).toEqual([name, type === "counter"]);
      expect(name).not.toMatch(/_(ms|kb|mb|milliseconds|percent)(_|$)/);
      expect([name, help]).toEqual([name, expect.stringMatching(/^[A-Z1].*\.$/)]);
      expect([name, ...families.get(name)!.labels].sort()).toEqual([name, ...labels].sort());
      expect(families.get(name)).toMatchObject({ type, help });
    }
  });

  test("says which release runs, which is package.json's", () => {
    const { version: released } = JSON.parse(
      readFileSync(new URL("../package.json", import.meta.url), "utf8"),
    );
    const runtime = `bun ${process.versions.bun}`;
    const labels = { version: released, engine: "bun", runtime, node: "model" };
    expect(scrape(node).value("fanwire_build_info", labels)).toBe(1);
  });

  test("names every mode, format, code and reason from the start", () => {
    const { values } = scrape(node);
    expect([...values].filter(([key]) => /_total/.test(key) && !key.startsWith("process_"))).not.toBeEmpty();
    expect([...values].filter(([, value]) => Number.isNaN(value))).toEqual([]);
    for (const mode of ["volatile", "stream", "latest"]) {
      for (const format of ["json", "msgpack"]) {
        expect(scrape(node).value("fanwire_subscriptions", { mode, format })).toBe(0);
      }
    }
  });

  test("stays small and quick with 10,000 topics and 1,000 connections", async () => {
    const crowded = new ModelNode(100);
    const small = text(crowded);
    const readers = Array.from({ length: 1000 }, () => new CountingReader(crowded));
    for (const [index, reader] of readers.entries()) {
      for (let topic = 0; topic < 10; topic++) reader.subscribe(`room:${index * 10 + topic}`);
    }
    await crowded.settle();
    for (let topic = 0; topic < 10_000; topic++) crowded.publishNext(`room:${topic}`);
    const large = text(crowded);
    expect(new Scrape(large).value("fanwire_topics")).toBe(10_000);
    expect(new Scrape(large).sum("fanwire_deliveries_total")).toBe(10_000);
    expect(large.split("\n").length).toBe(small.split("\n").length);
    expect(large.length).toBeLessThan(small.length + 200);
    expect(large.length).toBeLessThan(20_000);
    const times = Array.from({ length: 20 }, () => {
      const from = performance.now();
      text(crowded);
      return performance.now() - from;
    });
    expect(Math.min(...times)).toBeLessThan(5);
  });
});

describe("a publication", () => {
  test("counts once for each live subscriber, by mode and format, with its bytes", async () => {
    const node = new ModelNode(100);
    for (const format of [json, json, msgpack]) await joined(node, "room:1", format);
    const before = scrape(node);
    const frame = {
      type: "message" as const,
      topic: "room:1",
      data: "hello",
      timestamp: node.now,
      offset: 1,
    };
    node.publish("room:1", "hello");
    const [text, binary] = [Buffer.byteLength(json.encode(frame)), msgpack.encode(frame).length];
    expect(changes(before, scrape(node))).toEqual({
      'fanwire_publications_total{mode="stream"}': 1,
      'fanwire_deliveries_total{format="json",mode="stream",path="native"}': 2,
      'fanwire_deliveries_total{format="msgpack",mode="stream",path="native"}': 1,
      'fanwire_published_bytes_total{format="json",mode="stream"}': text,
      'fanwire_published_bytes_total{format="msgpack",mode="stream"}': binary,
      'fanwire_delivered_bytes_total{format="json",mode="stream"}': 2 * text,
      'fanwire_delivered_bytes_total{format="msgpack",mode="stream"}': binary,
    });
  });

  test("does not count for a publisher that wants no echo, and counts for one that does not listen", async () => {
    const node = new ModelNode(100);
    const [own, stranger] = [await joined(node, "game:1"), await joined(node, "game:2")];
    await joined(node, "game:1");
    node.hub.publishVolatile("game:1", { data: 1, timestamp: 0 }, own);
    expect(scrape(node).sum("fanwire_deliveries_total", { mode: "volatile" })).toBe(1);
    node.hub.publishVolatile("game:1", { data: 1, timestamp: 0 }, stranger);
    expect(scrape(node).sum("fanwire_deliveries_total", { mode: "volatile" })).toBe(3);
  });

  test("that nobody listens to is a publication and no delivery", async () => {
    const node = new ModelNode(100);
    const reader = await joined(node, "room:1");
    reader.disconnect();
    node.publishNext("room:1");
    node.publishNext("room:2");
    const after = scrape(node);
    expect(after.value("fanwire_publications_total", { mode: "stream" })).toBe(1);
    expect(after.sum("fanwire_deliveries_total")).toBe(0);
  });

  test("of a volatile topic is dropped for a slow socket, and only for it", async () => {
    const node = new ModelNode(100);
    const [slow] = [await joined(node, "game:1"), await joined(node, "game:1")];
    slow.socket.pause();
    const publish = () => node.hub.publishVolatile("game:1", { data: "x".repeat(600), timestamp: 0 });
    while (!slow.behind) publish();
    const before = scrape(node);
    for (let count = 0; count < 7; count++) publish();
    expect(changes(before, scrape(node))).toMatchObject({
      fanwire_dropped_deliveries_total: 7,
      'fanwire_deliveries_total{format="json",mode="volatile",path="native"}': 7,
    });
    node.hub.publishVolatile("game:1", { data: 1, timestamp: 0 }, slow);
    expect(changes(before, scrape(node))).toMatchObject({ fanwire_dropped_deliveries_total: 7 });
  });
});

describe("a connection behind", () => {
  test("is counted while it is, and by how that ended", async () => {
    const node = new ModelNode(1000, { slowConsumerTimeoutMs: 5000 });
    const readers = [
      await joined(node, "room:1"),
      await joined(node, "room:1"),
      await joined(node, "room:1"),
    ];
    const [back, gone, closed] = readers as [CountingReader, CountingReader, CountingReader];
    for (const { socket } of readers) socket.pause();
    while (!closed.behind) node.publishNext("room:1");
    for (let count = 0; count < 5; count++) node.publishNext("room:1");
    expect(scrape(node).value("fanwire_connections_behind")).toBe(3);
    back.socket.resume();
    await node.settle();
    gone.disconnect();
    node.tick(5000);
    expect(closed.closedFor).toBe("slow-consumer");
    const after = scrape(node);
    expect(after.value("fanwire_resyncs_begun_total", { cause: "slow" })).toBe(3);
    expect(after.value("fanwire_resyncs_ended_total", { outcome: "caught-up" })).toBe(1);
    expect(after.value("fanwire_resyncs_ended_total", { outcome: "left" })).toBe(2);
    expect(after.value("fanwire_connections_behind")).toBe(0);
    expect(after.sum("fanwire_deliveries_total", { path: "fed" })).toBe(5);
  });
});

describe("a recovery", () => {
  const outcomes = (node: ModelNode) => {
    const { values } = scrape(node);
    const pattern = /^fanwire_recoveries_total\{outcome="(.*)"\}$/;
    return Object.fromEntries(
      [...values].flatMap(([key, value]) => {
        const name = pattern.exec(key)?.[1];
        return name !== undefined && value > 0 ? [[name, value]] : [];
      }),
    );
  };

  test.each([
    ["none", "room:1", undefined],
    ["ring", "room:1", 3],
    ["history", "room:1", 30],
    ["reset", "room:1", 90],
    ["none", "ticker:1", undefined],
    ["snapshot", "book:1", undefined],
    ["snapshot", "book:1", 90],
    ["ring", "book:1", 0],
  ])("has the outcome %s in %s with a position %p publications ago", async (outcome, topic, behind) => {
    const node = new ModelNode(50);
    await joined(node, topic);
    const before = outcomes(node);
    for (let count = 0; count < 100; count++) {
      if (topic.startsWith("ticker")) node.publish(topic, count, { key: "a" });
      else node.publishNext(topic);
    }
    const reader = new CountingReader(node);
    reader.subscribe(topic, behind === undefined ? undefined : CountingReader.at(node, topic, behind));
    await node.settle();
    expect(reader.oks).toBe(1);
    expect(outcomes(node)).toEqual({ ...before, [outcome]: (before[outcome] ?? 0) + 1 });
  });

  test("is a reset where the position is of another epoch", async () => {
    const node = new ModelNode(50);
    await joined(node, "room:1");
    new CountingReader(node).subscribe("room:1", { epoch: "other", offset: 0 });
    await node.settle();
    expect(outcomes(node)).toEqual({ none: 1, reset: 1 });
  });

  test("is none of a volatile topic", async () => {
    const node = new ModelNode(100);
    await joined(node, "game:1");
    expect(outcomes(node)).toEqual({});
  });
});

test("a topic's reset is counted, and one that a single connection was told of", async () => {
  const node = new ModelNode(20);
  const slow = await joined(node, "room:1");
  slow.socket.pause();
  for (let count = 0; count < 100; count++) node.publishNext("room:1");
  slow.socket.resume();
  await node.settle();
  expect(scrape(node).value("fanwire_resets_total", { scope: "connection" })).toBe(1);
  expect(scrape(node).value("fanwire_resets_total", { scope: "topic" })).toBe(0);
  node.bridge.loseEverything("room:1", 0);
  expect(scrape(node).value("fanwire_resets_total", { scope: "topic" })).toBe(1);
});

const readerCount = 4;
const topics = ["room:1", "room:2", "paced:1", "ticker:1", "game:1", "game:2", "book:1"];
const reader = fc.nat(readerCount - 1);
const topic = fc.constantFrom(...topics);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("publish" as const), topic, size: fc.nat(400) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("subscribe" as const), reader, topic, behind: fc.nat(40) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("unsubscribe" as const), reader, topic }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("pause" as const, "resume" as const), reader }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("settle" as const, "tick" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const), topic }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("quiet" as const), reader, topic }) },
);

test("whatever happens, what is counted is what the sockets were given, and what began has ended or goes on", async () => {
  const history = fc.array(step, { minLength: 20, maxLength: 120 });
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const node = new ModelNode(12, { slowConsumerTimeoutMs: 3000 });
      const readers = Array.from({ length: readerCount }, (_, index) => {
        return new CountingReader(node, index % 2 === 0 ? json : msgpack);
      });
      let expectedVolatile = 0;
      const publishVolatile = (name: string, size: number, except?: CountingReader) => {
        const wanting = readers.filter((other) => other !== except && other.subscriptions.has(name));
        expectedVolatile += wanting.length;
        node.hub.publishVolatile(name, { data: "x".repeat(size), timestamp: 0 }, except);
      };
      for (const step of steps) {
        if (step.do === "publish") {
          if (step.topic.startsWith("game")) {
            // While the bridge opens a topic nobody is served, and nobody has been promised to be.
            await node.settle();
            publishVolatile(step.topic, step.size);
          } else if (step.topic.startsWith("ticker")) {
            node.publish(step.topic, "x".repeat(step.size), { key: `${step.size % 3}` });
          } else node.publishNext(step.topic, step.size);
        } else if (step.do === "quiet") {
          await node.settle();
          publishVolatile(step.topic.replace(/^\w+/, "game"), 10, readers[step.reader]);
        } else if (step.do === "subscribe") {
          const since = CountingReader.at(node, step.topic, step.behind);
          if (readers[step.reader]!.socket.isOpen) {
            readers[step.reader]!.subscribe(step.topic, step.behind > 30 ? undefined : since);
          }
        } else if (step.do === "unsubscribe") readers[step.reader]!.unsubscribe(step.topic);
        else if (step.do === "pause") readers[step.reader]!.socket.pause();
        else if (step.do === "resume") readers[step.reader]!.socket.resume();
        else if (step.do === "lose") node.bridge.loseEverything(step.topic, 3);
        else if (step.do === "settle") await node.settle();
        else node.tick();
      }
      await node.settle();
      const after = scrape(node);
      const all = (count: (reader: CountingReader) => number) => {
        return readers.reduce((total, reader) => total + count(reader), 0);
      };
      const announced = after.value("fanwire_resets_total", { scope: "connection" });
      expect(after.sum("fanwire_deliveries_total") + announced).toBe(all(({ deliveries }) => deliveries));
      const dropped = after.value("fanwire_dropped_deliveries_total");
      expect(dropped).toBe(expectedVolatile - all(({ volatile }) => volatile));
      expect(after.sum("fanwire_recoveries_total")).toBe(all(({ oks }) => oks));
      expect(after.sum("fanwire_subscriptions")).toBe(all(({ subscriptions }) => subscriptions.size));
      const behind = after.value("fanwire_connections_behind");
      const ended = after.sum("fanwire_resyncs_ended_total");
      expect(after.sum("fanwire_resyncs_begun_total")).toBe(ended + behind);
      expect(behind).toBe(all((reader) => (reader.behind ? 1 : 0)));
      for (const reader of readers) reader.disconnect();
      expect(scrape(node).sum("fanwire_subscriptions")).toBe(0);
    }),
    { numRuns: 150 },
  );
});
