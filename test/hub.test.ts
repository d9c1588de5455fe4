import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Position } from "../src/bridge/bridge.ts";
import { FanwireError } from "../src/errors.ts";
import { ModelNode } from "./support/model-node.ts";
import { StreamReader } from "./support/stream-reader.ts";

const topic = "room:1";
const padding = "x".repeat(100);

/** Publishes what a reader can check: its own position. */
function publish(node: ModelNode, name = topic, size = padding.length): void {
  const { epoch, offset } = node.bridge.position(name);
  node.publish(name, `${epoch}:${offset + 1} ${"x".repeat(size)}`);
}

async function subscribed(node: ModelNode, since?: Position): Promise<StreamReader> {
  const reader = new StreamReader(node);
  reader.subscribe(topic, since);
  await node.settle();
  reader.look();
  return reader;
}

function offsetsOf(reader: StreamReader): number[] {
  reader.look();
  return reader.follows.get(topic)!.seen.map((id) => Number(id.split(":")[1]));
}

const upTo = (last: number, first = 1) =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

describe("a subscription", () => {
  test("begins at the topic's position and continues from there", async () => {
    const node = new ModelNode(100);
    publish(node);
    const reader = await subscribed(node);
    publish(node);
    publish(node);
    expect(offsetsOf(reader)).toEqual([2, 3]);
    expect(reader.complaints).toEqual([]);
  });

  test("that comes back gets what it missed from memory, without asking the bridge", async () => {
    const node = new ModelNode(100);
    const stays = await subscribed(node);
    for (let count = 0; count < 5; count++) publish(node);
    const back = await subscribed(node, { ...node.bridge.position(topic), offset: 2 });
    expect(offsetsOf(back)).toEqual([3, 4, 5]);
    expect(offsetsOf(stays)).toEqual(upTo(5));
    expect(node.bridge.reads).toBe(0);
  });

  test("that was away for longer than memory reaches gets it from history, and all who ask at once cost one read", async () => {
    const node = new ModelNode(100);
    await subscribed(node);
    for (let count = 0; count < 40; count++) publish(node);
    const since = { ...node.bridge.position(topic), offset: 1 };
    const readers = Array.from({ length: 20 }, () => new StreamReader(node));
    for (const reader of readers) reader.subscribe(topic, since);
    publish(node);
    await node.settle();
    for (const reader of readers) expect(offsetsOf(reader)).toEqual(upTo(41, 2));
    expect(node.bridge.reads).toBe(1);
  });

  test("is told the truth when history does not reach", async () => {
    const node = new ModelNode(10);
    for (let count = 0; count < 40; count++) publish(node);
    const reader = await subscribed(node, { ...node.bridge.position(topic), offset: 1 });
    publish(node);
    expect(offsetsOf(reader)).toEqual([41]);
    expect(reader.complaints).toEqual([]);
  });

  test.each([
    ["of another epoch", (position: Position) => ({ ...position, epoch: "other" })],
    ["that was not reached yet", (position: Position) => ({ ...position, offset: position.offset + 1 })],
  ])("with a position %s is not recovered", async (_, change) => {
    const node = new ModelNode(100);
    publish(node);
    const reader = await subscribed(node, change(node.bridge.position(topic)));
    publish(node);
    expect(offsetsOf(reader)).toEqual([2]);
  });

  test("fails with the bridge, leaves nothing behind, and works when the bridge is back", async () => {
    const node = new ModelNode(100);
    node.bridge.isFailing = true;
    const reader = await subscribed(node);
    expect(reader.failures).toEqual([expect.any(FanwireError)]);
    expect(reader.subscriptions.size).toBe(0);
    node.bridge.isFailing = false;
    reader.subscribe(topic);
    await node.settle();
    publish(node);
    expect(offsetsOf(reader)).toEqual([1]);
  });

  test("made and ended while the bridge is still joining is never answered nor served", async () => {
    const node = new ModelNode(100);
    node.bridge.isSlow = true;
    const reader = await subscribed(node);
    reader.disconnect();
    node.bridge.release();
    await node.settle();
    publish(node);
    expect(reader.socket.read).toEqual([]);
  });
});

describe("a slow socket", () => {
  test("is taken off its topic before its buffer grows, and brought back with everything in order", async () => {
    const node = new ModelNode(1000);
    const [slow, fast] = [await subscribed(node), await subscribed(node)];
    slow.socket.pause();
    for (let count = 0; count < 300; count++) publish(node);
    const { softBufferedBytes, sweepBytes } = node.limits;
    expect(slow.socket.mostBuffered).toBeLessThan(softBufferedBytes + 2 * sweepBytes);
    expect(offsetsOf(fast)).toEqual(upTo(300));
    slow.socket.resume();
    await node.settle();
    publish(node);
    expect(offsetsOf(slow)).toEqual(upTo(301));
    expect(slow.complaints).toEqual([]);
    expect(slow.follows.get(topic)!.resets).toEqual([]);
    expect(slow.behind).toBeUndefined();
  });

  test("is told once when history has not kept what it missed, and continues where history begins", async () => {
    const node = new ModelNode(20);
    const slow = await subscribed(node);
    slow.socket.pause();
    for (let count = 0; count < 300; count++) publish(node);
    slow.socket.resume();
    await node.settle();
    publish(node);
    slow.look();
    const { resets, position } = slow.follows.get(topic)!;
    expect(resets).toEqual([{ epoch: position.epoch, offset: 280 }]);
    expect(position.offset).toBe(301);
    expect(slow.complaints).toEqual([]);
  });

  test("gets what the old epoch still owed it, then the reset, then the new epoch", async () => {
    const node = new ModelNode(100);
    const slow = await subscribed(node);
    slow.socket.pause();
    for (let count = 0; count < 30; count++) publish(node);
    node.bridge.loseEverything(topic, 0);
    const kept = node.limits.ringPublications - 1;
    for (let count = 0; count < kept; count++) publish(node);
    slow.socket.resume();
    await node.settle();
    slow.look();
    expect(slow.follows.get(topic)!.resets).toHaveLength(1);
    expect(slow.follows.get(topic)!.position).toEqual(node.bridge.position(topic));
    expect(slow.complaints).toEqual([]);
  });

  test("misses volatile publications while it is slow, and none afterwards", async () => {
    const node = new ModelNode(100);
    const slow = new StreamReader(node);
    void node.hub.subscribe(slow, "game:1", {}, () => undefined);
    await node.settle();
    slow.socket.pause();
    const send = (count: number) =>
      node.hub.publishVolatile("game:1", { data: `${count} ${padding}`, timestamp: 0 });
    for (let count = 0; count < 300; count++) send(count);
    expect(slow.socket.mostBuffered).toBeLessThan(node.limits.softBufferedBytes + 2 * node.limits.sweepBytes);
    slow.socket.resume();
    await node.settle();
    const before = slow.socket.read.length;
    expect(before).toBeLessThan(100);
    send(300);
    expect(slow.socket.read).toHaveLength(before + 1);
  });

  test("is closed when it stays behind for too long, and not before", async () => {
    const node = new ModelNode(1000);
    const slow = await subscribed(node);
    slow.socket.pause();
    for (let count = 0; count < 300; count++) publish(node);
    node.tick(node.limits.slowConsumerTimeoutMs - 1);
    expect(slow.closedFor).toBeUndefined();
    node.tick(1);
    expect(slow.closedFor).toBe("slow-consumer");
    expect(node.hub.feeder.behindCount).toBe(0);
  });

  test("is fed again after history could not be read for a while", async () => {
    const node = new ModelNode(1000);
    const slow = await subscribed(node);
    slow.socket.pause();
    for (let count = 0; count < 300; count++) publish(node);
    node.bridge.isFailing = true;
    slow.socket.resume();
    await node.settle();
    node.bridge.isFailing = false;
    node.tick();
    await node.settle();
    expect(offsetsOf(slow)).toEqual(upTo(300));
  });
});

describe("a topic", () => {
  test("is left some time after its last member, and not while somebody is there", async () => {
    const node = new ModelNode(100);
    const reader = await subscribed(node);
    node.tick(60_000);
    expect(node.hub.topicCount).toBe(1);
    reader.unsubscribe(topic);
    node.tick(node.limits.topicLingerMs - 1);
    expect(node.hub.topicCount).toBe(1);
    node.tick(1);
    expect(node.hub.topicCount).toBe(0);
  });

  test("lets a publisher of volatile data do without its own echo", async () => {
    const node = new ModelNode(100);
    const readers = [new StreamReader(node), new StreamReader(node)];
    for (const reader of readers) void node.hub.subscribe(reader, "game:1", {}, () => undefined);
    await node.settle();
    node.hub.publishVolatile("game:1", { data: 1, timestamp: 0 }, readers[0]!.socket);
    expect(readers.map(({ socket }) => socket.read.length)).toEqual([0, 1]);
  });
});

type Step =
  | { do: "publish"; topic: number; count: number; size: number }
  | { do: "pause" | "resume" | "reconnect" | "resubscribe" | "leave"; reader: number; topic: number }
  | { do: "take"; reader: number; count: number }
  | { do: "lose"; topic: number; offset: number }
  | { do: "slow" | "quick" | "fail" | "heal" | "settle" }
  | { do: "release"; count: number };

const readerCount = 3;
const topics = ["room:a", "room:b", "paced:c"];
const which = fc.record({ reader: fc.nat(readerCount - 1), topic: fc.nat(topics.length - 1) });
const one = <Kind extends Step["do"]>(kind: Kind) => fc.constant(kind);

/** Also larger than what may wait for a round, and than the whole ring. */
const size = fc.oneof({ weight: 6, arbitrary: fc.constant(100) }, fc.constantFrom(600, 3000));

function steps(mayLose: boolean) {
  const harmless: fc.Arbitrary<Step>[] = [
    fc.record({
      do: one("publish"),
      topic: fc.nat(topics.length - 1),
      count: fc.integer({ min: 1, max: 40 }),
      size,
    }),
    fc.record({
      do: one("publish"),
      topic: fc.nat(topics.length - 1),
      count: fc.integer({ min: 1, max: 4 }),
      size,
    }),
    which.map((at) => ({ do: "pause", ...at })),
    which.map((at) => ({ do: "resume", ...at })),
    which.map((at) => ({ do: "reconnect", ...at })),
    which.map((at) => ({ do: "resubscribe", ...at })),
    which.map((at) => ({ do: "leave", ...at })),
    fc.record({ do: one("take"), reader: fc.nat(readerCount - 1), count: fc.integer({ min: 1, max: 30 }) }),
    fc.constantFrom<Step>({ do: "slow" }, { do: "quick" }, { do: "settle" }, { do: "settle" }),
    fc.record({ do: one("release"), count: fc.integer({ min: 1, max: 3 }) }),
  ];
  const harmful: fc.Arbitrary<Step>[] = [
    fc.record({ do: one("lose"), topic: fc.nat(topics.length - 1), offset: fc.nat(5) }),
    fc.constantFrom<Step>({ do: "fail" }, { do: "heal" }),
  ];
  return fc.array(fc.oneof(...harmless, ...(mayLose ? harmful : [])), { maxLength: 80, size: "max" });
}

class Run {
  readonly node: ModelNode;
  readonly readers: StreamReader[];
  readonly gone: StreamReader[] = [];

  constructor(historySize: number) {
    this.node = new ModelNode(historySize);
    this.readers = Array.from({ length: readerCount }, () => new StreamReader(this.node));
  }

  async take(step: Step): Promise<void> {
    const { node } = this;
    switch (step.do) {
      case "publish":
        for (let count = 0; count < step.count; count++) publish(node, topics[step.topic], step.size);
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
        this.#reconnect(step.reader);
        break;
      case "resubscribe":
        this.#resubscribe(this.readers[step.reader]!, topics[step.topic]!);
        break;
      case "leave":
        this.readers[step.reader]!.unsubscribe(topics[step.topic]!);
        break;
      case "lose":
        node.bridge.loseEverything(topics[step.topic]!, step.offset);
        break;
      case "slow":
      case "quick":
        node.bridge.isSlow = step.do === "slow";
        break;
      case "fail":
      case "heal":
        node.bridge.isFailing = step.do === "fail";
        break;
      case "release":
        node.bridge.release(step.count);
        break;
      case "settle":
        node.tick(7);
        await node.settle();
        break;
    }
  }

  /** A client knows what it has read, not what was sent: it comes back with that. */
  #resubscribe(reader: StreamReader, name: string): void {
    // What is still in the buffer belongs to the old subscription and would be read after asking: only then is `since` known.
    reader.socket.resume();
    reader.look();
    reader.subscribe(name, reader.follows.get(name)?.position);
  }

  #reconnect(index: number): void {
    const old = this.readers[index]!;
    old.look();
    old.disconnect();
    this.gone.push(old);
    const fresh = new StreamReader(this.node);
    this.readers[index] = fresh;
    for (const [name, { position }] of old.follows) fresh.subscribe(name, position);
  }

  async end(): Promise<void> {
    this.node.bridge.isFailing = false;
    this.node.bridge.isSlow = false;
    for (let round = 0; round < 4; round++) {
      this.node.bridge.release();
      for (const reader of this.readers) reader.socket.resume();
      this.node.tick(20);
      await this.node.settle();
    }
    for (const reader of this.readers) reader.look();
  }
}

async function check(historySize: number, script: readonly Step[], mayLose: boolean): Promise<void> {
  const run = new Run(historySize);
  for (const step of script) await run.take(step);
  await run.end();
  for (const reader of [...run.readers, ...run.gone]) {
    expect(reader.complaints).toEqual([]);
    const { softBufferedBytes, sweepBytes } = run.node.limits;
    expect(reader.socket.mostBuffered).toBeLessThan(softBufferedBytes + 3 * sweepBytes + 2 * 3000);
    for (const { resets } of reader.follows.values()) if (!mayLose) expect(resets).toEqual([]);
  }
  for (const reader of run.readers) {
    for (const [name, subscription] of reader.subscriptions) {
      expect(subscription.live).toBe(true);
      expect(reader.follows.get(name)?.position).toEqual(run.node.bridge.position(name));
    }
    expect(reader.behind).toBeUndefined();
  }
  expect(run.node.hub.feeder.behindCount).toBe(0);
}

const runs = Number(process.env.FANWIRE_TEST_RUNS ?? 200);

test("whatever happens, nobody sees a hole, a double or a reset while history reaches, and all end at the head", async () => {
  await fc.assert(
    fc.asyncProperty(steps(false), (script) => check(100_000, script, false)),
    { numRuns: runs },
  );
}, 60_000);

test("whatever is lost, nobody sees a hole that no reset announced, and all end at the head", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 60 }), steps(true), (size, script) =>
      check(size, script, true),
    ),
    { numRuns: runs },
  );
}, 60_000);
