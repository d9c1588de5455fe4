// Protocol 1, topics: joining and leaving them, order of effects, who may do what, a user's devices, binary values.

import { describe, expect, test } from "bun:test";
import { fresh } from "../../support/served.ts";
import { tokenFor } from "../../support/token.ts";
import { as, type ProtocolSuite, setting } from "./setting.ts";

export const topics: ProtocolSuite = (engine, format) => {
  describe("a subscription", () => {
    const server = setting(engine, format);

    test("to a stream is answered with its position, to a volatile topic with its mode", async () => {
      const [room, game] = [fresh("room"), fresh("game")];
      const peer = await server.connect();
      expect(await peer.request({ type: "subscribe", topic: room })).toEqual({
        type: "ok",
        id: 1,
        topic: room,
        mode: "stream",
        epoch: expect.any(String),
        offset: 0,
        recovered: false,
        publications: [],
      });
      const answer = { type: "ok", id: 2, topic: game, mode: "volatile" };
      expect(await peer.request({ type: "subscribe", topic: game })).toEqual(answer);
    });

    test("delivers what is published, with publisher, event, time and offset", async () => {
      const topic = fresh("room");
      const [peer, publisher] = [await server.connect(), await server.connect(as("ben"))];
      await peer.request({ type: "subscribe", topic });
      const data = { text: "žluťoučký 🐎", list: [1, 2.5, null, true, { deep: [] }], "": -0.5 };
      const before = Date.now();
      const published = await publisher.request({ type: "publish", topic, data, event: "said" });
      const [message] = await peer.messages(1);
      expect(message).toEqual({
        type: "message",
        topic,
        data,
        event: "said",
        userId: "ben",
        timestamp: expect.any(Number),
        offset: 1,
      });
      expect(message!.timestamp).toBeWithin(before, Date.now() + 1);
      expect(published).toEqual({ type: "ok", id: 1, epoch: expect.any(String), offset: 1 });
    });

    test("ends with unsubscribe: nothing follows its `ok`", async () => {
      const topic = fresh("room");
      const [peer, publisher] = [await server.connect(), await server.connect(as("ben"))];
      await peer.request({ type: "subscribe", topic });
      expect(await peer.request({ type: "unsubscribe", topic })).toEqual({ type: "ok", id: 2, topic });
      await publisher.request({ type: "publish", topic, data: "unheard" });
      expect(await peer.settled()).toEqual([]);
      expect(await peer.request({ type: "unsubscribe", topic })).toMatchObject({ code: "not-subscribed" });
    });

    test("made twice counts once", async () => {
      for (const topic of [fresh("room"), fresh("game")]) {
        const peer = await server.connect();
        await peer.requests({ type: "subscribe", topic }, { type: "subscribe", topic });
        await peer.request({ type: "publish", topic, data: "once" });
        expect((await peer.settled()).map(({ data }) => data)).toEqual(["once"]);
      }
    });

    test("made again with `since` recovers a topic that is joined already", async () => {
      const topic = fresh("room");
      const peer = await server.connect();
      const { epoch } = await peer.request({ type: "subscribe", topic });
      for (const data of ["a", "b", "c"]) await peer.request({ type: "publish", topic, data });
      await peer.messages(3);
      const again = await peer.request({ type: "subscribe", topic, since: { epoch, offset: 1 } });
      expect(again).toMatchObject({ recovered: true, offset: 3 });
      expect(again.publications!.map(({ data }) => data)).toEqual(["b", "c"]);
      await peer.request({ type: "publish", topic, data: "d" });
      expect((await peer.settled()).map(({ offset }) => offset)).toEqual([4]);
    });

    test("takes effect in its place within a burst of frames", async () => {
      for (const namespace of ["room", "game"]) {
        const topic = fresh(namespace);
        const peer = await server.connect();
        const round = [
          { type: "publish", topic, data: "before" },
          { type: "subscribe", topic },
          { type: "publish", topic, data: "within" },
          { type: "unsubscribe", topic },
          { type: "publish", topic, data: "after" },
        ];
        const answers = await peer.requests(...round, ...round);
        expect(answers.map(({ type }) => type)).toEqual(Array(10).fill("ok"));
        expect((await peer.settled()).map(({ data }) => data)).toEqual(["within", "within"]);
      }
    });
  });

  describe("access", () => {
    const server = setting(engine, format);
    const nothing = { token: tokenFor("cat", { fanwire: {} }) };

    test("by grant covers what the token grants and nothing else", async () => {
      const fanwire = { subscribe: ["room:a*"], publish: ["room:b"] };
      const peer = await server.connect({ token: tokenFor("cat", { fanwire }) });
      expect(await peer.request({ type: "subscribe", topic: "room:abc" })).toMatchObject({ type: "ok" });
      expect(await peer.request({ type: "publish", topic: "room:b", data: 1 })).toMatchObject({ type: "ok" });
      const refused = { type: "error", code: "forbidden", retryable: false };
      expect(await peer.request({ type: "subscribe", topic: "room:b" })).toMatchObject(refused);
      expect(await peer.request({ type: "history", topic: "room:b" })).toMatchObject(refused);
      expect(await peer.request({ type: "publish", topic: "room:abc", data: 1 })).toMatchObject(refused);
    });

    test("for members lets everybody subscribe, and whoever has subscribed publish", async () => {
      for (const topic of [fresh("open"), fresh("cursor")]) {
        const peer = await server.connect(nothing);
        const publish = { type: "publish", topic, data: 1 };
        expect(await peer.request(publish)).toMatchObject({ code: "not-subscribed", retryable: false });
        expect(await peer.request({ type: "subscribe", topic })).toMatchObject({ type: "ok" });
        expect(await peer.request(publish)).toMatchObject({ type: "ok" });
        await peer.request({ type: "unsubscribe", topic });
        expect(await peer.request(publish)).toMatchObject({ code: "not-subscribed" });
      }
    });

    test("of nobody refuses even who is granted everything", async () => {
      const peer = await server.connect();
      expect(await peer.request({ type: "subscribe", topic: fresh("news") })).toMatchObject({ type: "ok" });
      const published = await peer.request({ type: "publish", topic: fresh("news"), data: 1 });
      expect(published).toMatchObject({ code: "forbidden" });
      const subscribed = await peer.request({ type: "subscribe", topic: fresh("closed") });
      expect(subscribed).toMatchObject({ code: "forbidden" });
    });

    test("does not need a subscription to publish by grant", async () => {
      const topic = fresh("room");
      const [peer, publisher] = [await server.connect(), await server.connect()];
      await peer.request({ type: "subscribe", topic });
      await publisher.request({ type: "publish", topic, data: 1 });
      expect(await peer.messages(1)).toHaveLength(1);
      expect(await publisher.settled()).toEqual([]);
    });
  });

  describe("a user's own topic", () => {
    const server = setting(engine, format);

    test("reaches all devices of the user, and nobody else can join it, read it or write to it", async () => {
      const eve = `eve-${fresh("x").slice(2)}`;
      const devices = [await server.connect(as(eve)), await server.connect(as(eve))];
      const other = await server.connect(as("mallory"));
      const topic = `user:${eve}`;
      for (const frame of [
        { type: "subscribe", topic },
        { type: "history", topic },
        { type: "publish", topic, data: "forged" },
      ]) {
        expect(await other.request(frame)).toMatchObject({ type: "error", code: "forbidden" });
      }
      await devices[0]!.request({ type: "publish", topic, data: "to myself" });
      for (const device of devices) {
        expect(await device.messages(1)).toMatchObject([{ topic, data: "to myself", offset: 1 }]);
      }
      expect(await other.settled()).toEqual([]);
    });

    test("and the broadcast can be left, joined again without a grant, and recovered", async () => {
      const fanwire = { publish: ["user:fay", "broadcast:all"] };
      const peer = await server.connect({ token: tokenFor("fay", { fanwire }) });
      const joined = peer.connected.subscriptions as { topic: string; epoch: string; offset: number }[];
      for (const { topic, epoch, offset } of joined) {
        await peer.request({ type: "unsubscribe", topic });
        await peer.request({ type: "publish", topic, data: "missed" });
        expect(await peer.settled()).toEqual([]);
        const again = await peer.request({ type: "subscribe", topic, since: { epoch, offset } });
        expect(again).toMatchObject({ recovered: true, publications: [{ data: "missed" }] });
      }
    });

    test("apart, broadcast:all reaches everybody", async () => {
      const peers = [
        await server.connect(),
        await server.connect(as("ben")),
        await server.connect(as("cat")),
      ];
      await peers[0]!.request({ type: "publish", topic: "broadcast:all", data: "all of you" });
      for (const peer of peers) {
        expect(await peer.messages(1, "broadcast:all")).toMatchObject([{ data: "all of you" }]);
      }
    });
  });

  describe("a binary namespace", () => {
    const server = setting(engine, format);
    const bytes = Buffer.from([0, 1, 2, 0xc1, 0xff]);

    test("carries binary values between MessagePack clients, live and from history", async () => {
      for (const topic of [fresh("frames"), fresh("files")]) {
        const peer = await server.connect({ format: "msgpack" });
        const { epoch } = await peer.request({ type: "subscribe", topic });
        await peer.request({ type: "publish", topic, data: { name: "a", bytes } });
        const [message] = await peer.messages(1);
        expect(message!.data).toEqual({ name: "a", bytes });
        if (epoch === undefined) continue;
        const again = await peer.request({ type: "subscribe", topic, since: { epoch, offset: 0 } });
        expect(again.publications![0]!.data).toEqual({ name: "a", bytes });
      }
    });

    test("takes no JSON subscriber and shows it no history, but lets it publish what JSON can say", async () => {
      const topic = fresh("files");
      const [peer, plain] = [
        await server.connect({ format: "msgpack" }),
        await server.connect({ format: "json" }),
      ];
      await peer.request({ type: "subscribe", topic });
      const refused = { type: "error", code: "mode-mismatch", retryable: false };
      expect(await plain.request({ type: "subscribe", topic })).toMatchObject(refused);
      expect(await plain.request({ type: "history", topic })).toMatchObject(refused);
      await plain.request({ type: "publish", topic, data: { text: "hello" } });
      expect(await peer.messages(1)).toMatchObject([{ data: { text: "hello" } }]);
    });

    test("is the only place for binary values", async () => {
      const peer = await server.connect({ format: "msgpack" });
      for (const topic of [fresh("room"), fresh("game")]) {
        const refused = await peer.request({ type: "publish", topic, data: [bytes] });
        expect(refused).toMatchObject({ type: "error", code: "bad-data" });
      }
    });
  });
};
