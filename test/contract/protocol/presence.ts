// Protocol 1, presence: who is in a topic, and who comes and goes; a user's devices, the grace, and both formats in one room.

import { describe, expect, test } from "bun:test";
import { fresh } from "../../support/served.ts";
import { everything, secret, tokenFor } from "../../support/token.ts";
import { as, type ProtocolSuite, setting } from "./setting.ts";

const options = {
  jwtSecret: secret,
  namespaces: {
    lobby: { mode: "stream", presence: true, joinLeave: { maxMembers: 4 } },
    arena: { mode: "volatile", presence: true, joinLeave: {} },
    quiet: { mode: "stream" },
    user: { presence: true },
  },
  limits: { presenceGraceMs: 1500, maxPresenceMembers: 3 },
} as const;

/** A token whose `info` others see. */
function introduced(userId: string, info: object): { readonly token: string } {
  return { token: tokenFor(userId, { fanwire: { ...everything, info } }) };
}

export const presence: ProtocolSuite = (engine, format) => {
  const other = format === "json" ? "msgpack" : "json";

  describe("presence", () => {
    const server = setting(engine, format, options);

    test("counts and lists users with their devices and what their tokens say of them, on either format", async () => {
      const topic = fresh("lobby");
      const info = { name: "Ann", tags: ["a", 1, null] };
      const ann = await server.connect(introduced("ann", info));
      const phone = await server.connect({ ...introduced("ann", info), format: other });
      const ben = await server.connect({ ...as("ben"), format: other });
      for (const peer of [ann, phone, ben]) await peer.request({ type: "subscribe", topic });
      const members = [
        { userId: "ann", info, sessions: 2 },
        { userId: "ben", sessions: 1 },
      ];
      for (const peer of [ann, ben]) {
        const { id: _, ...answer } = await peer.request({ type: "presence", topic });
        expect(answer).toEqual({ type: "ok", topic, count: 2, members });
      }
    });

    test("lists no more than its bound, and counts all of them", async () => {
      const topic = fresh("arena");
      for (const user of ["ann", "ben", "cat", "dan", "eve"]) {
        const peer = await server.connect(as(user));
        await peer.request({ type: "subscribe", topic });
      }
      const outside = await server.connect();
      const { count, members } = await outside.request({ type: "presence", topic });
      expect(count).toBe(5);
      expect((members as { userId: string }[]).map(({ userId }) => userId)).toEqual(["ann", "ben", "cat"]);
    });

    test("takes effect in its place within a burst of frames", async () => {
      const topic = fresh("lobby");
      const peer = await server.connect();
      const ask = { type: "presence", topic };
      const answers = await peer.requests(
        ask,
        { type: "subscribe", topic },
        ask,
        { type: "unsubscribe", topic },
        ask,
      );
      expect([answers[0], answers[2], answers[4]]).toMatchObject([
        { count: 0, members: [] },
        { count: 1, members: [{ userId: "ann", sessions: 1 }] },
        // Within the grace.
        { count: 1, members: [{ userId: "ann", sessions: 0 }] },
      ]);
    });

    test("takes the right to subscribe, and a namespace that has it", async () => {
      const peer = await server.connect({ token: tokenFor("cat", { fanwire: { publish: ["*"] } }) });
      const refused = { forbidden: fresh("lobby"), "mode-mismatch": fresh("quiet"), "bad-topic": "lobby" };
      for (const [code, topic] of Object.entries(refused)) {
        const answer = await peer.request({ type: "presence", topic });
        expect(answer).toMatchObject({ type: "error", code, retryable: false });
      }
      const unknown = await peer.request({ type: "presence", topic: "nowhere:1" });
      expect(unknown).toMatchObject({ code: "unknown-namespace" });
    });

    test("is kept of topics that are joined for the client, too", async () => {
      const fay = `fay-${fresh("x").slice(2)}`;
      const topic = `user:${fay}`;
      const phone = await server.connect(as(fay));
      await server.connect({ ...as(fay), query: "join=none" });
      const laptop = await server.connect({ ...as(fay), format: other });
      const there = (sessions: number) => ({ count: 1, members: [{ userId: fay, sessions }] });
      expect(await phone.request({ type: "presence", topic })).toMatchObject(there(2));
      await laptop.request({ type: "unsubscribe", topic });
      expect(await phone.request({ type: "presence", topic })).toMatchObject(there(1));
    });
  });

  describe("join and leave", () => {
    const server = setting(engine, format, options);

    test("tell both formats of each user's first session and, after the grace, of the last, whatever ended it", async () => {
      const story = async (topic: string) => {
        const watching = [await server.connect(), await server.connect({ format: other })];
        await watching[0]!.request({ type: "subscribe", topic });
        expect(await watching[0]!.take("join")).toEqual({ type: "join", topic, userId: "ann", count: 1 });
        await watching[1]!.request({ type: "subscribe", topic });
        const info = { name: "Ben" };
        const devices = [
          await server.connect(introduced("ben", info)),
          await server.connect(introduced("ben", info)),
        ];
        for (const device of devices) await device.request({ type: "subscribe", topic });
        const cat = await server.connect(as("cat"));
        await cat.request({ type: "subscribe", topic });
        for (const peer of watching) {
          expect(await peer.take("join")).toEqual({ type: "join", topic, userId: "ben", info, count: 2 });
          expect(await peer.take("join")).toEqual({ type: "join", topic, userId: "cat", count: 3 });
        }
        devices[0]!.raw.destroy();
        await devices[1]!.request({ type: "unsubscribe", topic });
        for (const peer of watching) {
          expect(await peer.take("leave")).toEqual({ type: "leave", topic, userId: "ben", info, count: 2 });
        }
        cat.raw.destroy();
        for (const peer of watching) {
          expect(await peer.take("leave")).toEqual({ type: "leave", topic, userId: "cat", count: 1 });
          expect(await peer.settled()).toEqual([]);
        }
      };
      await Promise.all([story(fresh("lobby")), story(fresh("arena"))]);
    });

    test("say nothing of who is cut off and comes back within the grace, nor of who subscribes again", async () => {
      const topic = fresh("lobby");
      const ann = await server.connect();
      const cut = await server.connect(as("ben"));
      const again = await server.connect(as("cat"));
      const last = await server.connect(as("dan"));
      for (const peer of [ann, cut, again, last]) await peer.request({ type: "subscribe", topic });
      for (const count of [1, 2, 3, 4]) expect(await ann.take("join")).toMatchObject({ count });
      cut.raw.destroy();
      const back = await server.connect({ ...as("ben"), format: other });
      await back.request({ type: "subscribe", topic });
      await again.request({ type: "subscribe", topic });
      // Whoever leaves after them is told to have left after anything there was to tell of them.
      await last.request({ type: "unsubscribe", topic });
      expect(await ann.take("leave")).toMatchObject({ userId: "dan", count: 3 });
      expect(await ann.settled()).toEqual([]);
      const { members } = await ann.request({ type: "presence", topic });
      expect((members as { userId: string }[]).map(({ userId }) => userId)).toEqual(["ann", "ben", "cat"]);
    });

    test("stay silent above the namespace's bound, where the count tells", async () => {
      const topic = fresh("lobby");
      const ann = await server.connect();
      await ann.request({ type: "subscribe", topic });
      for (const user of ["ben", "cat", "dan", "eve", "fay"]) {
        const peer = await server.connect(as(user));
        await peer.request({ type: "subscribe", topic });
      }
      for (const count of [1, 2, 3, 4]) expect(await ann.take("join")).toMatchObject({ count });
      expect(await ann.request({ type: "presence", topic })).toMatchObject({ count: 6 });
      expect(await ann.settled()).toEqual([]);
    });

    test("are for namespaces that ask for them", async () => {
      const topic = fresh("room");
      const peers = [await server.connect(), await server.connect(as("ben"))];
      for (const peer of peers) await peer.request({ type: "subscribe", topic });
      expect(await peers[0]!.request({ type: "presence", topic })).toMatchObject({ count: 2 });
      expect(await peers[0]!.settled()).toEqual([]);
    });
  });
};
