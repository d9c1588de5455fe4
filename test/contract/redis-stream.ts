// What the scripts promise of a `stream` topic: offsets, epochs, history, idempotency, batches made once. For every Redis.

import { expect, test } from "bun:test";
import type { HistoryPage } from "../../src/bridge/bridge.ts";
import { decodeEnvelope } from "../../src/bridge/envelope.ts";
import {
  batchOf,
  type Fixture,
  idempotencyTtlMs,
  Keyed,
  lines,
  type RedisClient,
  startsAt,
  streamRule,
} from "./redis-client.ts";

const rule = { size: 5, ttlMs: 60_000, maxBytes: 10_000 };

export function testStream(fixture: Fixture): void {
  const page = (
    client: RedisClient,
    after: number | undefined,
    limit = 99,
    now = startsAt,
  ): Promise<HistoryPage> => client.ask(client.store.history("room:1", after, limit, rule, now));
  const pageLines = async (...asked: Parameters<typeof page>) => lines((await page(...asked)).publications);

  test("counts offsets on over batches, and hands each batch on as one envelope", async () => {
    const [a, b] = [await fixture.client("a"), await fixture.client("b")];
    await b.connection.subscribe([b.keys.channel("room:1")]);
    const first = await a.append(batchOf("room:1", 1, "x", { deep: [null, 1.5] }));
    const second = await b.append(batchOf("room:1", 1, "y"));
    expect(first).toEqual({ epoch: "epoch-1", first: 1, count: 2, outcomes: undefined });
    expect(second).toEqual({ epoch: "epoch-1", first: 3, count: 1, outcomes: undefined });
    await b.until(() => b.messages.length >= 2);
    const at = { timestamp: startsAt };
    expect(b.messages.map(({ payload }) => decodeEnvelope(payload))).toEqual([
      {
        ...{ kind: "publications", instance: "a", epoch: "epoch-1", first: 1 },
        publications: [
          { ...at, data: "x", offset: 1 },
          { ...at, data: { deep: [null, 1.5] }, offset: 2 },
        ],
      },
      {
        kind: "publications",
        instance: "b",
        epoch: "epoch-1",
        first: 3,
        publications: [{ ...at, data: "y", offset: 3 }],
      },
    ]);
  });

  test("makes a batch of one number once, and answers it the same each time", async () => {
    const client = await fixture.client();
    await client.connection.subscribe([client.keys.channel("room:1")]);
    const first = await client.append(batchOf("room:1", 7, "x", new Keyed("k", "y"), new Keyed("k", "z")));
    const again = await client.append(batchOf("room:1", 7, "x", new Keyed("k", "y"), new Keyed("k", "z")));
    expect(again).toEqual(first);
    const next = await client.append(batchOf("room:1", 8, "after"));
    expect(next.first).toBe(3);
    await expect(client.append(batchOf("room:1", 7, "x"))).rejects.toMatchObject({ code: "STALE" });
    await client.connection.run([{ command: "PING", args: [] }]);
    expect(client.messages.length).toBe(2);
    expect(await pageLines(client, 0)).toEqual(["1 x", "2 y", "3 after"]);
  });

  test("makes nothing of a batch under another fence than the instance's", async () => {
    const client = await fixture.client();
    const { store, instances } = client;
    const late = store.append(batchOf("room:1", 1, "x"), streamRule, startsAt);
    expect(await client.ask(instances.fence(2, 60_000))).toBe(true);
    expect(await client.ask(late)).toBe("fenced");
    expect(await pageLines(client, 0)).toEqual([]);
    const again = store.append({ ...batchOf("room:1", 1, "x"), fence: 2 }, streamRule, startsAt);
    expect(await client.ask(again)).toMatchObject({ first: 1 });
  });

  test("makes one publication of an idempotency key for its time, within a batch, over batches and nodes", async () => {
    const [a, b] = [await fixture.client("a"), await fixture.client("b")];
    const first = await a.append(
      batchOf("room:1", 1, new Keyed("k", "x"), "plain", new Keyed("k", "x"), new Keyed("l", "y")),
    );
    const known = { epoch: "epoch-1", offset: 1 };
    expect(first).toMatchObject({
      first: 1,
      count: 3,
      outcomes: ["accepted", "accepted", known, "accepted"],
    });
    const doubled = batchOf("room:1", 1, new Keyed("k", "x"));
    expect(await b.append(doubled)).toMatchObject({ count: 0, outcomes: [known] });
    const late = await b.append(
      batchOf("room:1", 2, new Keyed("k", "x")),
      streamRule,
      startsAt + idempotencyTtlMs - 1,
    );
    expect(late).toMatchObject({ count: 0, outcomes: [known] });
    const later = await b.append(
      batchOf("room:1", 3, new Keyed("k", "z")),
      streamRule,
      startsAt + idempotencyTtlMs,
    );
    expect(later).toMatchObject({ first: 4, count: 1 });
    expect((await b.append(batchOf("room:2", 1, new Keyed("k", "x")))).first).toBe(1);
    expect(await pageLines(a, 0, 99)).toEqual(["1 x", "2 plain", "3 y", "4 z"]);
  });

  test("gives history after an offset or the newest, whole publications of batches cut anywhere", async () => {
    const client = await fixture.client();
    await client.append(batchOf("room:1", 1, 1, 2));
    await client.append(batchOf("room:1", 2, 3, 4, 5));
    expect(await pageLines(client, 0)).toEqual(["1 1", "2 2", "3 3", "4 4", "5 5"]);
    expect(await pageLines(client, 1, 3)).toEqual(["2 2", "3 3", "4 4"]);
    expect(await pageLines(client, 3, 1)).toEqual(["4 4"]);
    expect(await pageLines(client, undefined, 2)).toEqual(["4 4", "5 5"]);
    expect(await pageLines(client, undefined, 4)).toEqual(["2 2", "3 3", "4 4", "5 5"]);
    for (const after of [5, 99]) expect(await pageLines(client, after)).toEqual([]);
    expect(await pageLines(client, 0, 0)).toEqual([]);
    expect(await pageLines(client, undefined, 0)).toEqual([]);
  });

  test("keeps no more than size, age and bytes allow, although it keeps whole batches", async () => {
    const client = await fixture.client();
    await client.append(batchOf("room:1", 1, 1, 2, 3));
    await client.append(batchOf("room:1", 2, 4, 5, 6, 7));
    expect(await pageLines(client, 0)).toEqual(["3 3", "4 4", "5 5", "6 6", "7 7"]);
    expect(await pageLines(client, 0, 99, startsAt + rule.ttlMs - 1)).toHaveLength(5);
    expect(await pageLines(client, 0, 99, startsAt + rule.ttlMs)).toEqual([]);
    expect((await page(client, 0)).offset).toBe(7);
    const large = "x".repeat(rule.maxBytes * 0.4);
    for (const number of [3, 4, 5]) await client.append(batchOf("room:1", number, large));
    expect((await page(client, 0)).publications.map(({ offset }) => offset)).toEqual([9, 10]);
    await client.append(batchOf("room:1", 6, large + large + large));
    expect(await page(client, 0)).toEqual({ epoch: "epoch-1", offset: 11, publications: [] });
    expect((await client.append(batchOf("room:1", 7, "small"))).first).toBe(12);
    expect(await pageLines(client, 0)).toEqual(["12 small"]);
  });

  test("stores nothing for a question about a topic that is not there", async () => {
    const client = await fixture.client();
    const epochs = [await page(client, 0), await page(client, undefined)].map(({ epoch }) => epoch);
    expect(new Set(epochs).size).toBe(2);
  });

  test("tells a follower where the topic stands, what it missed, page by page", async () => {
    const client = await fixture.client();
    const follow = (since: { epoch: string; offset: number } | undefined, limit = 99) =>
      client.ask(client.store.followStream("room:1", since, limit));
    const fresh = await follow(undefined);
    expect(fresh).toEqual({
      epoch: fresh.epoch,
      offset: 0,
      begins: 0,
      previous: undefined,
      publications: [],
    });
    const { epoch } = fresh;
    await client.append(batchOf("room:1", 1, 1, 2));
    await client.append(batchOf("room:1", 2, 3));
    expect((await follow(undefined)).publications).toEqual([]);
    expect(await follow({ epoch, offset: 1 }, 1)).toMatchObject({ offset: 3 });
    expect(lines((await follow({ epoch, offset: 1 }, 1)).publications)).toEqual(["2 2"]);
    expect(lines((await follow({ epoch, offset: 2 })).publications)).toEqual(["3 3"]);
    expect((await follow({ epoch, offset: 3 })).publications).toEqual([]);
    expect((await follow({ epoch, offset: 9 })).publications).toEqual([]);
    expect(lines((await follow({ epoch: "another", offset: 2 })).publications)).toEqual([
      "1 1",
      "2 2",
      "3 3",
    ]);
  });

  test("begins an epoch when Redis was started again with what it had, and still owes what the old one had", async () => {
    let client = await fixture.client();
    const { epoch: old } = await client.append(batchOf("room:1", 1, 1, 2));
    await fixture.under.restart(true);
    client = await fixture.client("b");
    const answer = await client.ask(client.store.followStream("room:1", { epoch: old, offset: 1 }, 99));
    expect(answer).toMatchObject({ offset: 2, begins: 2, previous: old });
    expect(answer.epoch).not.toBe(old);
    expect(lines(answer.publications)).toEqual(["2 2"]);
    const next = await client.append(batchOf("room:1", 1, 3));
    expect(next).toMatchObject({ epoch: answer.epoch, first: 3 });
    expect(await pageLines(client, 0)).toEqual(["1 1", "2 2", "3 3"]);
    // Who knows neither epoch begins where this one began.
    const stranger = await client.ask(client.store.followStream("room:1", { epoch: "x", offset: 0 }, 99));
    expect(lines(stranger.publications)).toEqual(["3 3"]);
  });

  test("answers a batch made before a restart as it was made", async () => {
    let client = await fixture.client();
    const first = await client.append(batchOf("room:1", 5, 1, 2));
    await fixture.under.restart(true);
    client = await fixture.client();
    expect(await client.append(batchOf("room:1", 5, 1, 2))).toEqual(first);
    expect(await client.append(batchOf("room:1", 6, 3))).toMatchObject({ first: 3, count: 1 });
  });

  test("begins anew at 0 under another epoch when Redis was emptied", async () => {
    let client = await fixture.client();
    const { epoch } = await client.append(batchOf("room:1", 1, 1, 2));
    await fixture.under.restart(false);
    client = await fixture.client();
    const answer = await client.ask(client.store.followStream("room:1", { epoch, offset: 2 }, 99));
    expect(answer).toMatchObject({ offset: 0, begins: 0, previous: undefined, publications: [] });
    expect(answer.epoch).not.toBe(epoch);
    expect(await client.append(batchOf("room:1", 9, 1))).toMatchObject({ epoch: answer.epoch, first: 1 });
  });

  test("takes batches of hundreds, with and without idempotency keys", async () => {
    const client = await fixture.client();
    const all = Array.from({ length: 512 }, (_, index) => index);
    const wide = { mode: "stream", history: { size: 10_000, ttlMs: 60_000, maxBytes: 10_000_000 } } as const;
    expect(await client.append(batchOf("room:1", 1, ...all), wide)).toMatchObject({ first: 1, count: 512 });
    const keyed = all.map((index) => new Keyed(`k${index >> 1}`, index));
    expect(await client.append(batchOf("room:1", 2, ...keyed), wide)).toMatchObject({
      first: 513,
      count: 256,
    });
    const ask = client.store.followStream("room:1", { epoch: "epoch-1", offset: 510 }, 999);
    expect(lines((await client.ask(ask)).publications).slice(0, 4)).toEqual([
      "511 510",
      "512 511",
      "513 0",
      "514 2",
    ]);
  });
}
