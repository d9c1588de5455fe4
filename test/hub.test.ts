import { describe, expect, test } from "bun:test";
import type { Position } from "../src/bridge/bridge.ts";
import { FanwireError } from "../src/errors.ts";
import { ModelNode } from "./support/model-node.ts";
import { StreamReader } from "./support/stream-reader.ts";

const topic = "room:1";
const padding = "x".repeat(100);

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
    node.publishNext(topic);
    const reader = await subscribed(node);
    node.publishNext(topic);
    node.publishNext(topic);
    expect(offsetsOf(reader)).toEqual([2, 3]);
    expect(reader.complaints).toEqual([]);
  });

  test("that comes back gets what it missed from memory, without asking the bridge", async () => {
    const node = new ModelNode(100);
    const stays = await subscribed(node);
    for (let count = 0; count < 5; count++) node.publishNext(topic);
    const back = await subscribed(node, { ...node.bridge.position(topic), offset: 2 });
    expect(offsetsOf(back)).toEqual([3, 4, 5]);
    expect(offsetsOf(stays)).toEqual(upTo(5));
    expect(node.bridge.reads).toBe(0);
  });

  test("that was away for longer than memory reaches gets it from history, and all who ask at once cost one read", async () => {
    const node = new ModelNode(100);
    await subscribed(node);
    for (let count = 0; count < 40; count++) node.publishNext(topic);
    const since = { ...node.bridge.position(topic), offset: 1 };
    const readers = Array.from({ length: 20 }, () => new StreamReader(node));
    for (const reader of readers) reader.subscribe(topic, since);
    node.publishNext(topic);
    await node.settle();
    for (const reader of readers) expect(offsetsOf(reader)).toEqual(upTo(41, 2));
    expect(node.bridge.reads).toBe(1);
  });

  test("is told the truth when history does not reach", async () => {
    const node = new ModelNode(10);
    for (let count = 0; count < 40; count++) node.publishNext(topic);
    const reader = await subscribed(node, { ...node.bridge.position(topic), offset: 1 });
    node.publishNext(topic);
    expect(offsetsOf(reader)).toEqual([41]);
    expect(reader.complaints).toEqual([]);
  });

  test.each([
    ["of another epoch", (position: Position) => ({ ...position, epoch: "other" })],
    ["that was not reached yet", (position: Position) => ({ ...position, offset: position.offset + 1 })],
  ])("with a position %s is not recovered", async (_, change) => {
    const node = new ModelNode(100);
    node.publishNext(topic);
    const reader = await subscribed(node, change(node.bridge.position(topic)));
    node.publishNext(topic);
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
    node.publishNext(topic);
    expect(offsetsOf(reader)).toEqual([1]);
  });

  test("made and ended while the bridge is still joining is never answered nor served", async () => {
    const node = new ModelNode(100);
    node.bridge.isSlow = true;
    const reader = await subscribed(node);
    reader.disconnect();
    node.bridge.release();
    await node.settle();
    node.publishNext(topic);
    expect(reader.socket.read).toEqual([]);
  });
});

describe("a slow socket", () => {
  test("is taken off its topic before its buffer grows, and brought back with everything in order", async () => {
    const node = new ModelNode(1000);
    const [slow, fast] = [await subscribed(node), await subscribed(node)];
    slow.socket.pause();
    for (let count = 0; count < 300; count++) node.publishNext(topic);
    const { softBufferedBytes, sweepBytes } = node.limits;
    expect(slow.socket.mostBuffered).toBeLessThan(softBufferedBytes + 2 * sweepBytes);
    expect(offsetsOf(fast)).toEqual(upTo(300));
    slow.socket.resume();
    await node.settle();
    node.publishNext(topic);
    expect(offsetsOf(slow)).toEqual(upTo(301));
    expect(slow.complaints).toEqual([]);
    expect(slow.follows.get(topic)!.resets).toEqual([]);
    expect(slow.behind).toBeUndefined();
  });

  test("is fed so little in one turn, however many there are, that what comes in meanwhile does not wait", async () => {
    const node = new ModelNode(1000, {
      softBufferedBytes: 10_000_000,
      ringBytes: 10_000_000,
      ringPublications: 100,
    });
    await subscribed(node);
    for (let count = 0; count < 50; count++) node.publishNext(topic, 10_000);
    const since = { ...node.bridge.position(topic), offset: 1 };
    const readers = Array.from({ length: 8 }, () => new StreamReader(node));
    for (const reader of readers) reader.subscribe(topic, since);
    const read = () =>
      readers.reduce(
        (sum, { socket }) => sum + socket.read.reduce((bytes, payload) => bytes + payload.length, 0),
        0,
      );
    let turns = 0;
    for (let before = read(); readers.some((reader) => reader.behind); before = read()) {
      await node.turn();
      expect(read() - before).toBeLessThan(65_536 + 11_000);
      turns += 1;
    }
    // 8 readers of 490 kB, and each had its share on the way.
    expect(turns).toBeGreaterThan(50);
    for (const reader of readers) {
      expect(offsetsOf(reader)).toEqual(upTo(50, 2));
      expect(reader.complaints).toEqual([]);
    }
  });

  test("is told once when history has not kept what it missed, and continues where history begins", async () => {
    const node = new ModelNode(20);
    const slow = await subscribed(node);
    slow.socket.pause();
    for (let count = 0; count < 300; count++) node.publishNext(topic);
    slow.socket.resume();
    await node.settle();
    node.publishNext(topic);
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
    for (let count = 0; count < 30; count++) node.publishNext(topic);
    node.bridge.loseEverything(topic, 0);
    const kept = node.limits.ringPublications - 1;
    for (let count = 0; count < kept; count++) node.publishNext(topic);
    slow.socket.resume();
    await node.settle();
    slow.look();
    expect(slow.follows.get(topic)!.resets).toHaveLength(1);
    expect(slow.follows.get(topic)!.position).toEqual(node.bridge.position(topic));
    expect(slow.complaints).toEqual([]);
  });

  test("is not fed what this node has not heard of yet, and may never hear of", async () => {
    const node = new ModelNode(1000);
    const slow = await subscribed(node);
    slow.socket.pause();
    for (let count = 0; count < 60; count++) node.publishNext(topic);
    node.bridge.isSlow = true;
    node.bridge.isLate = true;
    for (let count = 0; count < 2; count++) node.publishNext(topic);
    slow.socket.resume();
    await node.settle();
    node.bridge.release();
    for (let turn = 0; turn < 10; turn++) await undefined;
    // The page has arrived, ahead of this node, and has not been fed: now its end is lost.
    node.bridge.isLate = false;
    node.bridge.loseEverything(topic, 0);
    node.publishNext(topic);
    await node.settle();
    slow.look();
    expect(slow.complaints).toEqual([]);
    expect(slow.follows.get(topic)!.resets).toEqual([{ epoch: "e2", offset: 0 }]);
    expect(slow.follows.get(topic)!.position).toEqual({ epoch: "e2", offset: 1 });
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
    for (let count = 0; count < 300; count++) node.publishNext(topic);
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
    for (let count = 0; count < 300; count++) node.publishNext(topic);
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
    node.hub.publishVolatile("game:1", { data: 1, timestamp: 0 }, readers[0]);
    expect(readers.map(({ socket }) => socket.read.length)).toEqual([0, 1]);
  });

  test("keeps no volatile publication for whoever comes after it", async () => {
    const node = new ModelNode(100);
    const gone = new StreamReader(node);
    void node.hub.subscribe(gone, "game:1", {}, () => undefined);
    await node.settle();
    gone.disconnect();
    node.hub.publishVolatile("game:1", { data: 1, timestamp: 0 });
    const late = new StreamReader(node);
    void node.hub.subscribe(late, "game:1", {}, () => undefined);
    node.wait(1000);
    await node.settle();
    expect(late.socket.read).toEqual([]);
  });
});
