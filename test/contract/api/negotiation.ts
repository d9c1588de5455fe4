// Who may use the API, what it is asked for by method, path and headers, and what every answer has. All in JSON.

import { describe, expect, test } from "bun:test";
import { ApiClient, apiKey, encode, otherKey } from "../../support/api-client.ts";
import { HttpConnection, head, posted } from "../../support/http.ts";
import { fresh } from "../../support/served.ts";
import { secret } from "../../support/token.ts";
import type { ApiSetting } from "../api.ts";

const routes: readonly [method: "GET" | "POST", path: string][] = [
  ["POST", "/api/publish"],
  ["POST", "/api/publish/batch"],
  ["POST", "/api/users/ann/send"],
  ["POST", "/api/users/ann/disconnect"],
  ["POST", "/api/broadcast"],
  ["GET", "/api/topics/room:1/history"],
  ["GET", "/api/topics/room:1/presence"],
  ["GET", "/api/stats"],
];

export function negotiation(setting: ApiSetting): void {
  const publish = (headers: Readonly<Record<string, string>>, body?: unknown) => {
    return setting.api.request("POST", "/api/publish", {
      body: body ?? JSON.stringify({ topic: fresh("room"), data: 1 }),
      headers,
    });
  };

  describe("keys", () => {
    test("any of those configured opens every route, and nothing else does", async () => {
      for (const key of [apiKey, otherKey]) {
        expect((await setting.api.request("GET", "/api/stats", { key })).status).toBe(200);
      }
      const wrong = [null, "", `${apiKey}x`, apiKey.slice(1), apiKey.toUpperCase(), `${apiKey},${otherKey}`];
      for (const key of wrong) {
        for (const [method, path] of [...routes, ["GET", "/api/none"] as const]) {
          const answer = await setting.api.request(method, path, { key });
          expect([key, path, answer.status]).toEqual([key, path, 401]);
          expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="fanwire"');
          expect(answer.body).toMatchObject({ error: { code: "unauthorized" } });
        }
      }
    });

    test("come as Bearer, in any spelling of that, and not otherwise", async () => {
      for (const authorization of [`bearer ${apiKey}`, `BEARER  ${apiKey} `]) {
        expect((await setting.api.request("GET", "/api/stats", { headers: { authorization } })).status).toBe(
          200,
        );
      }
      const basic = Buffer.from(`api:${apiKey}`).toString("base64");
      for (const authorization of [
        apiKey,
        `Basic ${basic}`,
        `Basic ${apiKey}`,
        `Bearer ${apiKey} ${apiKey}`,
      ]) {
        expect((await setting.api.request("GET", "/api/stats", { headers: { authorization } })).status).toBe(
          401,
        );
      }
      const elsewhere = await setting.api.request("GET", `/api/stats?token=${apiKey}`, {
        key: null,
        headers: { cookie: `token=${apiKey}`, "x-api-key": apiKey },
      });
      expect(elsewhere.status).toBe(401);
    });

    test("without a single one configured there is no API", async () => {
      const server = await setting.start({ jwtSecret: secret });
      const api = new ApiClient(server.port);
      for (const [method, path] of [...routes, ["GET", "/api"] as const]) {
        for (const key of [null, "", apiKey]) {
          expect([path, (await api.request(method, path, { key })).status]).toEqual([path, 404]);
        }
      }
      await server.stop();
    });
  });

  describe("paths and methods", () => {
    test("that are not there are answered 404", async () => {
      const paths = ["/api", "/api/", "/api/publish/", "/api/Publish", "/api//publish", "/api/users/ann"];
      for (const path of [
        ...paths,
        "/api/users/ann/send/more",
        "/api/topics/room:1",
        "/api/topics/a/b/history",
      ]) {
        for (const method of ["GET", "POST"]) {
          expect([path, ...(await setting.api.failure(method, path))]).toEqual([path, 404, "bad-frame"]);
        }
      }
      expect((await setting.api.request("GET", "/apiary")).body).toBe("not found\n");
    });

    test("that do not go together are answered 405 with those that do", async () => {
      for (const [method, path] of routes) {
        const allow = method === "GET" ? "GET, HEAD" : "POST";
        for (const other of ["PUT", "DELETE", "PATCH", "OPTIONS", method === "GET" ? "POST" : "GET"]) {
          const answer = await setting.api.request(other, path);
          expect([other, path, answer.status, answer.headers.get("allow")]).toEqual([
            other,
            path,
            405,
            allow,
          ]);
          expect(answer.body).toMatchObject({ error: { code: "bad-frame" } });
        }
      }
    });

    test("GET is answered to HEAD without the body", async () => {
      const answer = await setting.api.request("HEAD", "/api/stats");
      expect([answer.status, answer.body]).toEqual([200, undefined]);
      expect(Number(answer.headers.get("content-length"))).toBeGreaterThan(50);
      expect((await setting.api.request("HEAD", "/api/publish")).status).toBe(405);
    });
  });

  describe("content", () => {
    test("is JSON or MessagePack by Content-Type, JSON where there is none", async () => {
      const value = { topic: fresh("room"), data: 1 };
      const bodies: [type: string, body: string | Uint8Array][] = [
        ["application/json", encode(value, "json")],
        ["Application/JSON; charset=UTF-8", encode(value, "json")],
        ['application/json;charset="utf-8"', encode(value, "json")],
        ["application/msgpack", encode(value, "msgpack")],
      ];
      for (const [type, body] of bodies) {
        expect([type, (await publish({ "content-type": type }, body)).status]).toEqual([type, 200]);
      }
      const connection = await HttpConnection.open(setting.port);
      connection.write(posted("/api/publish", encode(value, "json"), `Authorization: Bearer ${apiKey}`));
      expect((await connection.answer())?.status).toBe(200);
      connection.destroy();
    });

    test("of any other type, charset or encoding is answered 415", async () => {
      const types = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "json",
        "constructor",
      ];
      for (const type of [...types, "application/json; charset=latin1"]) {
        const answer = await publish({ "content-type": type });
        expect([type, answer.status, answer.body]).toMatchObject([
          type,
          415,
          { error: { code: "bad-frame" } },
        ]);
      }
      for (const encoding of ["gzip", "br", "identity, gzip"]) {
        expect((await publish({ "content-encoding": encoding })).status).toBe(415);
      }
      expect((await publish({ "content-encoding": "identity" })).status).toBe(200);
    });

    test("is answered as Accept wishes, and in the body's format where that is all the same", async () => {
      const json = "application/json";
      const msgpack = "application/msgpack";
      const wishes: [accept: string, sent: "json" | "msgpack", answered: string][] = [
        ["*/*", "json", json],
        ["*/*", "msgpack", msgpack],
        ["application/*", "msgpack", msgpack],
        [json, "msgpack", json],
        [msgpack, "json", msgpack],
        ["text/html, application/msgpack;q=0.5", "json", msgpack],
        ["application/msgpack;q=0.5, application/json;q=0.6", "msgpack", json],
        ["APPLICATION/MSGPACK; q=1, */*; q=0.1", "json", msgpack],
        ["application/json;q=0, */*", "json", msgpack],
      ];
      for (const [accept, sent, answered] of wishes) {
        const body = encode({ topic: fresh("room"), data: 1 }, sent);
        const answer = await publish({ accept, "content-type": `application/${sent}` }, body);
        expect([accept, answer.headers.get("content-type")]).toEqual([accept, answered]);
        expect(answer.body).toMatchObject({ offset: 1 });
      }
    });

    test("that nobody would accept is answered 406, and then nothing was done", async () => {
      const topic = fresh("room");
      for (const accept of ["text/html", "application/json;q=0", "*/*;q=0", "", "application/x"]) {
        const answer = await publish({ accept }, JSON.stringify({ topic, data: 1 }));
        expect([accept, answer.status, answer.body]).toMatchObject([
          accept,
          406,
          { error: { code: "bad-frame" } },
        ]);
      }
      expect(await setting.api.get(`/api/topics/${topic}/history`)).toMatchObject({ offset: 0 });
    });

    test("errors have the format that answers would have", async () => {
      const headers = { accept: "application/msgpack" };
      const answer = await setting.api.request("POST", "/api/publish", { body: {}, headers });
      expect([answer.status, answer.headers.get("content-type")]).toEqual([400, "application/msgpack"]);
      expect(answer.body).toMatchObject({ error: { code: "bad-topic" } });
    });
  });

  test("every answer has its type and is not to be stored, and none is for other origins", async () => {
    const origin = { origin: "https://app.example" };
    const answers = [
      await setting.api.request("GET", "/api/stats", { headers: origin }),
      await setting.api.request("GET", "/api/stats", { key: null, headers: origin }),
      await setting.api.request("GET", "/api/none", { headers: origin }),
      await setting.api.request("OPTIONS", "/api/publish", { headers: origin }),
      await setting.api.request("POST", "/api/publish", { body: {}, headers: origin }),
      await setting.api.request("POST", "/api/publish", { body: "x".repeat(30_000), headers: origin }),
    ];
    for (const { headers } of answers) {
      expect([headers.get("cache-control"), headers.get("content-type")]).toEqual([
        "no-store",
        "application/json",
      ]);
      expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });

  test("requests may be pipelined, and are answered in order", async () => {
    const topic = fresh("room");
    const authorization = `Authorization: Bearer ${apiKey}`;
    const connection = await HttpConnection.open(setting.port);
    const bodies = Array.from({ length: 20 }, (_, i) => JSON.stringify({ topic, data: i }));
    const history = head("GET", `/api/topics/${topic}/history?limit=20`, authorization);
    connection.write(
      Buffer.concat([
        ...bodies.map((body) => posted("/api/publish", body, authorization)),
        Buffer.from(head("GET", "/api/stats")),
        Buffer.from(history),
      ]),
    );
    for (let i = 0; i < bodies.length; i++) {
      const answer = await connection.answer();
      expect(JSON.parse(String(answer?.body))).toMatchObject({ offset: i + 1 });
    }
    expect((await connection.answer())?.status).toBe(401);
    const page = JSON.parse(String((await connection.answer())?.body));
    expect(page.publications.map(({ data }: { data: number }) => data)).toEqual(bodies.map((_, i) => i));
    connection.destroy();
  });
}
