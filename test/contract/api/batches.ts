// Many publications in one request: each has its own result, in order, and none stops another.

import { describe, expect, test } from "bun:test";
import { codeOf } from "../../support/api-client.ts";
import { fresh } from "../../support/served.ts";
import type { ApiSetting } from "../api.ts";

export function batches(setting: ApiSetting): void {
  const batch = async (publications: readonly unknown[]) => {
    const { results, ...others } = (await setting.api.post("/api/publish/batch", { publications })) as {
      results: { error?: unknown; offset?: number }[];
    };
    expect(others).toEqual({});
    return results;
  };

  describe("a batch", () => {
    test("is made in its order, over several topics and modes", async () => {
      const [room, other, game] = [fresh("room"), fresh("room"), fresh("game")];
      const peer = await setting.peer("ann");
      for (const topic of [room, other, game]) await peer.request({ type: "subscribe", topic });
      const items = Array.from({ length: 40 }, (_, i) => ({
        topic: [room, other, game][i % 3],
        data: i,
        userId: `u${i}`,
      }));
      const results = await batch(items);
      const offsets = items.map(({ topic }, i) => (topic === game ? undefined : Math.floor(i / 3) + 1));
      expect(results.map(({ offset }) => offset)).toEqual(offsets);
      expect(results.filter((_, i) => i % 3 === 2)).toEqual(Array(13).fill({}));
      for (const [place, topic] of [room, other, game].entries()) {
        const wanted = items.filter((item) => item.topic === topic);
        const messages = await peer.messages(wanted.length, topic);
        expect(messages.map(({ data }) => data)).toEqual(wanted.map(({ data }) => data));
        expect(messages.map(({ userId }) => userId)).toEqual(wanted.map(({ userId }) => userId));
        expect(place).toBeLessThan(3);
      }
    });

    test("goes on after a bad item, whose place has its error", async () => {
      const topic = fresh("room");
      const results = await batch([
        { topic, data: 1 },
        null,
        { topic: "nowhere:1", data: 1 },
        { topic },
        { topic, data: 2 },
        { topic, data: 1, key: "k" },
        { topic: "small:1", data: "x".repeat(300) },
        { topic: "small:1", data: "x".repeat(100) },
        { topic, data: 3 },
      ]);
      const seen = results.map((result) => (result.error ? codeOf(result) : result.offset));
      expect(seen.filter((_, i) => i !== 7)).toEqual([
        1,
        "bad-frame",
        "unknown-namespace",
        "bad-data",
        2,
        "mode-mismatch",
        "too-large",
        3,
      ]);
      expect(results[7]?.error).toBeUndefined();
    });

    test("may be empty, and repeat an idempotency key within itself", async () => {
      expect(await batch([])).toEqual([]);
      const topic = fresh("room");
      const item = { topic, data: 1, idempotencyKey: "k" };
      const [first, second, third] = await batch([item, item, { topic, data: 2 }]);
      expect(second).toEqual(first!);
      expect(third?.offset).toBe(2);
    });

    test("is refused whole when it is none, too long, or has a key for all of it", async () => {
      const item = { topic: fresh("room"), data: 1 };
      for (const body of [
        undefined,
        [item],
        {},
        { publications: item },
        { publications: Array(51).fill(item) },
      ]) {
        expect(await setting.api.failure("POST", "/api/publish/batch", { body })).toEqual([400, "bad-frame"]);
      }
      const keyed = { body: { publications: [item] }, headers: { "idempotency-key": "k" } };
      expect(await setting.api.failure("POST", "/api/publish/batch", keyed)).toEqual([400, "bad-frame"]);
      expect(await batch(Array(50).fill(item))).toHaveLength(50);
    });
  });
}
