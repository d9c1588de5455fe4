import { expect, test } from "bun:test";
import type { SnapshotProvider } from "../src/application.ts";
import type { Position } from "../src/bridge/bridge.ts";
import { ModelNode } from "./support/model-node.ts";
import { StreamReader } from "./support/stream-reader.ts";

const book = "book:1";

async function joined(node: ModelNode, since?: Position): Promise<StreamReader> {
  const reader = new StreamReader(node);
  reader.subscribe(book, since);
  await node.settle();
  reader.look();
  return reader;
}

test("a subscriber without a position gets one and what follows it, and one with a position does not", async () => {
  const node = new ModelNode(100);
  for (let count = 0; count < 20; count++) node.publishNext(book);
  let asked = 0;
  node.snapshot = (_, { epoch }) => {
    asked += 1;
    return { data: `state at ${epoch}:15`, epoch, offset: 15 };
  };
  const [first, second] = [new StreamReader(node), new StreamReader(node)];
  for (const reader of [first, second]) reader.subscribe(book);
  await node.settle();
  for (const reader of [first, second]) {
    reader.look();
    expect(reader.snapshots).toBe(1);
    expect(reader.follows.get(book)!.seen).toEqual([16, 17, 18, 19, 20].map((offset) => `e1:${offset}`));
  }
  expect(asked).toBe(1);
  const back = await joined(node, { epoch: "e1", offset: 18 });
  expect(back.snapshots).toBe(0);
  expect([first, second, back].flatMap(({ complaints }) => complaints)).toEqual([]);
});

test("a new epoch reaches every subscriber as a reset with one, and one that fails as a reset without", async () => {
  const node = new ModelNode(100);
  const readers = [await joined(node), await joined(node)];
  node.publishNext(book);
  node.bridge.loseEverything(book, 0);
  node.publishNext(book);
  await node.settle();
  node.publishNext(book);
  node.snapshot = () => Promise.reject(new Error("not well"));
  node.bridge.loseEverything(book, 0);
  await node.settle();
  node.publishNext(book);
  for (const reader of readers) {
    reader.look();
    expect(reader.follows.get(book)!.resets).toHaveLength(2);
    expect(reader.follows.get(book)!.position).toEqual(node.bridge.position(book));
    expect(reader.snapshots).toBe(2);
    expect(reader.complaints).toEqual([]);
  }
});

test("a slow socket that history does not reach gets one", async () => {
  const node = new ModelNode(20);
  const slow = await joined(node);
  slow.socket.pause();
  for (let count = 0; count < 300; count++) node.publishNext(book);
  slow.socket.resume();
  await node.settle();
  slow.look();
  expect(slow.follows.get(book)!.resets).toEqual([{ epoch: "e1", offset: 300 }]);
  expect(slow.snapshots).toBe(2);
});

test.each([
  ["fails", () => Promise.reject(new Error("not well")), "call-failed"],
  ["is of another epoch", () => ({ data: 1, epoch: "other", offset: 0 }), "call-failed"],
  ["is no data", (_: string, position: Position) => ({ data: () => 1, ...position }), "call-failed"],
  ["never comes", () => new Promise<never>(() => undefined), "timeout"],
] as [string, SnapshotProvider, string][])(
  "a subscribe fails when its snapshot %s",
  async (_, provider, code) => {
    const node = new ModelNode(100, { callTimeoutMs: 10 });
    node.snapshot = provider;
    const reader = await joined(node);
    for (let round = 0; round < 50 && reader.failures.length === 0; round++) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(reader.failures).toMatchObject([{ code }]);
    expect(reader.subscriptions.size).toBe(0);
  },
);
