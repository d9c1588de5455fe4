// The API's single publications: they arrive, know who they are from, are made once, and say what is wrong with them.

import { describe, expect, test } from "bun:test";
import { fresh } from "../../support/served.ts";
import type { ApiSetting } from "../api.ts";

export function publishing(setting: ApiSetting): void {
  async function subscribed(namespace: string) {
    const topic = fresh(namespace);
    const peer = await setting.peer("ann");
    expect(await peer.request({ type: "subscribe", topic })).toMatchObject({ type: "ok" });
    return { topic, peer };
  }

  describe("publish", () => {
    test("reaches subscribers in either format, and answers the position in a stream", async () => {
      const { topic, peer } = await subscribed("room");
      const other = await setting.peer("bob", setting.format === "json" ? "msgpack" : "json");
      await other.request({ type: "subscribe", topic });
      const data = { text: "hello", list: [1, null, true, 2.5], "": "ü" };
      const first = await setting.api.post("/api/publish", { topic, data, event: "said" });
      expect(first).toEqual({ epoch: expect.any(String), offset: 1 });
      const second = await setting.api.post("/api/publish", { topic, data: 2, userId: "bot" });
      expect(second).toEqual({ ...(first as object), offset: 2 });
      for (const each of [peer, other]) {
        const [one, two] = await each.messages(2, topic);
        expect(one).toEqual({
          type: "message",
          topic,
          data,
          event: "said",
          offset: 1,
          timestamp: expect.any(Number),
        });
        expect(two).toMatchObject({ data: 2, userId: "bot", offset: 2 });
      }
    });

    test("answers no position in a volatile topic", async () => {
      const { topic, peer } = await subscribed("game");
      // Nor does it look at what is not for servers.
      const ignored = { echo: 5, shout: {} };
      expect(await setting.api.post("/api/publish", { topic, data: null, ...ignored })).toEqual({});
      expect(await peer.messages(1, topic)).toMatchObject([{ data: null }]);
    });

    test("sets and removes keys of a latest topic", async () => {
      const { topic, peer } = await subscribed("ticker");
      expect(await setting.api.post("/api/publish", { topic, key: "A", data: 1 })).toMatchObject({
        offset: 1,
      });
      await setting.api.post("/api/publish", { topic, key: "A", removed: true });
      const [set, removed] = await peer.messages(2, topic);
      expect(set).toMatchObject({ key: "A", data: 1 });
      expect(removed).toMatchObject({ key: "A", removed: true });
    });

    test("needs no grant: not where nobody may publish, and not to a user's own topic", async () => {
      for (const topic of [fresh("closed"), "user:somebody", "broadcast:all"]) {
        expect(await setting.api.post("/api/publish", { topic, data: 1 })).toMatchObject({
          offset: expect.any(Number),
        });
      }
    });

    test("carries binary data where the namespace does, in MessagePack", async () => {
      const topic = fresh("files");
      const peer = await setting.peer("ann", "msgpack");
      await peer.request({ type: "subscribe", topic });
      const data = setting.format === "json" ? "text" : new Uint8Array([0, 255]);
      await setting.api.post("/api/publish", { topic, data });
      const [message] = await peer.messages(1, topic);
      expect(message!.data).toEqual(data instanceof Uint8Array ? Buffer.from(data) : data);
    });

    test("ignores fields that it does not know, and `echo`, which is for connections", async () => {
      const { topic, peer } = await subscribed("room");
      await setting.api.post("/api/publish", { topic, data: 1, echo: false, type: "subscribe", id: -1 });
      expect(await peer.messages(1, topic)).toMatchObject([{ data: 1 }]);
    });
  });

  describe("an idempotency key", () => {
    test("in the body or in the header makes one publication of two", async () => {
      const { topic, peer } = await subscribed("room");
      const first = await setting.api.post("/api/publish", { topic, data: 1, idempotencyKey: "k" });
      const header = { "idempotency-key": "k" };
      expect(await setting.api.post("/api/publish", { topic, data: 2 }, header)).toEqual(first);
      expect(await setting.api.post("/api/publish", { topic, data: 3, idempotencyKey: "k" }, header)).toEqual(
        first,
      );
      await setting.api.post("/api/publish", { topic, data: 4 }, { "idempotency-key": "l" });
      expect((await peer.messages(2, topic)).map(({ data }) => data)).toEqual([1, 4]);
    });

    test("is a server's own: no client's of the same name is in its way", async () => {
      const { topic, peer } = await subscribed("room");
      await peer.request({ type: "publish", topic, data: 1, idempotencyKey: "k" });
      await setting.api.post("/api/publish", { topic, data: 2, userId: "ann", idempotencyKey: "k" });
      expect((await peer.messages(2, topic)).map(({ data }) => data)).toEqual([1, 2]);
    });

    test("that contradicts the header's is refused, and so is one for nothing kept", async () => {
      const headers = { "idempotency-key": "k" };
      const body = { topic: fresh("room"), data: 1, idempotencyKey: "l" };
      expect(await setting.api.failure("POST", "/api/publish", { body, headers })).toEqual([
        400,
        "bad-frame",
      ]);
      const volatile = { topic: fresh("game"), data: 1 };
      const refused = await setting.api.failure("POST", "/api/publish", { body: volatile, headers });
      expect(refused).toEqual([409, "mode-mismatch"]);
      const long = { "idempotency-key": "k".repeat(129) };
      const stream = { topic: fresh("room"), data: 1 };
      expect(await setting.api.failure("POST", "/api/publish", { body: stream, headers: long })).toEqual([
        400,
        "bad-frame",
      ]);
    });
  });

  const deep = (levels: number): unknown => (levels === 0 ? 0 : [deep(levels - 1)]);
  const refusals: [what: string, body: unknown, status: number, code: string][] = [
    ["no body", undefined, 400, "bad-frame"],
    ["null", null, 400, "bad-frame"],
    ["a list", [], 400, "bad-frame"],
    ["a number", 7, 400, "bad-frame"],
    ["no topic", { data: 1 }, 400, "bad-topic"],
    ["a topic that is no string", { topic: 1, data: 1 }, 400, "bad-topic"],
    ["a topic without a namespace", { topic: "room", data: 1 }, 400, "bad-topic"],
    ["a topic with a space", { topic: "room:a b", data: 1 }, 400, "bad-topic"],
    ["a topic that is too long", { topic: `room:${"x".repeat(251)}`, data: 1 }, 400, "bad-topic"],
    ["an unknown namespace", { topic: "nowhere:1", data: 1 }, 404, "unknown-namespace"],
    ["the namespace `constructor`", { topic: "constructor:1", data: 1 }, 404, "unknown-namespace"],
    ["no data", { topic: "room:1" }, 400, "bad-data"],
    ["data that is too deep", { topic: "room:1", data: deep(17) }, 400, "bad-data"],
    ["data of too many values", { topic: "room:1", data: new Array(500).fill(0) }, 400, "bad-data"],
    [
      "data with a key `__proto__`",
      { topic: "room:1", data: JSON.parse('{"__proto__":1}') },
      400,
      "bad-data",
    ],
    ["an event that is no string", { topic: "room:1", data: 1, event: 1 }, 400, "bad-data"],
    ["an event without a letter", { topic: "room:1", data: 1, event: "" }, 400, "bad-data"],
    ["a key that is too long", { topic: "ticker:1", data: 1, key: "x".repeat(129) }, 400, "bad-data"],
    ["no key for latest", { topic: "ticker:1", data: 1 }, 400, "bad-data"],
    ["a key for a stream", { topic: "room:1", data: 1, key: "A" }, 409, "mode-mismatch"],
    ["a removal from a stream", { topic: "room:1", removed: true }, 409, "mode-mismatch"],
    ["`removed` that is no boolean", { topic: "ticker:1", key: "A", removed: 1, data: 1 }, 400, "bad-frame"],
    ["an idempotency key of a wrong type", { topic: "room:1", data: 1, idempotencyKey: 1 }, 400, "bad-frame"],
    ["a user id of a wrong type", { topic: "room:1", data: 1, userId: 1 }, 400, "bad-frame"],
    ["a user id with a space", { topic: "room:1", data: 1, userId: "a b" }, 400, "bad-frame"],
    ["a user id that is too long", { topic: "room:1", data: 1, userId: "x".repeat(129) }, 400, "bad-frame"],
    ["more bytes than the namespace admits", { topic: "small:1", data: "x".repeat(200) }, 413, "too-large"],
  ];
  for (const [what, body, status, code] of refusals) {
    test(`a publication is refused ${code}: ${what}`, async () => {
      expect(await setting.api.failure("POST", "/api/publish", { body })).toEqual([status, code]);
    });
  }
}
