// Recovery and feeding over a store that answers slowly or of another epoch, and among topics that compete for one socket.

import { describe, expect, test } from "bun:test";
import type { Position } from "../src/bridge/bridge.ts";
import { ModelNode } from "./support/model-node.ts";
import { StreamReader } from "./support/stream-reader.ts";

const topic = "room:1";

function returning(node: ModelNode, since: Position): StreamReader {
  const reader = new StreamReader(node);
  reader.subscribe(topic, since);
  return reader;
}

/** The answer to the reader's only subscribe. */
function okOf(reader: StreamReader) {
  const frame = JSON.parse(String(reader.socket.read.find((payload) => String(payload).includes('"ok"'))));
  return frame as Position & { recovered: boolean; publications: { offset: number }[] };
}

/** A node that listens to the topic, and whose memory no longer holds what follows `since`. */
async function nodeBeyondMemory(): Promise<{ node: ModelNode; stays: StreamReader; since: Position }> {
  const node = new ModelNode(1000);
  const stays = new StreamReader(node);
  stays.subscribe(topic);
  await node.settle();
  for (let count = 0; count < 40; count++) node.publishNext(topic);
  return { node, stays, since: { ...node.bridge.position(topic), offset: 1 } };
}

describe("a page of history", () => {
  test("of an epoch that is over is not given to whoever asks for the same offsets of the next one", async () => {
    const { node, since } = await nodeBeyondMemory();
    node.bridge.isSlow = true;
    const early = returning(node, since);
    node.bridge.loseEverything(topic, 0);
    for (let count = 0; count < 40; count++) node.publishNext(topic);
    const late = returning(node, { ...node.bridge.position(topic), offset: 1 });
    node.bridge.isSlow = false;
    node.bridge.release();
    await node.settle();
    expect(okOf(early).recovered).toBe(false);
    expect(okOf(late).recovered).toBe(true);
    late.look();
    expect(late.follows.get(topic)!.position).toEqual(node.bridge.position(topic));
    expect(late.follows.get(topic)!.seen).toHaveLength(39);
    expect([...early.complaints, ...late.complaints]).toEqual([]);
  });

  test("of an epoch that the node has not heard of yet is waited for, and ends continuity once", async () => {
    const { node, since } = await nodeBeyondMemory();
    node.bridge.isLate = true;
    node.bridge.isLossLate = true;
    node.bridge.loseEverything(topic, 0);
    for (let count = 0; count < 40; count++) node.publishNext(topic);
    const back = returning(node, since);
    await node.settle();
    expect(back.socket.read).toEqual([]);
    node.bridge.catchUp();
    await node.settle();
    expect(okOf(back)).toMatchObject({ recovered: false, ...node.bridge.position(topic) });
    back.look();
    expect(back.follows.get(topic)!.resets).toEqual([]);
    expect(back.follows.get(topic)!.position).toEqual(node.bridge.position(topic));
    expect(back.complaints).toEqual([]);
  });
});

describe("a client that knows more than its node", () => {
  /** A node that has heard nothing of what was published last, and a position in it. */
  async function lateNode() {
    const { node } = await nodeBeyondMemory();
    node.bridge.isLate = true;
    for (let count = 0; count < 5; count++) node.publishNext(topic);
    return { node, since: { ...node.bridge.position(topic), offset: 43 } };
  }

  test("continues where it was once the node has heard of it", async () => {
    const { node, since } = await lateNode();
    const back = returning(node, since);
    await node.settle();
    expect(back.socket.read).toEqual([]);
    node.bridge.catchUp();
    await node.settle();
    expect(okOf(back)).toMatchObject({ recovered: true, offset: 45 });
    back.look();
    expect(back.follows.get(topic)!.seen).toHaveLength(2);
    expect(back.complaints).toEqual([]);
  });

  test("begins anew at once where nobody knows of that position", async () => {
    const { node, since } = await lateNode();
    node.bridge.catchUp();
    for (const position of [
      { ...since, offset: 99 },
      { epoch: "made-up", offset: 1 },
    ]) {
      const back = returning(node, position);
      await node.settle();
      expect(okOf(back)).toMatchObject({ recovered: false, offset: 45 });
    }
  });

  test("is refused, to try again, where the node does not hear of it in time", async () => {
    const { node, since } = await lateNode();
    const back = returning(node, since);
    await node.settle();
    node.tick(4999);
    await node.settle();
    expect(back.failures).toEqual([]);
    node.tick(1);
    await node.settle();
    expect(back.failures).toMatchObject([{ code: "unavailable" }]);
    expect(back.subscriptions.get(topic)).toBeUndefined();
  });
});

test("a slow socket that an epoch's end left behind continues where the next epoch began", async () => {
  const { node, stays } = await nodeBeyondMemory();
  stays.socket.pause();
  for (let count = 0; count < 60; count++) node.publishNext(topic);
  node.bridge.beginEpoch(topic);
  for (let count = 0; count < 20; count++) node.publishNext(topic);
  for (let round = 0; round < 3; round++) {
    stays.socket.resume();
    node.tick();
    await node.settle();
  }
  stays.look();
  const { position, resets } = stays.follows.get(topic)!;
  expect(resets).toEqual([{ ...node.bridge.position(topic), offset: 100 }]);
  expect(position).toEqual(node.bridge.position(topic));
  expect(stays.complaints).toEqual([]);
});

test("a slow socket is not fed the next epoch's publications as if they were of the last one", async () => {
  const { node, stays } = await nodeBeyondMemory();
  stays.socket.pause();
  for (let count = 0; count < 60; count++) node.publishNext(topic);
  node.bridge.isLate = true;
  node.bridge.isLossLate = true;
  node.bridge.loseEverything(topic, 0);
  for (let count = 0; count < 110; count++) node.publishNext(topic);
  node.bridge.isSlow = true;
  stays.socket.resume();
  node.tick();
  await node.settle();
  expect(node.bridge.reads).toBe(1);
  // The node hears of the epoch while it waits for a page, which is of that epoch.
  node.bridge.catchUp();
  node.bridge.isSlow = false;
  node.bridge.release();
  for (let round = 0; round < 3; round++) {
    await node.settle();
    node.tick();
  }
  stays.look();
  const { position, resets } = stays.follows.get(topic)!;
  expect(stays.complaints).toEqual([]);
  expect(resets).toEqual([{ ...node.bridge.position(topic), offset: 0 }]);
  expect(position).toEqual(node.bridge.position(topic));
});

describe("the ok of a recovery", () => {
  const sizeOf = (reader: StreamReader) => JSON.stringify(okOf(reader).publications).length;

  test("brings no more than `recoveryChunkBytes`, and the rest follows", async () => {
    const { node, since } = await nodeBeyondMemory();
    expect(node.limits.recoveryChunkBytes).toBeLessThan(node.limits.softBufferedBytes);
    const back = returning(node, since);
    await node.settle();
    expect(sizeOf(back)).toBeWithin(100, node.limits.recoveryChunkBytes);
    back.look();
    expect(back.follows.get(topic)!.seen).toHaveLength(39);
    expect(back.complaints).toEqual([]);
  });

  test("brings only what the socket has room for, so that many at once do not fill it", async () => {
    const { node, since } = await nodeBeyondMemory();
    const names = Array.from({ length: 30 }, (_, index) => `room:${index + 1}`);
    for (const name of names.slice(1)) for (let count = 0; count < 40; count++) node.publishNext(name);
    const back = new StreamReader(node);
    back.socket.pause();
    for (const name of names) back.subscribe(name, { ...node.bridge.position(name), offset: since.offset });
    await node.settle();
    // Each answers at once, with its frame if with nothing else.
    const answers = names.length * 150;
    expect(back.socket.mostBuffered).toBeLessThan(node.limits.softBufferedBytes + answers);
    back.socket.resume();
    await node.settle();
    back.look();
    for (const name of names) expect(back.follows.get(name)!.position).toEqual(node.bridge.position(name));
    expect(back.complaints).toEqual([]);
  });
});

test("of a slow socket's topics none starves, however much is published to another", async () => {
  // Memory holds it all: who has to wait for history lets others pass anyway.
  const node = new ModelNode(1000, { ringPublications: 1000, ringBytes: 1_000_000 });
  const [busy, quiet] = ["room:busy", "room:quiet"];
  const slow = new StreamReader(node);
  for (const name of [busy, quiet]) slow.subscribe(name);
  await node.settle();
  slow.socket.pause();
  for (let count = 0; count < 30; count++) node.publishNext(busy);
  expect(slow.behind?.size).toBe(2);
  for (let count = 0; count < 10; count++) node.publishNext(quiet);
  for (let round = 0; round < 40; round++) {
    // More than the socket takes meanwhile.
    for (let count = 0; count < 12; count++) node.publishNext(busy);
    slow.socket.take(6);
    await node.settle();
  }
  slow.look();
  expect(slow.follows.get(busy)!.position.offset).toBeLessThan(node.bridge.position(busy).offset - 100);
  expect(slow.follows.get(quiet)!.position.offset).toBe(10);
  expect(slow.complaints).toEqual([]);
});
