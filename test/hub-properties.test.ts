import { expect, test } from "bun:test";
import fc from "fast-check";
import type { SnapshotProvider } from "../src/application.ts";
import type { Position } from "../src/bridge/bridge.ts";
import { ModelNode } from "./support/model-node.ts";
import { StreamReader } from "./support/stream-reader.ts";

type Step =
  | { do: "publish"; topic: number; count: number; size: number }
  | { do: "pause" | "resume" | "reconnect" | "resubscribe" | "leave"; reader: number; topic: number }
  | { do: "take"; reader: number; count: number }
  | { do: "lose"; topic: number; offset: number; isLate: boolean }
  | { do: "slow" | "quick" | "fail" | "heal" | "settle" | "late" | "catch up" }
  | { do: "snapshot"; kind: (typeof snapshotKinds)[number] }
  | { do: "release"; count: number };

/** What the application answers when it is asked for a snapshot. */
const snapshotKinds = ["current", "late", "older", "foreign", "failing"] as const;
const readerCount = 3;
const topics = ["room:a", "room:b", "paced:c", "book:d"];
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
    fc.constantFrom<Step>({ do: "late" }, { do: "catch up" }),
    fc.record({ do: one("release"), count: fc.integer({ min: 1, max: 3 }) }),
  ];
  const harmful: fc.Arbitrary<Step>[] = [
    fc.record({
      do: one("lose"),
      topic: fc.nat(topics.length - 1),
      offset: fc.nat(5),
      isLate: fc.boolean(),
    }),
    fc.constantFrom<Step>({ do: "fail" }, { do: "heal" }),
    fc.constantFrom(...snapshotKinds).map((kind): Step => ({ do: "snapshot", kind })),
  ];
  return fc.array(fc.oneof(...harmless, ...(mayLose ? harmful : [])), { maxLength: 80, size: "max" });
}

function snapshotOf(kind: (typeof snapshotKinds)[number]): SnapshotProvider {
  const stateAt = ({ epoch, offset }: Position) => ({ data: `state at ${epoch}:${offset}`, epoch, offset });
  return async (_, position) => {
    if (kind === "late") await new Promise((resolve) => setImmediate(resolve));
    if (kind === "failing") throw new Error("the application is not well");
    if (kind === "foreign") return stateAt({ epoch: "foreign", offset: 1 });
    return stateAt({ ...position, offset: Math.max(0, position.offset - (kind === "older" ? 5 : 0)) });
  };
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
        for (let count = 0; count < step.count; count++) node.publishNext(topics[step.topic]!, step.size);
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
        node.bridge.isLossLate = step.isLate;
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
      case "snapshot":
        node.snapshot = snapshotOf(step.kind);
        break;
      case "late":
        node.bridge.isLate = true;
        break;
      case "catch up":
        node.bridge.catchUp();
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
    this.node.bridge.catchUp();
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
    for (const subscription of reader.subscriptions) {
      const { name } = subscription.topic;
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
