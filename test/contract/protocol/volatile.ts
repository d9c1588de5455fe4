// Protocol 1, volatile topics: at most once, in order per publisher, nothing kept.

import { describe, expect, test } from "bun:test";
import { fresh } from "../../support/served.ts";
import { as, type ProtocolSuite, setting, upTo } from "./setting.ts";

export const volatile: ProtocolSuite = (engine, format) => {
  describe("a volatile topic", () => {
    const server = setting(engine, format);
    const other = format === "json" ? "msgpack" : "json";

    test("reaches every subscriber, the publisher too, without a position", async () => {
      const topic = fresh("game");
      const [peer, publisher] = [await server.connect(as("ben")), await server.connect()];
      for (const each of [peer, publisher]) await each.request({ type: "subscribe", topic });
      const data = { x: 1.5, y: -2 };
      const answer = await publisher.request({ type: "publish", topic, data, event: "moved" });
      expect(answer).toEqual({ type: "ok", id: 2 });
      const fields = { data, event: "moved", userId: "ann", timestamp: expect.any(Number) };
      const message = { type: "message", topic, ...fields };
      expect(await peer.messages(1)).toEqual([message]);
      expect(await publisher.messages(1)).toEqual([message]);
    });

    test("spares the publisher who wants no echo, and nobody else", async () => {
      const topic = fresh("game");
      const [peer, publisher] = [await server.connect(), await server.connect()];
      for (const each of [peer, publisher]) await each.request({ type: "subscribe", topic });
      const unechoed = { type: "publish", topic, data: "unechoed", echo: false };
      await publisher.requests(unechoed, { type: "publish", topic, data: "echoed", echo: true });
      expect((await publisher.settled()).map(({ data }) => data)).toEqual(["echoed"]);
      expect((await peer.settled()).map(({ data }) => data)).toEqual(["unechoed", "echoed"]);
    });

    test("without echo reaches others also from a publisher who has not subscribed", async () => {
      const topic = fresh("game");
      const [peer, publisher] = [await server.connect(), await server.connect()];
      await peer.request({ type: "subscribe", topic });
      await publisher.request({ type: "publish", topic, data: "from outside", echo: false });
      expect(await peer.messages(1)).toMatchObject([{ data: "from outside" }]);
      expect(await publisher.settled()).toEqual([]);
    });

    test("keeps each publisher's order, in both wire formats at once", async () => {
      const topic = fresh("game");
      const readers = [await server.connect(), await server.connect({ format: other })];
      const publishers = [
        await server.connect(as("p1")),
        await server.connect({ ...as("p2"), format: other }),
      ];
      for (const reader of readers) await reader.request({ type: "subscribe", topic });
      const count = 200;
      for (let at = 0; at < count; at += 20) {
        for (const publisher of publishers) {
          publisher.send(...upTo(20).map((i) => ({ type: "publish", topic, data: at + i })));
        }
      }
      for (const reader of readers) {
        const messages = await reader.messages(2 * count);
        for (const userId of ["p1", "p2"]) {
          const own = messages.filter((message) => message.userId === userId);
          expect(own.map(({ data }) => data)).toEqual(upTo(count));
        }
      }
    });

    test("keeps nothing: who comes later gets what comes later", async () => {
      const topic = fresh("game");
      const [early, late] = [await server.connect(), await server.connect()];
      await early.request({ type: "subscribe", topic });
      await early.request({ type: "publish", topic, data: "early" });
      const since = { epoch: "none", offset: 0 };
      const answer = await late.request({ type: "subscribe", topic, since });
      expect(answer).toEqual({ type: "ok", id: 1, topic, mode: "volatile" });
      await early.request({ type: "publish", topic, data: "late" });
      expect((await late.settled()).map(({ data }) => data)).toEqual(["late"]);
    });
  });
};
