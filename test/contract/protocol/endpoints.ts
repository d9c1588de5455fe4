// Plain HTTP and the handshake: health, readiness, what is not there, and which web pages may connect.

import { afterEach, describe, expect, test } from "bun:test";
import { request } from "node:http";
import type { EngineName } from "../../support/engine-host.ts";
import { dropPeers, Peer } from "../../support/peer.ts";
import { fresh, served } from "../../support/served.ts";
import { secret, tokenFor } from "../../support/token.ts";
import { connect, refusal } from "../../support/websocket.ts";

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** One HTTP request on a connection of its own. */
export function ask(
  port: number,
  path: string,
  options: { method?: string; headers?: Record<string, string> } = {},
) {
  return new Promise<Answer>((resolve, reject) => {
    const asked = request({ host: "127.0.0.1", port, path, agent: false, ...options }, (reply) => {
      let body = "";
      reply.setEncoding("utf8").on("data", (chunk) => {
        body += chunk;
      });
      reply.on("end", () => resolve({ status: reply.statusCode!, headers: reply.headers, body }));
    });
    asked.on("error", reject).end();
  });
}

export function endpoints(engine: EngineName): void {
  describe("the endpoints", () => {
    const server = served(engine, { jwtSecret: secret });

    test("say that the process lives and that clients may come", async () => {
      for (const path of ["/health", "/ready", "/ready?probe=1"]) {
        const answer = await ask(server.port, path);
        expect([path, answer.status, answer.headers["cache-control"]]).toEqual([path, 200, "no-store"]);
        expect((await ask(server.port, path, { method: "HEAD" })).status).toBe(200);
      }
    });

    test("are no others, take nothing but GET and HEAD, and need a handshake for sockets", async () => {
      for (const path of ["/", "/nothing", "/api/publish", "/WS", "//", "/%2e%2e/etc/passwd"]) {
        expect([path, (await ask(server.port, path)).status]).toEqual([path, 404]);
      }
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
        const answer = await ask(server.port, "/health", { method });
        expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, "GET, HEAD"]);
      }
      const bare = await ask(server.port, "/ws");
      expect([bare.status, bare.headers.upgrade]).toEqual([426, "websocket"]);
      expect((await refusal(server.port, { path: "/elsewhere" })).status).toBe(404);
    });
  });

  describe("a web page", () => {
    const allowedOrigins = ["https://app.example", "http://app.example:8080"];
    const server = served(engine, { jwtSecret: secret, allowedOrigins });
    const path = `/ws?token=${tokenFor("ann")}`;
    afterEach(dropPeers);

    test("of the same origin or of an allowed one connects, and whoever is no browser", async () => {
      const own = `http://127.0.0.1:${server.port}`;
      for (const origin of [own, ...allowedOrigins, undefined]) {
        const headers = origin === undefined ? [] : [["Origin", origin] as const];
        const client = await connect(server.port, { path, headers });
        expect(await client.nextJson()).toMatchObject({ type: "connected" });
        client.destroy();
      }
    });

    test("of any other origin is refused 403 before the handshake", async () => {
      const others = [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil.example",
        "null",
      ];
      for (const origin of others) {
        const refused = await refusal(server.port, { path, headers: [["Origin", origin]] });
        expect([origin, refused.status]).toEqual([origin, 403]);
        expect(JSON.parse(refused.body)).toMatchObject({ error: { code: "forbidden" } });
      }
    });
  });

  describe("development mode", () => {
    const server = served(engine, {});
    afterEach(dropPeers);

    test("admits guests, who may use every built-in namespace", async () => {
      const [one, other] = [await Peer.connect(server.port), await Peer.connect(server.port)];
      expect(one.connected.userId).toMatch(/^guest-/);
      expect(one.connected.userId).not.toBe(other.connected.userId);
      for (const namespace of ["room", "game"]) {
        const topic = fresh(namespace);
        expect(await other.request({ type: "subscribe", topic })).toMatchObject({ type: "ok" });
        await one.request({ type: "publish", topic, data: "hello" });
        expect(await other.messages(1)).toMatchObject([{ data: "hello", userId: one.connected.userId }]);
      }
      const topic = `user:${one.connected.userId}`;
      expect(await other.request({ type: "publish", topic, data: 1 })).toMatchObject({ code: "forbidden" });
    });

    test("takes no token, which it could not verify", async () => {
      const peer = await Peer.open(server.port, { token: tokenFor("ann") });
      expect(await peer.raw.closed()).toEqual({ code: 1008, reason: "unauthorized" });
    });

    test("answers only by a name of this machine, because any page can reach loopback", async () => {
      const rebound = { path: "/ws", headers: [["Host", "evil.example"]] as const };
      expect((await refusal(server.port, rebound)).status).toBe(403);
      expect((await ask(server.port, "/", { headers: { host: "evil.example" } })).status).toBe(403);
      for (const host of [`localhost:${server.port}`, "127.0.0.1", `[::1]:${server.port}`]) {
        (await connect(server.port, { path: "/ws", headers: [["Host", host]] })).destroy();
      }
      const page = await ask(server.port, "/");
      expect([page.status, page.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    });
  });
}
