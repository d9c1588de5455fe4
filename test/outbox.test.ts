// Publications on their way to a Redis whose replies a test decides: what is sent, what is sent again, and what is not any more.

import { describe, expect, test } from "bun:test";
import { type Call, ConnectionLost, type RedisError, type Reply } from "../src/bridge/connection.ts";
import { Budget } from "../src/bridge/redis/budget.ts";
import { Outbox } from "../src/bridge/redis/outbox.ts";
import type { Batch } from "../src/bridge/redis/publish-queue.ts";
import { rejection } from "./support/in-process.ts";
import { VirtualClock } from "./support/virtual-clock.ts";

const publishTimeoutMs = 3000;

interface Run {
  readonly batches: readonly Batch[];
  reply(replies: (Reply | RedisError)[]): void;
  lose(): void;
}

/** An outbox over a link that does nothing by itself; a call's argument is the number of the batch. */
function outbox() {
  const clock = new VirtualClock();
  const runs: Run[] = [];
  const sent = new Map<number, Batch>();
  const link = {
    isConnected: true,
    fence: 1,
    refence: () => undefined,
    run: (calls: readonly Call[]) =>
      new Promise<readonly (Reply | RedisError)[]>((resolve, reject) => {
        const batches = calls.map(({ args }) => sent.get(Number(args[0]))!);
        runs.push({ batches, reply: resolve, lose: () => reject(new ConnectionLost("lost")) });
      }),
  };
  const box = new Outbox({
    clock,
    link,
    budget: new Budget(1000, 1_000_000),
    publishTimeoutMs,
    queueWhileAway: true,
    append: (_topic, batch) => {
      sent.set(batch.number, batch);
      return {
        call: { command: "PUBLISH", args: [batch.number] },
        parse: () => ({ epoch: "e", first: 1, count: batch.items.length, outcomes: undefined }),
      };
    },
    accepted: (_topic, _epoch, _first, _count, _positioned, done) => done(),
  });
  const publish = (data: string) =>
    box.publish("room:1", { data, timestamp: clock.now() }, Buffer.from(data), undefined);
  const datas = (run: Run | undefined) =>
    run?.batches.map(({ items }) => items.map((item) => item.publication.data));
  return { box, clock, datas, link, publish, runs };
}

describe("a batch whose connection ended", () => {
  test("is sent again as it is, and what was published meanwhile after it", async () => {
    const { box, clock, datas, link, publish, runs } = outbox();
    const first = publish("a");
    await clock.advance(0);
    const second = publish("b");
    link.isConnected = false;
    runs[0]!.lose();
    await clock.advance(publishTimeoutMs / 2);
    link.isConnected = true;
    box.resume();
    await clock.advance(0);
    expect(runs.map(datas)).toEqual([[["a"]], [["a"]]]);
    expect(runs[1]!.batches[0]).toBe(runs[0]!.batches[0]!);
    runs[1]!.reply([1]);
    await clock.advance(0);
    expect(datas(runs[2])).toEqual([["b"]]);
    runs[2]!.reply([1]);
    expect(await Promise.all([first, second])).toMatchObject([{ epoch: "e" }, { epoch: "e" }]);
  });

  test("is not sent again once everybody was told that its outcome is unknown, however soon the next one is there", async () => {
    const { box, clock, datas, link, publish, runs } = outbox();
    const told = rejection(publish("a"));
    await clock.advance(publishTimeoutMs + 200);
    expect(await told).toMatchObject({ code: "outcome-unknown" });
    // Between the loss and the next connection no tick has looked at it.
    link.isConnected = false;
    runs[0]!.lose();
    link.isConnected = true;
    box.resume();
    await clock.advance(0);
    expect(runs.map(datas)).toEqual([[["a"]]]);
    void publish("b");
    await clock.advance(0);
    expect(datas(runs[1])).toEqual([["b"]]);
  });
});
