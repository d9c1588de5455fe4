// Protocol 1, streams: one order for everybody, positions, publications made once, and their history.

import { describe, expect, test } from "bun:test";
import { fresh } from "../../support/served.ts";
import { as, type ProtocolSuite, setting, upTo } from "./setting.ts";

export const stream: ProtocolSuite = (engine, format) => {
  describe("a stream", () => {
    const server = setting(engine, format);
    const other = format === "json" ? "msgpack" : "json";

    test("has one order for all subscribers, whoever publishes at once, with offsets 1, 2, 3…", async () => {
      const topic = fresh("room");
      const readers = [await server.connect(), await server.connect({ format: other })];
      const publishers = await Promise.all(["p1", "p2", "p3", "p4"].map((id) => server.connect(as(id))));
      for (const reader of readers) await reader.request({ type: "subscribe", topic });
      const count = 100;
      for (let at = 0; at < count; at += 10) {
        for (const publisher of publishers) {
          publisher.send(...upTo(10).map((i) => ({ type: "publish", topic, data: at + i })));
        }
      }
      const [one, two] = await Promise.all(readers.map((reader) => reader.messages(4 * count)));
      expect(one!.map(({ offset }) => offset)).toEqual(upTo(4 * count));
      expect(two).toEqual(one!);
      for (const userId of ["p1", "p2", "p3", "p4"]) {
        const own = one!.filter((message) => message.userId === userId);
        expect(own.map(({ data }) => data)).toEqual(upTo(count));
      }
    });

    test("tells a publisher the position of each publication, under one epoch", async () => {
      const topic = fresh("room");
      const peer = await server.connect();
      const publish = { type: "publish", topic, data: 1 };
      const answers = await peer.requests(publish, publish, publish);
      expect(answers.map(({ offset }) => offset)).toEqual([1, 2, 3]);
      const { epoch } = await peer.request({ type: "subscribe", topic });
      expect(answers.map((answer) => answer.epoch)).toEqual([epoch, epoch, epoch]);
    });

    test("delivers a publication to its publisher before it acknowledges it", async () => {
      const topic = fresh("room");
      const peer = await server.connect({ query: "join=none" });
      await peer.request({ type: "subscribe", topic });
      peer.send({ type: "publish", id: 9, topic, data: 1 });
      expect((await peer.next()).type).toBe("message");
      expect((await peer.next()).id).toBe(9);
    });
  });

  describe("an idempotency key", () => {
    const server = setting(engine, format);

    test("makes one user's publication to one topic once", async () => {
      const topic = fresh("room");
      const [peer, device] = [await server.connect(), await server.connect()];
      await peer.request({ type: "subscribe", topic });
      const publish = { type: "publish", topic, data: 1, idempotencyKey: "k" };
      const first = await device.request(publish);
      await device.request({ type: "publish", topic, data: 2 });
      const second = await peer.request({ ...publish, data: "again" });
      expect([second.epoch, second.offset]).toEqual([first.epoch, 1]);
      expect((await peer.settled()).map(({ data }) => data)).toEqual([1, 2]);
    });

    test("holds for two of them in one burst as well", async () => {
      const topic = fresh("room");
      const peer = await server.connect();
      await peer.request({ type: "subscribe", topic });
      const publish = { type: "publish", topic, data: 1, idempotencyKey: "k" };
      const answers = await peer.requests(publish, publish, { ...publish, idempotencyKey: "l" });
      expect(answers.map(({ offset }) => offset)).toEqual([1, 1, 2]);
      expect((await peer.settled()).map(({ offset }) => offset)).toEqual([1, 2]);
    });

    test("is another one for another user, and for another topic", async () => {
      const [one, two] = [fresh("room"), fresh("room")];
      const [ann, ben] = [await server.connect(), await server.connect(as("ben"))];
      const publish = { type: "publish", topic: one, data: 1, idempotencyKey: "k" };
      expect(await ann.request(publish)).toMatchObject({ offset: 1 });
      expect(await ben.request(publish)).toMatchObject({ offset: 2 });
      expect(await ann.request({ ...publish, topic: two })).toMatchObject({ offset: 1 });
      expect(await ann.request({ type: "history", topic: two })).toMatchObject({ offset: 1 });
    });
  });

  describe("history", () => {
    const server = setting(engine, format);
    const offsets = (answer: { publications?: readonly { offset?: number }[] }) =>
      answer.publications!.map(({ offset }) => offset);

    test("answers the newest, oldest first, or what follows a position, and whether there is more", async () => {
      const topic = fresh("room");
      const peer = await server.connect();
      const { epoch } = await peer.request({ type: "publish", topic, data: 1 });
      const more = upTo(11).map((i) => ({ type: "publish", topic, data: i + 1 }));
      await peer.requests(...more);
      const history = (fields: object) => peer.request({ type: "history", topic, ...fields });
      const all = await history({});
      expect(all).toMatchObject({ type: "ok", topic, epoch, offset: 12, more: false });
      expect(offsets(all)).toEqual(upTo(12));
      expect(all.publications![0]).toEqual({
        data: 1,
        timestamp: expect.any(Number),
        userId: "ann",
        offset: 1,
      });
      const newest = await history({ limit: 3 });
      expect([offsets(newest), newest.more]).toEqual([[10, 11, 12], true]);
      const following = await history({ since: { epoch, offset: 4 }, limit: 3 });
      expect([offsets(following), following.more]).toEqual([[5, 6, 7], true]);
      const last = await history({ since: { epoch, offset: 7 }, limit: 5 });
      expect([offsets(last), last.more]).toEqual([[8, 9, 10, 11, 12], false]);
      for (const offset of [12, 99]) {
        const none = await history({ since: { epoch, offset } });
        expect([offsets(none), none.more, none.offset]).toEqual([[], false, 12]);
      }
      const foreign = await history({ since: { epoch: "another", offset: 4 }, limit: 2 });
      expect([offsets(foreign), foreign.more]).toEqual([[1, 2], true]);
    });

    test("reaches as far back as the namespace keeps it", async () => {
      const topic = fresh("tiny");
      const peer = await server.connect();
      await peer.requests(...upTo(9).map((data) => ({ type: "publish", topic, data })));
      const answer = await peer.request({ type: "history", topic });
      expect([offsets(answer), answer.offset, answer.more]).toEqual([[5, 6, 7, 8, 9], 9, false]);
    });

    test("does not need a subscription, and has a position before the first publication", async () => {
      const peer = await server.connect();
      const answer = await peer.request({ type: "history", topic: fresh("room") });
      expect(answer).toMatchObject({ type: "ok", offset: 0, publications: [], more: false });
    });

    test("has a largest `limit`", async () => {
      const peer = await server.connect();
      const topic = fresh("room");
      expect(await peer.request({ type: "history", topic, limit: 1000 })).toMatchObject({ type: "ok" });
      const refused = await peer.request({ type: "history", topic, limit: 1001 });
      expect(refused).toMatchObject({ code: "bad-frame" });
    });
  });
};
