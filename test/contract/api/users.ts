// What the API does to users: sends to all devices of one, to everybody, and disconnects.

import { describe, expect, test } from "bun:test";
import type { ApiSetting } from "../api.ts";

let count = 0;
/** A user id that no other test has; with characters that a path has to encode. */
const freshUser = () => `ü/${++count}%2F?#`;

export function users(setting: ApiSetting): void {
  const path = (userId: string, action: string) => `/api/users/${encodeURIComponent(userId)}/${action}`;

  describe("send", () => {
    test("reaches all devices of the user and nobody else", async () => {
      const [ann, bob] = [freshUser(), freshUser()];
      const devices = [await setting.peer(ann, "json"), await setting.peer(ann, "msgpack")];
      const other = await setting.peer(bob);
      const sent = await setting.api.post(path(ann, "send"), { data: "psst", event: "whisper" });
      expect(sent).toEqual({ epoch: expect.any(String), offset: 1 });
      for (const device of devices) {
        const [message] = await device.messages(1);
        expect(message).toMatchObject({ topic: `user:${ann}`, data: "psst", event: "whisper", offset: 1 });
      }
      expect(await other.settled()).toEqual([]);
    });

    test("sends once per idempotency key, and whatever topic the body names", async () => {
      const ann = freshUser();
      const headers = { "idempotency-key": "k" };
      const first = await setting.api.post(path(ann, "send"), { data: 1, topic: "room:1" }, headers);
      expect(await setting.api.post(path(ann, "send"), { data: 2 }, headers)).toEqual(first);
    });

    test("refuses what is no user id or no data", async () => {
      const data = { data: 1 };
      for (const id of ["a%20b", "*", "x".repeat(129), "%00", "%ff"]) {
        const refused = await setting.api.failure("POST", `/api/users/${id}/send`, { body: data });
        expect([id, ...refused]).toEqual([id, 400, "bad-frame"]);
      }
      expect(await setting.api.failure("POST", "/api/users//send", { body: data })).toEqual([
        400,
        "bad-frame",
      ]);
      expect(await setting.api.failure("POST", "/api/users/ann/send", { body: {} })).toEqual([
        400,
        "bad-data",
      ]);
    });
  });

  test("broadcast reaches everybody", async () => {
    const peers = [await setting.peer("ann"), await setting.peer("bob")];
    const sent = (await setting.api.post("/api/broadcast", { data: "all", event: "news" })) as object;
    for (const peer of peers) {
      const [message] = await peer.messages(1);
      expect(message).toMatchObject({ topic: "broadcast:all", data: "all", event: "news" });
      expect(sent).toEqual({ epoch: expect.any(String), offset: message!.offset! });
    }
  });

  describe("disconnect", () => {
    test("closes all connections of the user, and of nobody else", async () => {
      const [ann, bob] = [freshUser(), freshUser()];
      const devices = [await setting.peer(ann, "json"), await setting.peer(ann, "msgpack")];
      const other = await setting.peer(bob);
      expect(await setting.api.post(path(ann, "disconnect"))).toEqual({});
      for (const { raw } of devices)
        expect(await raw.closed()).toEqual({ code: 4000, reason: "disconnected" });
      expect(await other.request({ type: "ping" })).toMatchObject({ type: "pong" });
    });

    test("tells the user a reason, if it has one", async () => {
      const ann = freshUser();
      const peer = await setting.peer(ann);
      await setting.api.post(path(ann, "disconnect"), { reason: "banné" });
      expect(await peer.raw.closed()).toEqual({ code: 4000, reason: "banné" });
    });

    test("is done when nobody is there, and takes nothing that is no reason", async () => {
      expect(await setting.api.post(path(freshUser(), "disconnect"), {})).toEqual({});
      for (const reason of [1, "", "x".repeat(124), "é".repeat(62), "a\nb"]) {
        const refused = await setting.api.failure("POST", path("ann", "disconnect"), { body: { reason } });
        expect([reason, ...refused]).toEqual([reason, 400, "bad-frame"]);
      }
      const listed = await setting.api.failure("POST", path("ann", "disconnect"), { body: [] });
      expect(listed).toEqual([400, "bad-frame"]);
    });
  });
}
