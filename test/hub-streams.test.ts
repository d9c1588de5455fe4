// Subscribers whom no engine serves, at a model node: they get what sockets get, from one encoding, and are fed when they are slow.

import { expect, test } from "bun:test";
import type { Position } from "../src/bridge/bridge.ts";
import type { SendOutcome } from "../src/engine/engine.ts";
import type { StreamSubscriber, Subscription } from "../src/hub/active-topic.ts";
import { FewMap } from "../src/hub/few.ts";
import type { Joined } from "../src/hub/recovery.ts";
import type { SharedFrame } from "../src/wire/format.ts";
import type { MessageFrame } from "../src/wire/frames.ts";
import { sse } from "../src/wire/sse.ts";
import { ModelNode } from "./support/model-node.ts";
import { StreamReader } from "./support/stream-reader.ts";

class Listener implements StreamSubscriber {
  readonly format = sse;
  readonly member = { sessionId: crypto.randomUUID(), userId: "ann" };
  readonly subscriptions = new FewMap<Subscription>();
  behind: Set<Subscription> | undefined = undefined;
  behindSinceMs = 0;
  closedFor: string | undefined;
  isReading = true;
  mostBuffered = 0;
  readonly frames: SharedFrame[] = [];
  readonly answers: Joined[] = [];
  #buffered = 0;
  readonly #node: ModelNode;
  readonly socket = { bufferedBytes: () => this.#buffered, cork: (work: () => void) => work() };

  constructor(node: ModelNode) {
    this.#node = node;
  }

  subscribe(topic: string, since?: Position): Promise<void> | undefined {
    const wish = since ? { since } : {};
    return this.#node.hub.subscribe(this, topic, wish, (joined) => void this.answers.push(joined));
  }

  deliver(frame: SharedFrame): SendOutcome {
    this.frames.push(frame);
    if (!this.isReading) this.#buffered += frame.bytes(sse);
    this.mostBuffered = Math.max(this.mostBuffered, this.#buffered);
    return this.isReading ? "sent" : "queued";
  }

  close(reason: string): void {
    this.closedFor = reason;
  }

  read(): void {
    this.isReading = true;
    this.#buffered = 0;
    this.#node.hub.feeder.drained(this);
  }

  get offsets(): (number | undefined)[] {
    return this.frames.map(({ frame }) => (frame as MessageFrame).offset);
  }
}

const topic = "room:1";
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test("each listener is given the same frame, beside sockets, and encoded once", async () => {
  const node = new ModelNode(100);
  const listeners = [new Listener(node), new Listener(node)];
  const reader = new StreamReader(node);
  reader.subscribe(topic);
  for (const listener of listeners) await listener.subscribe(topic);
  for (let n = 0; n < 3; n++) node.publishNext(topic);
  await node.settle();
  for (const listener of listeners) expect(listener.offsets).toEqual(upTo(3));
  expect(listeners[0]!.frames[0]).toBe(listeners[1]!.frames[0]!);
  expect(listeners[0]!.frames[0]!.payload(sse)).toBe(listeners[1]!.frames[0]!.payload(sse));
  expect(reader.socket.read).toHaveLength(4);
  expect(node.hub.deliveries.stream.native).toEqual([3, 0, 6]);
  expect(node.hub.counts.subscriptions.stream).toEqual([1, 0, 2]);
});

test("a volatile publication reaches listeners, and a publisher's wish for no echo does not touch them", async () => {
  const node = new ModelNode(100);
  const listener = new Listener(node);
  const publisher = new StreamReader(node);
  await listener.subscribe("game:1");
  publisher.subscribe("game:1");
  await node.settle();
  node.hub.publishVolatile("game:1", { data: 1, timestamp: 1 }, publisher);
  expect(listener.frames.map(({ frame }) => (frame as MessageFrame).data)).toEqual([1]);
  expect(publisher.socket.read).toHaveLength(1);
});

test("a listener that comes back is owed nothing in its answer: all of it follows, in the frames that others get", async () => {
  const node = new ModelNode(100);
  await new Listener(node).subscribe(topic);
  for (let n = 0; n < 30; n++) node.publishNext(topic);
  const { epoch } = node.bridge.position(topic);
  const returning = [new Listener(node), new Listener(node)];
  for (const listener of returning) await listener.subscribe(topic, { epoch, offset: 25 });
  for (const { answers } of returning) {
    expect(answers).toMatchObject([{ recovered: true, publications: [], position: { epoch, offset: 25 } }]);
  }
  node.publishNext(topic);
  await node.settle();
  node.publishNext(topic);
  for (const listener of returning) expect(listener.offsets).toEqual([26, 27, 28, 29, 30, 31, 32]);
  expect(returning[0]!.frames[0]).toBe(returning[1]!.frames[0]!);
});

test("a slow listener is taken off the list before much waits for it, fed from its place, and comes back", async () => {
  const node = new ModelNode(1000);
  const [slow, fast] = [new Listener(node), new Listener(node)];
  for (const listener of [slow, fast]) await listener.subscribe(topic);
  slow.isReading = false;
  for (let n = 0; n < 300; n++) node.publishNext(topic);
  const { softBufferedBytes, sweepBytes } = node.limits;
  expect(slow.mostBuffered).toBeLessThan(softBufferedBytes + 2 * sweepBytes);
  expect(fast.offsets).toEqual(upTo(300));
  slow.read();
  await node.settle();
  node.publishNext(topic);
  expect(slow.offsets).toEqual(upTo(301));
  expect(slow.behind).toBeUndefined();
});

test("a listener that stays slow is closed", async () => {
  const node = new ModelNode(1000);
  const slow = new Listener(node);
  await slow.subscribe(topic);
  slow.isReading = false;
  for (let n = 0; n < 100; n++) node.publishNext(topic);
  node.tick(node.limits.slowConsumerTimeoutMs);
  expect(slow.closedFor).toBe("slow-consumer");
});

test("a topic is empty again after its last listener", async () => {
  const node = new ModelNode(100);
  const listener = new Listener(node);
  await listener.subscribe(topic);
  const { direct } = node.hub.topics.get(topic)!;
  expect(direct.isEmpty).toBe(false);
  node.hub.unsubscribeAll(listener);
  expect(direct.isEmpty).toBe(true);
  node.publishNext(topic);
  expect(listener.frames).toEqual([]);
  expect(node.hub.counts.subscriptions.stream).toEqual([0, 0, 0]);
});

test("of a `latest` topic a listener gets what is there, and not what was removed before", async () => {
  const node = new ModelNode(100);
  await new Listener(node).subscribe("prices:1");
  for (const key of ["a", "b", "c"]) node.publish("prices:1", key, { key });
  node.publish("prices:1", null, { key: "b", removed: true });
  const listener = new Listener(node);
  await listener.subscribe("prices:1");
  await node.settle();
  node.publish("prices:1", null, { key: "a", removed: true });
  expect(listener.frames.map(({ frame }) => (frame as MessageFrame).key)).toEqual(["a", "c", "a"]);
});
