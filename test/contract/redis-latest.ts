// What the scripts promise of a `latest` topic: the newest value of each key, removals remembered for a while. For every Redis.

import { expect, test } from "bun:test";
import type { Position } from "../../src/bridge/bridge.ts";
import { decodeEnvelope } from "../../src/bridge/envelope.ts";
import { type LatestAnswer, type Outgoing, outgoing } from "../../src/bridge/store.ts";
import { type Fixture, latestRule, type RedisClient, startsAt } from "./redis-client.ts";

const topic = "ticker:1";
const keyed = { maxKeys: 3, removalTtlMs: 60_000 };

function value(key: string, data: unknown, idempotencyKey?: string): Outgoing {
  return outgoing({ data, timestamp: startsAt, key }, idempotencyKey);
}

function removal(key: string, timestamp = startsAt): Outgoing {
  return outgoing({ data: null, timestamp, key, removed: true });
}

export function testLatest(fixture: Fixture): void {
  let number = 0;
  const append = (client: RedisClient, ...publications: Outgoing[]) =>
    client.append({ topic, number: ++number, fence: 1, publications }, latestRule);
  const follow = (client: RedisClient, since?: Position, now = startsAt): Promise<LatestAnswer> =>
    client.ask(client.store.followLatest(topic, since, keyed, now));
  const told = ({ values }: LatestAnswer) =>
    values.map(({ key, removed, data, offset }) => `${key} ${removed ? "removed" : data} ${offset}`);

  test("has the newest value of each key, removals too, in the order of their offsets", async () => {
    const client = await fixture.client();
    await append(client, value("a", 1), value("b", 2), value("a", 3));
    await append(client, removal("b"));
    const answer = await follow(client);
    expect(answer).toMatchObject({ epoch: "epoch-1", offset: 4, forgottenOffset: 0, isWhole: true });
    expect(told(answer)).toEqual(["a 3 3", "b removed 4"]);
  });

  test("tells a follower only what is newer, where that is enough", async () => {
    const client = await fixture.client();
    await append(client, value("a", 1), value("b", 2), value("c", 3));
    await append(client, value("a", 4));
    const { epoch } = await follow(client);
    const since = async (position: Position) => {
      const answer = await follow(client, position);
      return [answer.isWhole, ...told(answer)];
    };
    expect(await since({ epoch, offset: 2 })).toEqual([false, "c 3 3", "a 4 4"]);
    expect(await since({ epoch, offset: 4 })).toEqual([false]);
    expect(await since({ epoch, offset: 9 })).toEqual([true, "b 2 2", "c 3 3", "a 4 4"]);
    expect(await since({ epoch: "another", offset: 3 })).toEqual([true, "b 2 2", "c 3 3", "a 4 4"]);
  });

  test("hands each batch on as one envelope, without what was refused", async () => {
    const client = await fixture.client();
    await client.connection.subscribe([client.keys.channel(topic)]);
    const all = [
      value("a", 1),
      value("b", 2, "k"),
      value("c", 3),
      value("d", 4),
      value("b", 5, "k"),
      value("a", 6),
    ];
    const appended = await append(client, ...all);
    expect(appended).toEqual({
      ...{ epoch: "epoch-1", first: 1, count: 4 },
      outcomes: ["accepted", "accepted", "accepted", "too-many", { epoch: "epoch-1", offset: 2 }, "accepted"],
    });
    await client.until(() => client.messages.length > 0);
    const envelope = decodeEnvelope(client.messages[0]!.payload);
    if (envelope?.kind !== "publications") throw new Error("no publications");
    const seen = envelope.publications.map(({ key, data, offset }) => `${key} ${data} ${offset}`);
    expect(seen).toEqual(["a 1 1", "b 2 2", "c 3 3", "a 6 4"]);
  });

  test("refuses one key too many, and takes it once another was removed", async () => {
    const client = await fixture.client();
    await append(client, value("a", 1), value("b", 2), value("c", 3));
    expect(await append(client, value("d", 4))).toMatchObject({ count: 0, outcomes: ["too-many"] });
    expect(await append(client, removal("b"), value("d", 5))).toMatchObject({ first: 4, count: 2 });
    expect(await append(client, value("b", 6))).toMatchObject({ count: 0, outcomes: ["too-many"] });
    expect(told(await follow(client))).toEqual(["a 1 1", "c 3 3", "b removed 4", "d 5 5"]);
  });

  test("forgets removals after their time and beyond their number, and tells how far", async () => {
    const client = await fixture.client();
    for (const [index, key] of ["d", "c", "b", "a"].entries())
      await append(client, removal(key, startsAt + index));
    let answer = await follow(client);
    expect(told(answer)).toEqual(["c removed 2", "b removed 3", "a removed 4"]);
    expect(answer.forgottenOffset).toBe(1);
    const { epoch } = answer;
    expect(await follow(client, { epoch, offset: 1 })).toMatchObject({ isWhole: false });
    expect(await follow(client, { epoch, offset: 0 })).toMatchObject({ isWhole: true });
    answer = await follow(client, undefined, startsAt + 1 + keyed.removalTtlMs);
    expect(told(answer)).toEqual(["b removed 3", "a removed 4"].slice(0, 2));
    answer = await follow(client, undefined, startsAt + 3 + keyed.removalTtlMs);
    expect(told(answer)).toEqual([]);
    expect(answer).toMatchObject({ offset: 4, forgottenOffset: 4 });
    expect(await append(client, value("a", 1), value("b", 2), value("c", 3))).toMatchObject({
      first: 5,
      count: 3,
    });
  });

  test("makes a batch of one number once", async () => {
    const client = await fixture.client();
    const batch = {
      topic,
      number: 100,
      fence: 1,
      publications: [value("a", 1), removal("a"), value("b", 3)],
    };
    const first = await client.append(batch, latestRule);
    expect(await client.append(batch, latestRule)).toEqual(first);
    expect(told(await follow(client))).toEqual(["a removed 2", "b 3 3"]);
  });

  test("keeps its values under a new epoch when Redis was started again with what it had", async () => {
    let client = await fixture.client();
    await append(client, value("a", 1), removal("b"));
    const before = await follow(client);
    await fixture.under.restart(true);
    client = await fixture.client();
    const after = await follow(client, before);
    expect(after.epoch).not.toBe(before.epoch);
    expect(after).toMatchObject({ offset: 2, begins: 2, previous: before.epoch, isWhole: true });
    expect(told(after)).toEqual(told(before));
  });

  test("has nothing under a new epoch when Redis was emptied", async () => {
    let client = await fixture.client();
    await append(client, value("a", 1));
    const before = await follow(client);
    await fixture.under.restart(false);
    client = await fixture.client();
    const after = await follow(client, before);
    expect(after.epoch).not.toBe(before.epoch);
    expect(after).toMatchObject({ offset: 0, isWhole: true, values: [], forgottenOffset: 0 });
  });
}
