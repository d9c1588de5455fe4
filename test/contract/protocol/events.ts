// Protocol 1 as server-sent events, by raw HTTP: every mode, resumption, refusals that browsers understand, limits and the end.

import { afterEach, describe, expect, test } from "bun:test";
import type { EngineName } from "../../support/engine-host.ts";
import { dropEventReaders, EventReader, type ReaderOptions } from "../../support/event-reader.ts";
import { StreamReader } from "../../support/http-stream.ts";
import { fresh } from "../../support/served.ts";
import { secondsFromNow, secret, tokenFor } from "../../support/token.ts";
import { setting, upTo } from "./setting.ts";

const ann = { token: tokenFor("ann") };

export function events(engine: EngineName): void {
  describe("an event stream", () => {
    const server = setting(engine, "json");
    afterEach(dropEventReaders);
    const connect = (topics: readonly string[], more: ReaderOptions = {}) =>
      EventReader.connect(server.port, { ...ann, query: "join=none", topics, ...more });
    const publish = async (topic: string, datas: readonly unknown[], more = {}) => {
      const peer = await server.connect();
      const frames = datas.map((data) => ({ type: "publish", topic, data, ...more }));
      for (const answer of await peer.requests(...frames)) expect(answer).toMatchObject({ type: "ok" });
      peer.raw.destroy();
    };

    test("answers with the headers that browsers and proxies need", async () => {
      const reader = await connect([fresh("room")]);
      const { headers } = await reader.raw.head();
      expect(headers.get("content-type")).toBe("text/event-stream");
      expect(headers.get("cache-control")).toBe("no-cache, no-store, no-transform");
      expect(headers.get("x-accel-buffering")).toBe("no");
    });

    test("brings the whole message of each topic, in all modes", async () => {
      const [room, game, ticker] = [fresh("room"), fresh("game"), fresh("ticker")];
      const reader = await connect([room, game, ticker]);
      await publish(room, [{ text: "line one\nline two" }], { event: "said" });
      expect(await reader.next()).toEqual({
        type: "message",
        topic: room,
        data: { text: "line one\nline two" },
        timestamp: expect.any(Number),
        event: "said",
        userId: "ann",
        offset: 1,
      });
      await publish(game, ["move"]);
      expect(await reader.next()).toMatchObject({ type: "message", topic: game, data: "move" });
      await publish(ticker, [1.5], { key: "EURUSD" });
      expect(await reader.next()).toMatchObject({ topic: ticker, key: "EURUSD", data: 1.5, offset: 1 });
    });

    test("gets what WebSocket subscribers get, in the same order", async () => {
      const room = fresh("room");
      const [reader, peer] = [await connect([room]), await server.connect()];
      await peer.request({ type: "subscribe", topic: room });
      await publish(room, upTo(200));
      expect(await reader.take(200)).toEqual(await peer.messages(200, room));
    });

    test("joins the user's own topic and the broadcast, unless it is asked not to", async () => {
      const reader = await EventReader.connect(server.port, ann);
      await publish("user:ann", ["for ann"]);
      await publish("broadcast:all", ["for all"]);
      expect(await reader.take(2)).toMatchObject([{ data: "for ann" }, { data: "for all" }]);
      const refused = await EventReader.open(server.port, { ...ann, query: "join=none" });
      expect((await refused.raw.head()).status).toBe(400);
    });

    test("resumes after the last event's id, and misses nothing", async () => {
      const [room, ticker] = [fresh("room"), fresh("ticker")];
      const first = await connect([room, ticker]);
      await publish(room, upTo(3));
      await publish(ticker, [1], { key: "a" });
      await first.take(4);
      first.raw.destroy();
      await publish(room, [4, 5]);
      await publish(ticker, [2], { key: "a" });
      await publish(ticker, [1], { key: "b" });
      const { lastEventId } = first;
      for (const more of [{ lastEventId }, { query: `join=none&lastEventId=${lastEventId}` }]) {
        const second = await connect([room, ticker], more);
        const frames = await second.take(4);
        expect(frames.filter(({ topic }) => topic === room)).toMatchObject([{ data: 4 }, { data: 5 }]);
        const values = frames.filter(({ topic }) => topic === ticker);
        expect(values).toMatchObject([
          { key: "a", data: 2 },
          { key: "b", data: 1 },
        ]);
      }
      const last = await connect([room], { lastEventId });
      await publish(room, ["live"]);
      expect(await last.take(3)).toMatchObject([{ data: 4 }, { data: 5 }, { data: "live" }]);
    });

    test("resumes in the middle of what it is being fed, far behind the ring", async () => {
      const room = fresh("room");
      const first = await connect([room]);
      const { lastEventId } = first;
      first.raw.destroy();
      await publish(room, upTo(100));
      let id = lastEventId;
      const seen: unknown[] = [];
      while (seen.length < 100) {
        const reader = await connect([room], { lastEventId: id });
        seen.push(...(await reader.take(Math.min(17, 100 - seen.length))).map(({ data }) => data));
        id = reader.lastEventId;
        reader.raw.destroy();
      }
      expect(seen).toEqual(upTo(100));
    });

    test("is told by `reset` where it cannot be continued, and only then", async () => {
      const tiny = fresh("tiny");
      const first = await connect([tiny]);
      await publish(tiny, [1]);
      await first.next();
      first.raw.destroy();
      await publish(tiny, upTo(20));
      const second = await connect([tiny], { lastEventId: first.lastEventId });
      const frame = await second.next();
      expect(frame).toMatchObject({ type: "reset", topic: tiny, epoch: expect.any(String), offset: 21 });
      await publish(tiny, ["next"]);
      expect(await second.next()).toMatchObject({ data: "next", offset: 22 });
      second.raw.destroy();
      await publish(tiny, ["missed"]);
      const third = await connect([tiny], { lastEventId: second.lastEventId });
      expect(await third.next()).toMatchObject({ data: "missed", offset: 23 });
    });

    test("begins with the current values of `latest` topics, and drops what was removed", async () => {
      const ticker = fresh("ticker");
      await publish(ticker, [1, 2], { key: "a" });
      await publish(ticker, [3], { key: "b" });
      await publish(ticker, [null], { key: "gone", removed: true });
      const reader = await connect([ticker]);
      expect(await reader.take(2)).toMatchObject([
        { key: "a", data: 2 },
        { key: "b", data: 3 },
      ]);
      await publish(ticker, [4], { key: "a" });
      expect(await reader.next()).toMatchObject({ key: "a", data: 4 });
    });

    test("is told who comes and goes, as a member itself", async () => {
      const topic = fresh("room");
      const reader = await connect([topic]);
      const peer = await server.connect();
      const presence = await peer.request({ type: "presence", topic });
      expect(presence).toMatchObject({ count: 1, members: [{ userId: "ann", sessions: 1 }] });
      reader.raw.destroy();
      const left = async () =>
        (await peer.request({ type: "presence", topic })).members as { sessions: number }[];
      while ((await left())[0]?.sessions === 1);
    });

    test("takes `maxRateHz` for its topics of mode latest", async () => {
      const [ticker, room] = [fresh("ticker"), fresh("room")];
      const reader = await connect([ticker, room], { query: "join=none&maxRateHz=1" });
      for (const n of upTo(30)) await publish(ticker, [n], { key: "a" });
      await publish(room, ["now"]);
      const frames = await reader.take(2);
      expect(frames.map(({ topic }) => topic)).toEqual([ticker, room]);
      expect(await reader.next()).toMatchObject({ topic: ticker, data: 30 });
    });

    test.each([
      ["no topic", "join=none", 400, "bad-topic"],
      ["a malformed topic", "topic=Room", 400, "bad-topic"],
      ["an unknown namespace", "topic=nope:1", 404, "unknown-namespace"],
      ["a topic without a grant", "topic=closed:1", 403, "forbidden"],
      ["another user's topic", "topic=user:ben", 403, "forbidden"],
      ["a binary namespace", "topic=frames:1", 409, "mode-mismatch"],
      ["an id that is none", "topic=room:1&lastEventId=17", 400, "bad-position"],
      [
        "too many topics",
        upTo(33)
          .map((n) => `topic=room:${n}`)
          .join("&"),
        429,
        "too-many",
      ],
      ["a bad rate", "topic=room:1&maxRateHz=0", 400, "bad-frame"],
    ])("refuses %s by a status that ends a browser's tries", async (_, query, status, code) => {
      const reader = await EventReader.open(server.port, { ...ann, query });
      expect((await reader.raw.head()).status).toBe(status);
      expect(JSON.parse(await reader.raw.rest())).toMatchObject({ error: { code } });
    });

    test("takes its token from the header, the query, or a page's cookie, and refuses others with 401", async () => {
      const query = "join=none&topic=room:1";
      const origin = [`Origin: http://localhost:${server.port}`, `Cookie: token=${ann.token}`];
      const refused = [{}, { token: "x" }, { token: tokenFor("ann", { exp: secondsFromNow(-60) }) }];
      for (const options of refused) {
        const reader = await EventReader.open(server.port, { query, ...options });
        const { status, headers } = await reader.raw.head();
        expect([status, headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
        expect(JSON.parse(await reader.raw.rest())).toMatchObject({ error: { code: "unauthorized" } });
      }
      await EventReader.connect(server.port, { query, ...ann });
      await EventReader.connect(server.port, { query: `${query}&token=${ann.token}` });
      const withoutOrigin = await EventReader.open(server.port, { query, headers: origin.slice(1) });
      expect((await withoutOrigin.raw.head()).status).toBe(401);
    });

    test("is for GET, and for pages that may connect", async () => {
      const foreign = await EventReader.open(server.port, { ...ann, headers: ["Origin: http://evil.test"] });
      const { status, headers } = await foreign.raw.head();
      expect([status, headers.get("access-control-allow-origin")]).toEqual([403, undefined]);
      for (const method of ["POST", "HEAD"]) {
        const answer = await fetch(`http://127.0.0.1:${server.port}/sse`, { method });
        expect([answer.status, answer.headers.get("allow")]).toEqual([405, "GET, OPTIONS"]);
      }
    });

    test("survives whatever bytes an id may hold", async () => {
      for (const id of [
        ",",
        "::",
        "a:b:c",
        "%".repeat(500),
        `${"x".repeat(11)}:%E0%A4%A:1`,
        "-".repeat(3000),
      ]) {
        const target = `/sse?topic=room:1&lastEventId=${encodeURIComponent(id)}`;
        const reader = await StreamReader.open(server.port, target, `Authorization: Bearer ${ann.token}`);
        expect([400, 431]).toContain((await reader.head()).status);
        reader.destroy();
      }
      const unknown = `${"x".repeat(11)}:0:zzzzzz`;
      await connect(["room:1"], { lastEventId: unknown });
    });
  });

  describe("an event stream of a page elsewhere", () => {
    const page = "https://app.example.test";
    const server = setting(engine, "json", { jwtSecret: secret, allowedOrigins: [page] });
    afterEach(dropEventReaders);

    test("may be read by that page, with its cookie", async () => {
      const headers = [`Origin: ${page}`, `Cookie: token=${ann.token}`];
      const reader = await EventReader.connect(server.port, { headers, topics: ["room:1"] });
      const answer = (await reader.raw.head()).headers;
      expect(answer.get("access-control-allow-origin")).toBe(page);
      expect(answer.get("access-control-allow-credentials")).toBe("true");
      expect(answer.get("vary")?.toLowerCase()).toBe("origin");
      const options = await fetch(`http://127.0.0.1:${server.port}/sse`, {
        method: "OPTIONS",
        headers: { origin: page, "access-control-request-method": "GET" },
      });
      expect(options.status).toBe(204);
      expect(options.headers.get("access-control-allow-headers")).toContain("authorization");
      const refused = await EventReader.open(server.port, {
        headers: [`Origin: ${page}`],
        topics: ["room:1"],
      });
      const unauthorized = await refused.raw.head();
      expect([unauthorized.status, unauthorized.headers.get("access-control-allow-origin")]).toEqual([
        401,
        page,
      ]);
    });
  });
}
