// Protocol 1, one connection's life: who it is, its first frame, answers by `id`, a later token, the end of an old one.

import { describe, expect, test } from "bun:test";
import { Peer } from "../../support/peer.ts";
import { fresh } from "../../support/served.ts";
import { everything, secondsFromNow, tokenFor } from "../../support/token.ts";
import { connect, refusal } from "../../support/websocket.ts";
import { as, type ProtocolSuite, setting } from "./setting.ts";

export const session: ProtocolSuite = (engine, format) => {
  describe("a session", () => {
    const server = setting(engine, format);
    const unauthorized = { code: 1008, reason: "unauthorized" };

    test("begins with `connected`, which says who, where, until when, and what is joined already", async () => {
      const exp = secondsFromNow(60);
      const before = Date.now();
      const { connected } = await server.connect({ token: tokenFor("ann", { exp }) });
      const joined = { mode: "stream", epoch: expect.any(String), offset: expect.any(Number) };
      expect(connected).toEqual({
        type: "connected",
        sessionId: expect.any(String),
        userId: "ann",
        nodeId: "under-test",
        timestamp: expect.any(Number),
        heartbeatMs: 25_000,
        expiresAt: exp * 1000,
        protocol: 1,
        subscriptions: [
          { topic: "user:ann", ...joined },
          { topic: "broadcast:all", ...joined },
        ],
      });
      expect(connected.timestamp).toBeWithin(before, Date.now() + 1);
    });

    test("has an id of its own, and no `expiresAt` where the token has no end", async () => {
      const [one, other] = await Promise.all([server.connect(), server.connect()]);
      expect(one.connected.sessionId).not.toBe(other.connected.sessionId);
      expect(one.connected).not.toHaveProperty("expiresAt");
    });

    test("joins nothing by itself with ?join=none", async () => {
      const peer = await server.connect({ query: "join=none" });
      expect(peer.connected.subscriptions).toEqual([]);
      await peer.request({ type: "publish", topic: "broadcast:all", data: 1 });
      expect(await peer.settled()).toEqual([]);
    });

    test("takes frames that arrive before the token is verified, after `connected` and in order", async () => {
      const peer = await Peer.open(server.port, { format, ...as("ann") });
      peer.send({ type: "ping", id: 1 }, { type: "subscribe", id: 2, topic: fresh("room") });
      const types = [await peer.next(), await peer.next(), await peer.next()].map(({ type }) => type);
      expect(types).toEqual(["connected", "pong", "ok"]);
    });

    test("finds its token in the header, then the subprotocol, then the query, then the cookie", async () => {
      const chosen = `fanwire.v1.${format}`;
      const origin = ["Origin", `http://127.0.0.1:${server.port}`] as const;
      const places = {
        header: { headers: [["Authorization", `Bearer ${tokenFor("header")}`]] },
        subprotocol: { protocols: [chosen, `bearer.${tokenFor("subprotocol")}`] },
        query: { path: `/ws?token=${tokenFor("query")}` },
        cookie: { headers: [["Cookie", `a=b; token=${tokenFor("cookie")}`], origin] },
      } as const;
      const seen: string[] = [];
      for (const left of [4, 3, 2, 1]) {
        const used = Object.values(places).slice(-left);
        const merged = Object.assign({ protocols: [chosen] }, ...used);
        const headers = used.flatMap((place) => ("headers" in place ? [...place.headers] : []));
        const client = await connect(server.port, { path: "/ws", ...merged, headers });
        expect(client.protocol).toBe(chosen);
        const [first] = await client.nextMany(1);
        seen.push(/"?userId"?[^a-z]*([a-z]+)/.exec(String(first))![1]!);
        client.destroy();
      }
      expect(seen).toEqual(["header", "subprotocol", "query", "cookie"]);
    });

    test("without a token, or with a bad one, completes its handshake and is closed 1008", async () => {
      const expired = tokenFor("ann", { exp: secondsFromNow(-60) });
      const foreign = tokenFor("ann", {}, "another secret of more than thirty-two bytes");
      for (const token of [undefined, expired, foreign, "rubbish", "a.b.c"]) {
        const peer = await Peer.open(server.port, { format, ...(token !== undefined && { token }) });
        expect(await peer.raw.rest()).toEqual({ messages: [], closing: unauthorized });
      }
    });

    test("does not believe a cookie that comes without an Origin", async () => {
      const headers = [["Cookie", `token=${tokenFor("ann")}`]] as const;
      const peer = await Peer.open(server.port, { format, headers });
      expect(await peer.raw.closed()).toEqual(unauthorized);
    });

    test("answers every ping with a pong, with the ping's id where it has one", async () => {
      const peer = await server.connect();
      const before = Date.now();
      peer.send({ type: "ping" }, { type: "ping", id: 7 });
      const [bare, numbered] = [await peer.next(), await peer.next()];
      expect(bare).toEqual({ type: "pong", timestamp: expect.any(Number) });
      expect(numbered).toEqual({ type: "pong", id: 7, timestamp: expect.any(Number) });
      expect(bare.timestamp).toBeWithin(before, Date.now() + 1);
    });

    test("answers each id exactly once, and a request that needs none not at all", async () => {
      const peer = await server.connect({ query: "join=none" });
      const topic = fresh("open");
      const requests = [
        { type: "subscribe", topic },
        { type: "publish", topic, data: 1 },
        { type: "history", topic },
        { type: "refresh", token: tokenFor("ann") },
        { type: "call", method: "nothing" },
        { type: "publish", topic: "no topic", data: 1 },
        { type: "unsubscribe", topic },
        { type: "ping" },
      ];
      peer.send(...requests.map((request, i) => ({ ...request, id: i + 1 })));
      const answers = await Promise.all(requests.map((_, i) => peer.answer(i + 1)));
      const types = answers.map(({ type, code }) => code ?? type);
      expect(types).toEqual(["ok", "ok", "ok", "ok", "unknown-method", "bad-topic", "ok", "pong"]);
      expect((await peer.settled()).filter(({ type }) => type !== "message")).toEqual([]);

      // A subscribe has to have one.
      peer.send({ ...requests[0]!, id: 100 }, ...requests.slice(1, 4), requests[6]!);
      expect(await peer.answer(100)).toMatchObject({ type: "ok" });
      expect((await peer.settled()).filter(({ type }) => type !== "message")).toEqual([]);
    });

    test("answers a bad frame with an error that names the fault, and goes on", async () => {
      const peer = await server.connect({ query: "join=none" });
      const topic = fresh("room");
      const faults: [object, string][] = [
        [{ type: "sing" }, "unknown-type"],
        [{}, "bad-frame"],
        [{ type: "subscribe", topic: "no-colon" }, "bad-topic"],
        [{ type: "subscribe", topic, since: 5 }, "bad-position"],
        [{ type: "publish", topic }, "bad-data"],
        [{ type: "publish", topic, data: 1, event: 5 }, "bad-data"],
        [{ type: "publish", topic, data: 1, idempotencyKey: "" }, "bad-frame"],
        [{ type: "subscribe", topic: "nowhere:1" }, "unknown-namespace"],
        [{ type: "history", topic, limit: 0 }, "bad-frame"],
        [{ type: "history", topic: fresh("game") }, "mode-mismatch"],
        [{ type: "publish", topic, data: 1, echo: false }, "mode-mismatch"],
        [{ type: "publish", topic: fresh("game"), data: 1, idempotencyKey: "k" }, "mode-mismatch"],
        [{ type: "unsubscribe", topic }, "not-subscribed"],
      ];
      for (const [frame, code] of faults) {
        const error = { type: "error", id: expect.any(Number), code, message: expect.any(String) };
        expect(await peer.request(frame)).toEqual({ ...error, retryable: false });
      }
      peer.send({ type: "sing" });
      expect(await peer.next()).toMatchObject({ type: "error", code: "unknown-type" });
      for (const id of [0, -1, 1.5, "1"]) {
        peer.send({ type: "ping", id });
        expect(await peer.next()).toMatchObject({ type: "error", code: "bad-frame" });
      }
      peer.raw.send(format === "json" ? "{" : Buffer.of(0xc1));
      expect(await peer.next()).toMatchObject({ type: "error", code: "bad-frame" });
      peer.raw.send(format === "json" ? Buffer.from("{}") : "{}");
      expect(await peer.next()).toMatchObject({ type: "error", code: "bad-frame" });
      expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
    });

    test("speaks JSON where no subprotocol is offered, and refuses those it does not know", async () => {
      const path = `/ws?token=${tokenFor("ann")}`;
      const client = await connect(server.port, { path });
      expect(client.protocol).toBeUndefined();
      expect(await client.nextJson()).toMatchObject({ type: "connected" });
      client.destroy();
      const refused = await refusal(server.port, { path, protocols: ["mqtt", "fanwire.v2.json"] });
      expect(refused.status).toBe(400);
      expect(JSON.parse(refused.body)).toMatchObject({ error: { code: "bad-frame" } });
    });
  });

  describe("a later token", () => {
    const server = setting(engine, format);

    test("extends the session beyond the end of the first, which closes others 4001", async () => {
      // The clocks' tolerance of 5 s makes a token acceptable that expired a moment ago.
      const token = tokenFor("ann", { exp: secondsFromNow(-2) });
      const [kept, lost] = [await server.connect({ token }), await server.connect({ token })];
      const exp = secondsFromNow(600);
      const answer = await kept.request({ type: "refresh", token: tokenFor("ann", { exp }) });
      expect(answer).toEqual({ type: "ok", id: 1, expiresAt: exp * 1000 });
      expect(await lost.raw.closed()).toEqual({ code: 4001, reason: "token-expired" });
      expect(await kept.request({ type: "ping" })).toMatchObject({ type: "pong" });
    }, 15_000);

    test("of another user, or a bad one, is refused and changes nothing", async () => {
      const peer = await server.connect({ token: tokenFor("ann", { exp: secondsFromNow(60) }) });
      for (const token of [tokenFor("ben"), "rubbish", tokenFor("ann", { exp: secondsFromNow(-60) })]) {
        const refused = await peer.request({ type: "refresh", token });
        expect(refused).toMatchObject({ type: "error", code: "unauthorized", retryable: false });
      }
      expect(await peer.request({ type: "subscribe", topic: fresh("room") })).toMatchObject({ type: "ok" });
    });

    test("that grants less leaves the topics it no longer covers, and says which", async () => {
      const [keeps, loses, own] = [fresh("room"), fresh("room"), "user:ann"];
      const [peer, publisher] = [await server.connect(), await server.connect(as("ben"))];
      await peer.requests({ type: "subscribe", topic: keeps }, { type: "subscribe", topic: loses });
      const fanwire = { subscribe: [keeps], publish: [own] };
      const answer = await peer.request({ type: "refresh", token: tokenFor("ann", { fanwire }) });
      expect(answer).toEqual({ type: "ok", id: expect.any(Number), left: [loses] });
      await publisher.requests(
        { type: "publish", topic: loses, data: "unheard" },
        { type: "publish", topic: keeps, data: "heard" },
      );
      await peer.request({ type: "publish", topic: own, data: "own" });
      expect((await peer.settled()).map(({ data }) => data)).toEqual(["heard", "own"]);
      expect(await peer.request({ type: "subscribe", topic: loses })).toMatchObject({ code: "forbidden" });
      expect(await peer.request({ type: "publish", topic: keeps, data: 1 })).toMatchObject({
        code: "forbidden",
      });
    });

    test("that grants more opens more", async () => {
      const topic = fresh("room");
      const fanwire = { subscribe: [], publish: [] };
      const peer = await server.connect({ token: tokenFor("ann", { fanwire }) });
      expect(await peer.request({ type: "subscribe", topic })).toMatchObject({ code: "forbidden" });
      const token = tokenFor("ann", { fanwire: everything });
      expect(await peer.request({ type: "refresh", token })).toEqual({ type: "ok", id: 2 });
      expect(await peer.request({ type: "subscribe", topic })).toMatchObject({ type: "ok", topic });
    });
  });
};
