// What the API tells: history, presence and numbers.

import { describe, expect, test } from "bun:test";
import { fresh } from "../../support/served.ts";
import type { ApiSetting } from "../api.ts";

interface Page {
  readonly epoch: string;
  readonly offset: number;
  readonly publications: { readonly data: unknown; readonly offset: number }[];
  readonly more: boolean;
}

export function reading(setting: ApiSetting): void {
  const path = (topic: string, what: string) => `/api/topics/${encodeURIComponent(topic)}/${what}`;
  const history = async (topic: string, query = "") => {
    return (await setting.api.get(path(topic, "history") + query)) as Page;
  };
  const publish = (topic: string, ...data: unknown[]) => {
    return setting.api.post("/api/publish/batch", {
      publications: data.map((each) => ({ topic, data: each })),
    });
  };
  const dataOf = (page: Page) => page.publications.map(({ data }) => data);

  describe("history", () => {
    test("is the newest, or what followed a position, oldest first and a page at a time", async () => {
      const topic = `${fresh("room")}/ü%`;
      await publish(topic, 1, 2, 3, 4, 5);
      const all = await history(topic);
      expect(all).toMatchObject({ topic, offset: 5, more: false });
      expect(dataOf(all)).toEqual([1, 2, 3, 4, 5]);
      const newest = await history(topic, "?limit=2");
      expect([dataOf(newest), newest.more]).toEqual([[4, 5], true]);
      const page = await history(topic, `?since=${all.epoch}:1&limit=2`);
      expect([dataOf(page), page.more]).toEqual([[2, 3], true]);
      const last = await history(topic, `?limit=20&since=${encodeURIComponent(`${all.epoch}:3`)}`);
      expect([dataOf(last), last.more]).toEqual([[4, 5], false]);
      expect(dataOf(await history(topic, "?since=another:3&limit=1"))).toEqual([1]);
    });

    test("is what a client would have been told", async () => {
      const topic = fresh("room");
      await publish(topic, { a: 1 }, [2]);
      const peer = await setting.peer("ann");
      const { type: _, id: __, ...told } = await peer.request({ type: "history", topic });
      expect(await history(topic)).toEqual(told as unknown as Page);
    });

    test("of binary namespaces is told in MessagePack only", async () => {
      const topic = fresh("files");
      await publish(topic, "x");
      if (setting.format === "msgpack") expect(dataOf(await history(topic))).toEqual(["x"]);
      else {
        const refused = await setting.api.failure("GET", path(topic, "history"));
        expect(refused).toEqual([409, "mode-mismatch"]);
      }
    });

    const refusals: [what: string, target: string, status: number, code: string][] = [
      ["no topic", "/api/topics//history", 400, "bad-topic"],
      ["no topic's name", "/api/topics/room/history", 400, "bad-topic"],
      ["a % that encodes nothing", "/api/topics/room:%zz/history", 400, "bad-frame"],
      ["an unknown namespace", "/api/topics/nowhere:1/history", 404, "unknown-namespace"],
      ["a volatile topic", "/api/topics/game:1/history", 409, "mode-mismatch"],
      ["a latest topic", "/api/topics/ticker:1/history", 409, "mode-mismatch"],
      ["a limit of nothing", "/api/topics/room:1/history?limit=0", 400, "bad-frame"],
      ["a limit that is no number", "/api/topics/room:1/history?limit=1e1", 400, "bad-frame"],
      ["an empty limit", "/api/topics/room:1/history?limit=", 400, "bad-frame"],
      ["a limit that is too high", "/api/topics/room:1/history?limit=21", 400, "bad-frame"],
      ["an epoch alone", "/api/topics/room:1/history?since=abc", 400, "bad-position"],
      ["an offset alone", "/api/topics/room:1/history?since=:1", 400, "bad-position"],
      ["an offset below nothing", "/api/topics/room:1/history?since=abc:-1", 400, "bad-position"],
      [
        "an offset past counting",
        `/api/topics/room:1/history?since=abc:${"9".repeat(20)}`,
        400,
        "bad-position",
      ],
      ["an empty position", "/api/topics/room:1/history?since=", 400, "bad-position"],
    ];
    for (const [what, target, status, code] of refusals) {
      test(`is refused ${code}: ${what}`, async () => {
        expect(await setting.api.failure("GET", target)).toEqual([status, code]);
      });
    }
  });

  describe("presence", () => {
    test("counts and lists who is in a topic", async () => {
      const topic = fresh("room");
      expect(await setting.api.get(path(topic, "presence"))).toEqual({ topic, count: 0, members: [] });
      for (const userId of ["ann", "ann", "bob"]) {
        await (await setting.peer(userId)).request({ type: "subscribe", topic });
      }
      const members = [
        { userId: "ann", sessions: 2 },
        { userId: "bob", sessions: 1 },
      ];
      expect(await setting.api.get(path(topic, "presence"))).toMatchObject({ topic, count: 2, members });
    });

    test("is refused where the namespace has none, and of what is no topic", async () => {
      expect(await setting.api.failure("GET", path("small:1", "presence"))).toEqual([409, "mode-mismatch"]);
      expect(await setting.api.failure("GET", path("nowhere:1", "presence"))).toEqual([
        404,
        "unknown-namespace",
      ]);
      expect(await setting.api.failure("GET", path("room", "presence"))).toEqual([400, "bad-topic"]);
    });
  });

  test("stats say what the node has", async () => {
    const before = (await setting.api.get("/api/stats")) as Stats;
    const topic = fresh("game");
    for (const userId of ["ann", "bob"]) {
      await (await setting.peer(userId)).request({ type: "subscribe", topic });
    }
    const stats = (await setting.api.get("/api/stats")) as Stats;
    expect(stats).toMatchObject({ nodeId: "under-test", version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
    expect(["bun", "uws"]).toContain(stats.engine);
    expect(stats.bridge).toEqual({ alive: true, redis: 0 });
    expect(stats.uptimeMs).toBeGreaterThanOrEqual(before.uptimeMs);
    expect(stats.connections).toBeGreaterThanOrEqual(2);
    expect(stats.topics.volatile).toBe(before.topics.volatile + 1);
    expect(stats.subscriptions.volatile).toBeGreaterThanOrEqual(2);
    for (const { volatile, stream, latest, total } of [stats.topics, stats.subscriptions]) {
      expect(total).toBe(volatile + stream + latest);
    }
  });
}

type Counts = Readonly<Record<"volatile" | "stream" | "latest" | "total", number>>;

interface Stats {
  readonly engine: string;
  readonly uptimeMs: number;
  readonly bridge: { readonly alive: boolean; readonly redis: number };
  readonly connections: number;
  readonly topics: Counts;
  readonly subscriptions: Counts;
}
