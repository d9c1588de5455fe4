// Bodies that nobody sends by accident: each is answered with a code, does nothing, and leaves the server as it was.

import { afterEach, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { apiKey, codeOf, encode } from "../../support/api-client.ts";
import { HttpConnection, head, posted } from "../../support/http.ts";
import { fresh } from "../../support/served.ts";
import type { ApiSetting } from "../api.ts";

const bytes = (...values: number[]) => Uint8Array.from(values);
const repeated = (value: number, length: number) => new Uint8Array(length).fill(value);

const hostile: Record<"json" | "msgpack", [what: string, body: string | Uint8Array][]> = {
  json: [
    ["half of an object", '{"topic":"room:1","data":'],
    ["two objects", '{"topic":"room:1","data":1}{}'],
    ["a byte order mark and nothing", "\u{feff}"],
    ["bytes that are no UTF-8", Buffer.from('{"topic":"room:1","data":"\xff"}', "latin1")],
    ["lists without an end", "[".repeat(19_000)],
    ["objects without an end", '{"a":'.repeat(3_000)],
    ["NaN", '{"topic":"room:1","data":NaN}'],
    ["nothing but zeros", repeated(0, 1_000)],
    ["MessagePack", encode({ topic: "room:1", data: 1 }, "msgpack")],
  ],
  msgpack: [
    ["half of a map", bytes(0x82, 0xa5, 0x74)],
    ["two maps", bytes(0x80, 0x80)],
    ["a map of four billion", bytes(0xdf, 0xff, 0xff, 0xff, 0xff)],
    ["a list of four billion", bytes(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ["a string of four billion", bytes(0xdb, 0xff, 0xff, 0xff, 0xff)],
    ["lists without an end", repeated(0x91, 19_000)],
    ["an extension", bytes(0xd4, 0x01, 0x00)],
    ["msgpackr's records", bytes(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01)],
    ["a timestamp", bytes(0xd6, 0xff, 0, 0, 0, 0)],
    ["the byte that is never used", bytes(0xc1)],
    ["a map with a number for a key", bytes(0x81, 0x01, 0x01)],
    ["NaN", bytes(0x81, 0xa1, 0x61, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0)],
    ["JSON", encode({ topic: "room:1", data: 1 }, "json")],
  ],
};

export function hostileBodies(setting: ApiSetting): void {
  describe("a hostile body", () => {
    // The server is still there, and does what it is asked.
    afterEach(async () => {
      const topic = fresh("room");
      expect(await setting.api.post("/api/publish", { topic, data: 1 })).toMatchObject({ offset: 1 });
    });

    for (const [what, body] of hostile[setting.format]) {
      test(`is refused bad-frame: ${what}`, async () => {
        for (const path of ["/api/publish", "/api/publish/batch", "/api/users/ann/disconnect"]) {
          expect(await setting.api.failure("POST", path, { body })).toEqual([400, "bad-frame"]);
        }
      });
    }

    test("with the names of JavaScript's own is data like any other", async () => {
      const topic = fresh("room");
      const peer = await setting.peer("ann", "json");
      await peer.request({ type: "subscribe", topic });
      const data = '{"constructor":{"prototype":1},"toJSON":1,"toString":null,"hasOwnProperty":1}';
      const body = encode({ topic, data: JSON.parse(data) }, setting.format);
      await setting.api.post("/api/publish", body);
      expect((await peer.messages(1, topic))[0]?.data).toEqual(JSON.parse(data));
      const inherited = encode(JSON.parse(`{"__proto__":{"topic":"${topic}","data":1}}`), setting.format);
      expect(await setting.api.failure("POST", "/api/publish", { body: inherited })).toEqual([
        400,
        "bad-topic",
      ]);
    });

    test("that is too large is refused as such, announced or in chunks", async () => {
      const value = { topic: "room:1", data: "x".repeat(20_000) };
      const body = encode(value, setting.format);
      expect(await setting.api.failure("POST", "/api/publish", { body })).toEqual([413, "too-large"]);
      const connection = await HttpConnection.open(setting.port);
      const headers = [`Authorization: Bearer ${apiKey}`, `Content-Type: application/${setting.format}`];
      connection.write(head("POST", "/api/publish", ...headers, "Transfer-Encoding: chunked"));
      connection.write(`${body.length.toString(16)}\r\n`);
      connection.write(body);
      connection.write("\r\n0\r\n\r\n");
      expect((await connection.answer())?.status).toBe(413);
      await connection.closed();
    });

    test("that announces gigabytes is refused before it comes, and nobody without a key has it read", async () => {
      const announced = ["Content-Length: 5000000000", `Content-Type: application/${setting.format}`];
      for (const [headers, status] of [
        [[...announced, `Authorization: Bearer ${apiKey}`], 413],
        [announced, 401],
      ] as const) {
        const connection = await HttpConnection.open(setting.port);
        connection.write(head("POST", "/api/publish", ...headers));
        expect((await connection.answer())?.status).toBe(status);
        connection.destroy();
      }
    });

    test("that is a compression bomb is not unpacked", async () => {
      const body = new Uint8Array(gzipSync(Buffer.alloc(10_000_000)));
      const headers = { "content-encoding": "gzip" };
      const answer = await setting.api.request("POST", "/api/publish", { body, headers });
      expect([answer.status, codeOf(answer.body)]).toEqual([415, "bad-frame"]);
    });

    test("that is torn off in the middle does nothing", async () => {
      const topic = fresh("room");
      const whole = posted(
        "/api/publish",
        encode({ topic, data: 1 }, setting.format),
        `Authorization: Bearer ${apiKey}`,
      );
      for (const length of [whole.length - 1, whole.length - 10]) {
        const connection = await HttpConnection.open(setting.port);
        connection.write(whole.subarray(0, length));
        await connection.flushed();
        connection.destroy();
      }
      const { offset } = (await setting.api.get(`/api/topics/${topic}/history`)) as { offset: number };
      expect(offset).toBe(0);
    });
  });
}
