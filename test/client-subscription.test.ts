// What subscribers are told, case by case: joining, recovery, resets, holes, doubles. In virtual time, over held sockets.

import { describe, expect, test } from "bun:test";
import type { SubscribeOptions } from "../src/client/client.ts";
import { Stage } from "./support/client-stage.ts";

/** Subscribed on a new stage, with everything the application is told. */
function listening(topic = "room:1", options: Partial<SubscribeOptions> = {}) {
  const stage = new Stage();
  const told: unknown[] = [];
  const subscription = stage.client.subscribe(topic, {
    onMessage: ({ data, offset }) => told.push(offset === undefined ? data : [offset, data]),
    onReset: ({ epoch, offset, snapshot }) => told.push(["reset", epoch, offset, snapshot?.data]),
    onSubscribed: ({ recovered, position, snapshot }) =>
      told.push(["subscribed", recovered, position?.offset, snapshot?.data]),
    onPresence: ({ type, userId, count }) => told.push([type, userId, count]),
    onError: ({ code }) => told.push(["error", code]),
    ...options,
  });
  stage.welcome();
  const message = (offset: number, data: unknown = offset) =>
    stage.socket.tell({ type: "message", topic, data, offset, timestamp: 1 });
  const ok = (fields: object) =>
    stage.answer("subscribe", {
      topic,
      mode: "stream",
      epoch: "e",
      recovered: false,
      publications: [],
      ...fields,
    });
  return { stage, told, subscription, message, ok };
}

const publications = (...offsets: number[]) =>
  offsets.map((offset) => ({ offset, data: offset, timestamp: 1 }));

describe("a stream", () => {
  test("is told from where it stands, and after a loss from where it was", async () => {
    const { stage, told, subscription, message, ok } = listening();
    ok({ offset: 4 });
    message(5);
    stage.socket.end(1006);
    await stage.back();
    expect(stage.framesOf("subscribe").at(-1)).toMatchObject({ since: { epoch: "e", offset: 5 } });
    ok({ offset: 7, recovered: true, publications: publications(6, 7) });
    message(8);
    expect(told).toEqual([
      ["subscribed", false, 4, undefined],
      [5, 5],
      ["subscribed", true, 7, undefined],
      [6, 6],
      [7, 7],
      [8, 8],
    ]);
    expect(subscription).toMatchObject({
      state: "subscribed",
      mode: "stream",
      position: { epoch: "e", offset: 8 },
    });
  });

  test("continues from a position the application has kept, or says that it cannot", () => {
    const kept = listening("room:1", { since: { epoch: "e", offset: 3 } });
    expect(kept.stage.framesOf("subscribe")[0]).toMatchObject({ since: { epoch: "e", offset: 3 } });
    kept.ok({ offset: 4, recovered: true, publications: publications(4) });
    expect(kept.told).toEqual([
      ["subscribed", true, 4, undefined],
      [4, 4],
    ]);
    const gone = listening("room:1", { since: { epoch: "e", offset: 3 } });
    gone.ok({ offset: 90 });
    expect(gone.told).toEqual([
      ["reset", "e", 90, undefined],
      ["subscribed", false, 90, undefined],
    ]);
  });

  test("begins with the application's state where there is one, also after a reset", async () => {
    const { stage, told, ok, message } = listening();
    ok({ offset: 5, snapshot: { data: "state", epoch: "e", offset: 3 }, publications: publications(4, 5) });
    expect(told).toEqual([
      ["subscribed", false, 5, "state"],
      [4, 4],
      [5, 5],
    ]);
    stage.socket.tell({
      type: "reset",
      topic: "room:1",
      epoch: "f",
      offset: 2,
      snapshot: { data: "new", epoch: "f", offset: 2 },
    });
    message(3);
    expect(told.slice(3)).toEqual([
      ["reset", "f", 2, "new"],
      [3, 3],
    ]);
    stage.socket.end(1006);
    await stage.back();
    expect(stage.framesOf("subscribe").at(-1)).toMatchObject({ since: { epoch: "f", offset: 3 } });
  });

  test("says so where history does not reach, or the epoch is another", async () => {
    const { stage, told, ok } = listening();
    ok({ offset: 4 });
    stage.socket.end(1006);
    await stage.back();
    ok({ epoch: "f", offset: 9, recovered: true }); // No server says so; it would be a lie.
    expect(told.slice(1)).toEqual([
      ["reset", "f", 9, undefined],
      ["subscribed", false, 9, undefined],
    ]);
  });

  test("drops doubles", () => {
    const { told, ok, message } = listening();
    ok({ offset: 4 });
    for (const offset of [5, 5, 4, 6, 5]) message(offset);
    expect(told.slice(1)).toEqual([
      [5, 5],
      [6, 6],
    ]);
  });

  test("fills a hole by asking, and lets nothing through meanwhile", () => {
    const { stage, told, ok, message } = listening();
    ok({ offset: 4 });
    message(6);
    message(7);
    expect(stage.framesOf("subscribe")).toHaveLength(2);
    expect(stage.framesOf("subscribe")[1]).toMatchObject({ since: { epoch: "e", offset: 4 } });
    ok({ offset: 7, recovered: true, publications: publications(5, 6, 7) });
    message(8);
    expect(told.slice(1)).toEqual([
      ["subscribed", true, 7, undefined],
      [5, 5],
      [6, 6],
      [7, 7],
      [8, 8],
    ]);
  });

  test("that stays holey however often it is asked for is begun anew, and the application hears of it", async () => {
    const { stage, told, ok, message } = listening();
    ok({ offset: 4 });
    message(6);
    for (let i = 0; i < 3; i += 1) ok({ offset: 6, recovered: true, publications: publications(6) });
    await stage.clock.advance(1_000);
    expect(stage.framesOf("subscribe").map(({ since }) => since !== undefined)).toEqual([
      false,
      true,
      true,
      true,
      false,
    ]);
    ok({ offset: 6 });
    expect(told.filter((what) => Array.isArray(what) && what[0] !== "subscribed")).toEqual([
      ["reset", "e", 6, undefined],
    ]);
  });

  test("what comes before the answer to a question belongs to what was before it", () => {
    const { stage, told, ok, message } = listening();
    ok({ offset: 4 });
    message(6);
    stage.socket.tell({ type: "reset", topic: "room:1", epoch: "x", offset: 0 });
    message(1);
    ok({ offset: 6, recovered: true, publications: publications(5, 6) });
    expect(told.slice(1)).toEqual([
      ["subscribed", true, 6, undefined],
      [5, 5],
      [6, 6],
    ]);
  });

  test("counts as told what was handed over, even by a handler that closes the client", async () => {
    const seen: number[] = [];
    const heard = listening("room:1", {
      onMessage: ({ offset }) => {
        seen.push(offset!);
        if (offset === 5) heard.stage.client.close();
      },
    });
    heard.ok({ offset: 4 });
    heard.stage.socket.end(1006);
    await heard.stage.back();
    heard.ok({ offset: 7, recovered: true, publications: publications(5, 6, 7) });
    heard.stage.client.connect();
    heard.stage.welcome();
    expect(heard.stage.framesOf("subscribe").at(-1)).toMatchObject({ since: { epoch: "e", offset: 7 } });
    expect(seen).toEqual([5, 6, 7]);
  });
});

describe("latest values", () => {
  const values = (...items: [string, number, boolean?][]) =>
    items.map(([key, offset, removed]) => ({
      key,
      offset,
      data: offset,
      timestamp: 1,
      ...(removed && { removed }),
    }));

  test("come first, never go back, and are all told anew after a reset", async () => {
    const { stage, told, ok } = listening("ticker:1", { maxRateHz: 5 });
    expect(stage.framesOf("subscribe")[0]).toMatchObject({ maxRateHz: 5 });
    ok({ mode: "latest", offset: 9, publications: values(["a", 3], ["b", 9]) });
    for (const item of values(
      ["a", 12],
      ["a", 12],
      ["a", 11],
      ["b", 13, true],
      ["b", 13, true],
      ["b", 10],
      ["c", 11],
    )) {
      stage.socket.tell({ type: "message", topic: "ticker:1", ...item });
    }
    expect(told).toEqual([
      ["subscribed", false, 9, undefined],
      [3, 3],
      [9, 9],
      [12, 12],
      [13, 13],
      [11, 11],
    ]);
    stage.socket.end(1006);
    await stage.back();
    expect(stage.framesOf("subscribe").at(-1)).toMatchObject({ since: { epoch: "e", offset: 13 } });
    ok({ mode: "latest", offset: 20, publications: values(["a", 12], ["c", 20]) });
    expect(told.slice(6)).toEqual([
      ["reset", "e", 20, undefined],
      ["subscribed", false, 20, undefined],
      [12, 12],
      [20, 20],
    ]);
  });
});

describe("a subscription", () => {
  test("of a volatile topic has no position", async () => {
    const { stage, told } = listening("game:1");
    stage.answer("subscribe", { topic: "game:1", mode: "volatile" });
    for (let i = 0; i < 2; i += 1)
      stage.socket.tell({ type: "message", topic: "game:1", data: "same", timestamp: 1 });
    stage.socket.end(1006);
    await stage.back();
    expect(stage.framesOf("subscribe").at(-1)).not.toHaveProperty("since");
    stage.answer("subscribe", { topic: "game:1", mode: "volatile" });
    expect(told).toEqual([
      ["subscribed", false, undefined, undefined],
      "same",
      "same",
      ["subscribed", false, undefined, undefined],
    ]);
  });

  test("that is refused for now is asked for again after a pause, together with others", async () => {
    const { stage, told } = listening();
    stage.client.subscribe("room:2", { onMessage: () => undefined });
    for (const { id } of stage.framesOf("subscribe")) {
      stage.socket.tell({ type: "error", id, code: "unavailable", message: "", retryable: true });
    }
    await stage.clock.advance(1_000);
    expect(
      stage
        .framesOf("subscribe")
        .slice(2)
        .map(({ topic }) => topic),
    ).toEqual(["room:1", "room:2"]);
    expect(told).toEqual([]);
  });

  test("that is refused for good is over, and the topic can be asked for again", () => {
    const { stage, told, subscription } = listening();
    stage.refuse("subscribe", "forbidden");
    expect([told, subscription.state]).toEqual([[["error", "forbidden"]], "ended"]);
    stage.client.subscribe("room:1", { onMessage: () => undefined });
    expect(stage.framesOf("subscribe")).toHaveLength(2);
  });

  test("ends when it is left, and tells nothing more", async () => {
    const { stage, told, subscription, ok, message } = listening();
    ok({ offset: 4 });
    subscription.unsubscribe();
    subscription.unsubscribe();
    message(5);
    expect(stage.framesOf("unsubscribe")).toMatchObject([{ topic: "room:1" }]);
    stage.refuse("unsubscribe", "not-subscribed");
    stage.socket.end(1006);
    await stage.back();
    expect([told.length, stage.framesOf("subscribe").length, stage.errors]).toEqual([1, 1, []]);
  });

  test("is one per topic", () => {
    const { stage } = listening();
    expect(() => stage.client.subscribe("room:1", { onMessage: () => undefined })).toThrow(
      "room:1 is subscribed to already.",
    );
  });

  test("tells who comes and goes", () => {
    const { stage, told, ok } = listening();
    ok({ offset: 0 });
    stage.socket.tell({ type: "join", topic: "room:1", userId: "ben", count: 2 });
    stage.socket.tell({ type: "leave", topic: "room:1", userId: "ben", count: 1 });
    expect(told.slice(1)).toEqual([
      ["join", "ben", 2],
      ["leave", "ben", 1],
    ]);
  });

  test("of the user's own topic follows the user, and says when that is another one", async () => {
    const stage = new Stage();
    const told: unknown[] = [];
    const own = stage.client.subscribeUser({
      onMessage: ({ data }) => told.push(data),
      onReset: ({ topic }) => told.push(["reset", topic]),
    });
    expect(own.topic).toBe("user:");
    const ok = { mode: "stream", epoch: "e", offset: 0, recovered: false, publications: [] };
    const hello = (topic: string) =>
      stage.socket.tell({ type: "message", topic, data: `hello ${topic}`, offset: 1, timestamp: 1 });
    stage.welcome();
    stage.answer("subscribe", ok);
    hello("user:ann");
    stage.socket.end(1006);
    await stage.back({ userId: "ben" });
    expect(stage.framesOf("subscribe").at(-1)).toEqual({
      type: "subscribe",
      id: expect.any(Number),
      topic: "user:ben",
    });
    stage.answer("subscribe", ok);
    hello("user:ann");
    hello("user:ben");
    expect(told).toEqual(["hello user:ann", ["reset", "user:ben"], "hello user:ben"]);
  });
});
