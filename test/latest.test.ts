import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Position } from "../src/bridge/bridge.ts";
import { rateClass, rateClassesHz } from "../src/hub/rate-classes.ts";
import { LatestReader } from "./support/latest-reader.ts";
import { ModelNode } from "./support/model-node.ts";

const topic = "ticker:1";
const padding = "x".repeat(100);

function put(node: ModelNode, key: string, data: unknown = `${key} ${padding}`, name = topic): void {
  node.publish(name, data, { key });
}

function remove(node: ModelNode, key: string, name = topic): void {
  node.publish(name, null, { key, removed: true });
}

async function subscribed(node: ModelNode, since?: Position, maxRateHz?: number): Promise<LatestReader> {
  const reader = new LatestReader(node);
  reader.subscribe(topic, since, maxRateHz);
  await node.settle();
  return reader;
}

function framesOf(
  reader: LatestReader,
): { type: string; key?: string; publications?: unknown[]; recovered?: boolean }[] {
  return reader.socket.read.map((payload) => JSON.parse(String(payload)));
}

describe("a subscription to latest values", () => {
  test("begins with what there is, and nothing that was removed", async () => {
    const node = new ModelNode(100);
    for (const key of ["a", "b", "c"]) put(node, key, key);
    put(node, "a", "newer");
    remove(node, "b");
    const reader = await subscribed(node);
    expect(framesOf(reader)).toMatchObject([
      { recovered: false, publications: [{ key: "c" }, { key: "a" }] },
    ]);
    expect(reader.shown(topic)).toEqual({ a: "newer", c: "c" });
    put(node, "d", "new");
    expect(reader.shown(topic)).toEqual({ a: "newer", c: "c", d: "new" });
  });

  test("that comes back gets only what changed, removals included", async () => {
    const node = new ModelNode(100);
    for (const key of ["a", "b", "c"]) put(node, key, key);
    const reader = await subscribed(node);
    reader.look();
    const since = reader.watches.get(topic)!.position;
    reader.unsubscribe(topic);
    put(node, "a", "newer");
    remove(node, "b");
    reader.subscribe(topic, since);
    const answer = framesOf(reader).at(-1)!;
    expect(answer.recovered).toBe(true);
    expect(answer.publications).toMatchObject([{ key: "a" }, { key: "b", removed: true }]);
    expect(reader.shown(topic)).toEqual({ a: "newer", c: "c" });
  });

  test("that was away for longer than removals are remembered gets everything anew", async () => {
    const node = new ModelNode(100);
    put(node, "a", "a");
    put(node, "b", "b");
    const reader = await subscribed(node);
    const stays = await subscribed(node);
    reader.look();
    const since = reader.watches.get(topic)!.position;
    reader.unsubscribe(topic);
    remove(node, "b");
    node.wait(node.limits.removalTtlMs);
    put(node, "c", "c");
    reader.subscribe(topic, since);
    expect(framesOf(reader).at(-1)!.recovered).toBe(false);
    expect(reader.shown(topic)).toEqual({ a: "a", c: "c" });
    expect(stays.shown(topic)).toEqual({ a: "a", c: "c" });
  });

  test("that comes back to a topic nobody was in when the bridge forgot a removal gets everything anew", async () => {
    const node = new ModelNode(100);
    put(node, "a", "a");
    put(node, "b", "b");
    const reader = await subscribed(node);
    reader.look();
    const since = reader.watches.get(topic)!.position;
    reader.unsubscribe(topic);
    node.tick(node.limits.topicLingerMs);
    remove(node, "b");
    const sinceRemoval = node.bridge.position(topic);
    node.wait(node.limits.removalTtlMs);
    reader.subscribe(topic, since);
    await node.settle();
    expect(framesOf(reader).at(-1)!.recovered).toBe(false);
    expect(reader.shown(topic)).toEqual({ a: "a" });
    const knowing = await subscribed(node, sinceRemoval);
    expect(framesOf(knowing)).toMatchObject([{ recovered: true, publications: [] }]);
  });

  test("gets the values after a reset, and knows no others any more", async () => {
    const node = new ModelNode(100);
    for (const key of ["a", "b", "c"]) put(node, key, key);
    const reader = await subscribed(node);
    node.bridge.loseSome(topic, 2);
    put(node, "d", "d");
    expect(reader.shown(topic)).toEqual({ a: "a", b: "b", d: "d" });
    expect(reader.watches.get(topic)!.resets).toBe(1);
    expect(framesOf(reader).map(({ type }) => type)).toEqual([
      "ok",
      "reset",
      "message",
      "message",
      "message",
    ]);
  });

  test("with more values than fit into an ok gets the rest as messages", async () => {
    const node = new ModelNode(100);
    for (let key = 0; key < 50; key++) put(node, `k${key}`);
    const reader = await subscribed(node);
    expect(framesOf(reader)[0]!.publications!.length).toBeLessThan(20);
    expect(reader.shown(topic)).toEqual(node.bridge.values(topic));
    expect(reader.subscriptions.get(topic)!.live).toBe(true);
  });
});

test("a slow socket never has old values waiting: when it reads again it gets the newest of each key, once", async () => {
  const node = new ModelNode(100);
  const slow = await subscribed(node);
  slow.socket.pause();
  for (let round = 0; round < 1000; round++) put(node, `k${round % 10}`, `${round} ${padding}`);
  const { softBufferedBytes, sweepBytes } = node.limits;
  expect(slow.socket.mostBuffered).toBeLessThan(softBufferedBytes + 2 * sweepBytes);
  const waiting = slow.socket.bufferedBytes();
  slow.socket.resume();
  await node.settle();
  expect(slow.shown(topic)).toEqual(node.bridge.values(topic));
  const messages = framesOf(slow).length - 1;
  expect(messages).toBeLessThan(waiting / 100 + 10 + 1);
  expect(slow.watches.get(topic)!.resets).toBe(0);
  expect(slow.complaints).toEqual([]);
});

describe("a rate class", () => {
  test("is the fastest that is not faster than was asked for", () => {
    expect([1, 1.5, 4, 5, 59, 60].map(rateClass)).toEqual([1, 1, 2, 5, 30, 60]);
    expect([61, 1000, undefined].map(rateClass)).toEqual([60, 60, undefined]);
  });

  test("gets each changed key's newest value once per round, in one turn", async () => {
    const node = new ModelNode(100);
    const [slow, fast] = [await subscribed(node, undefined, 2), await subscribed(node)];
    for (let ms = 0; ms < 2000; ms++) {
      put(node, `k${ms % 10}`, ms);
      node.wait(1);
    }
    expect(framesOf(fast)).toHaveLength(1 + 2000);
    const rounds = (framesOf(slow).length - 1) / 10;
    expect(rounds).toBeGreaterThanOrEqual(3);
    expect(rounds).toBeLessThanOrEqual(4.1);
    node.wait(500);
    expect(slow.shown(topic)).toEqual(node.bridge.values(topic));
  });

  test("arms one timer per round, however much is published meanwhile", async () => {
    const node = new ModelNode(100);
    await subscribed(node, undefined, 10);
    for (let change = 0; change < 1000; change++) put(node, "a", change);
    expect(node.pendingTimers).toBe(1);
    node.wait(0);
    for (let change = 0; change < 1000; change++) put(node, "a", change);
    expect(node.pendingTimers).toBe(1);
  });

  test("keeps no timer while nothing changes, and delivers the first change after a pause at once", async () => {
    const node = new ModelNode(100);
    const reader = await subscribed(node, undefined, 1);
    put(node, "a", 1);
    node.wait(0);
    expect(reader.shown(topic)).toEqual({ a: 1 });
    put(node, "a", 2);
    node.wait(999);
    expect(reader.shown(topic)).toEqual({ a: 1 });
    node.wait(1);
    expect(reader.shown(topic)).toEqual({ a: 2 });
    expect(node.pendingTimers).toBe(0);
  });

  test("costs natively the same however many subscribers share it", async () => {
    const count = async (readers: number) => {
      const node = new ModelNode(100);
      for (let reader = 0; reader < readers; reader++) await subscribed(node, undefined, 5);
      for (let key = 0; key < 30; key++) put(node, `k${key}`, key);
      node.wait(1000);
      return node.engine.publishes;
    };
    expect(await count(20)).toBe(await count(1));
  });
});

type Step =
  | { do: "put" | "remove"; key: number; times: number }
  | { do: "pause" | "resume" | "reconnect" | "resubscribe" | "leave"; reader: number; rate: number }
  | { do: "take"; reader: number; count: number }
  | { do: "lose"; kept: number }
  | { do: "slow" | "quick" | "settle" | "desert" }
  | { do: "wait"; ms: number };

const readerCount = 3;
const rates = [undefined, undefined, ...rateClassesHz];
const which = fc.record({ reader: fc.nat(readerCount - 1), rate: fc.nat(rates.length - 1) });
const change = fc.record({ key: fc.nat(5), times: fc.integer({ min: 1, max: 20 }) });
const steps = fc.array(
  fc.oneof(
    change.map((what): Step => ({ do: "put", ...what })),
    change.map((what): Step => ({ do: "put", ...what })),
    change.map((what): Step => ({ do: "remove", ...what })),
    fc.constantFrom("pause", "resume", "reconnect", "resubscribe", "leave").chain((kind) => {
      return which.map((at) => ({ do: kind, ...at }) as Step);
    }),
    fc.record({ reader: fc.nat(readerCount - 1), count: fc.integer({ min: 1, max: 30 }) }).map((at): Step => {
      return { do: "take", ...at };
    }),
    fc.nat(6).map((kept): Step => ({ do: "lose", kept })),
    fc.constantFrom<Step>({ do: "slow" }, { do: "quick" }, { do: "settle" }),
    fc.constant<Step>({ do: "desert" }),
    fc.constantFrom(1, 40, 300, 2000).map((ms): Step => ({ do: "wait", ms })),
  ),
  { maxLength: 80, size: "max" },
);

class Run {
  readonly node = new ModelNode(100, { removalTtlMs: 1000, topicLingerMs: 500 });
  readonly readers = Array.from({ length: readerCount }, () => new LatestReader(this.node));
  readonly gone: LatestReader[] = [];
  #count = 0;

  async take(step: Step): Promise<void> {
    const { node } = this;
    switch (step.do) {
      case "put":
        for (let time = 0; time < step.times; time++)
          put(node, `k${step.key}`, `${++this.#count} ${padding}`);
        break;
      case "remove":
        remove(node, `k${step.key}`);
        break;
      case "pause":
        this.readers[step.reader]!.socket.pause();
        break;
      case "resume":
        this.readers[step.reader]!.socket.resume();
        break;
      case "take":
        this.readers[step.reader]!.socket.take(step.count);
        break;
      case "reconnect":
        this.#reconnect(step.reader, rates[step.rate]);
        break;
      case "resubscribe":
        this.#subscribe(this.readers[step.reader]!, rates[step.rate]);
        break;
      case "leave":
        this.readers[step.reader]!.unsubscribe(topic);
        break;
      case "lose":
        node.bridge.loseSome(topic, step.kept);
        break;
      case "slow":
      case "quick":
        node.bridge.isSlow = step.do === "slow";
        break;
      case "settle":
        node.bridge.release();
        await node.settle();
        break;
      case "desert":
        for (const reader of this.readers) reader.unsubscribe(topic);
        node.tick(node.limits.topicLingerMs);
        break;
      case "wait":
        node.tick(step.ms);
        break;
    }
  }

  #subscribe(reader: LatestReader, rateHz: number | undefined): void {
    reader.socket.resume();
    reader.look();
    reader.subscribe(topic, reader.watches.get(topic)?.position, rateHz);
  }

  /** A client keeps what it has shown over a reconnect. */
  #reconnect(index: number, rateHz: number | undefined): void {
    const old = this.readers[index]!;
    old.look();
    old.disconnect();
    this.gone.push(old);
    const fresh = new LatestReader(this.node);
    this.readers[index] = fresh;
    for (const [name, watches] of old.watches) {
      fresh.watches.set(name, { ...watches, values: new Map(watches.values) });
      fresh.subscribe(name, watches.position, rateHz);
    }
  }

  async end(): Promise<void> {
    this.node.bridge.isSlow = false;
    for (let round = 0; round < 4; round++) {
      this.node.bridge.release();
      for (const reader of this.readers) reader.socket.resume();
      this.node.tick(1000);
      await this.node.settle();
    }
  }
}

const runs = Number(process.env.FANWIRE_TEST_RUNS ?? 200);

test("whatever happens, no key goes back, little waits for anybody, and all end with the same newest values", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (script) => {
      const run = new Run();
      for (const step of script) await run.take(step);
      await run.end();
      const { softBufferedBytes, sweepBytes } = run.node.limits;
      for (const reader of [...run.readers, ...run.gone]) {
        expect(reader.complaints).toEqual([]);
        expect(reader.socket.mostBuffered).toBeLessThan(softBufferedBytes + 3 * sweepBytes);
      }
      for (const reader of run.readers) {
        if (!reader.subscriptions.has(topic)) continue;
        expect(reader.shown(topic)).toEqual(run.node.bridge.values(topic));
        expect(reader.subscriptions.get(topic)!.live).toBe(true);
      }
    }),
    { numRuns: runs },
  );
}, 60_000);
