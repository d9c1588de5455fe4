// Protocol 1, limits: each one by the code it is met with.

import { describe, expect, test } from "bun:test";
import type { Peer } from "../../support/peer.ts";
import { fresh } from "../../support/served.ts";
import { secret, tokenFor } from "../../support/token.ts";
import { HandshakeRefused } from "../../support/websocket.ts";
import { type ProtocolSuite, setting, upTo } from "./setting.ts";

const options = {
  jwtSecret: secret,
  namespaces: { small: { mode: "volatile", maxPublishBytes: 200 } },
  limits: {
    maxConnections: 6,
    maxTopicsPerConnection: 4,
    maxRequestsInFlight: 2,
    maxFrameBytes: 4096,
    maxDataDepth: 4,
    frameBurst: 30,
    framesPerSecond: 1,
    badFrameBurst: 3,
  },
} as const;

export const limits: ProtocolSuite = (engine, format) => {
  describe("a limit", () => {
    const server = setting(engine, format, options);

    test("of requests in flight answers too-many, and holds no longer than they take", async () => {
      const peer = await server.connect();
      const refresh = { type: "refresh", token: tokenFor("ann") };
      const answers = await peer.requests(refresh, refresh, refresh);
      expect(answers.map(({ type, code }) => code ?? type)).toEqual(["ok", "ok", "too-many"]);
      expect(await peer.request(refresh)).toMatchObject({ type: "ok" });
    });

    test("of frames a second answers rate-limited, and closes whoever does not listen", async () => {
      const peer = await server.connect();
      const burst = upTo(45).map(() => ({ type: "ping" }));
      const answers = await peer.requests(...burst);
      const refused = answers.filter(({ type }) => type === "error");
      // A token comes back within each second that this takes.
      expect(refused.length).toBeWithin(10, 16);
      expect(refused[0]).toMatchObject({ code: "rate-limited", retryable: true });
      peer.send(...burst);
      expect(await peer.raw.closed()).toEqual({ code: 4003, reason: "rate-limited" });
    });

    test("of topics answers too-many, and counts what was left no more", async () => {
      const peer = await server.connect();
      const topics = upTo(3).map(() => fresh("room"));
      const subscribe = (topic: string) => peer.request({ type: "subscribe", topic });
      // Two are joined already: the user's own and the broadcast.
      for (const topic of topics.slice(0, 2)) expect(await subscribe(topic)).toMatchObject({ type: "ok" });
      expect(await subscribe(topics[2]!)).toMatchObject({ code: "too-many", retryable: false });
      expect(await subscribe(topics[1]!)).toMatchObject({ type: "ok" });
      await peer.request({ type: "unsubscribe", topic: topics[0] });
      expect(await subscribe(topics[2]!)).toMatchObject({ type: "ok" });
    });

    test("of a frame's size closes 1009, a little above it with a reason", async () => {
      const [within, above, far] = [await server.connect(), await server.connect(), await server.connect()];
      expect(await within.request({ type: "ping", padding: "x".repeat(4000) })).toMatchObject({
        type: "pong",
      });
      above.send({ type: "ping", padding: "x".repeat(4096) });
      expect(await above.raw.closed()).toEqual({ code: 1009, reason: "too-large" });
      far.send({ type: "ping", padding: "x".repeat(10_000) });
      expect((await far.raw.closed()).code).toBe(engine === "bun" ? 1009 : 1006);
    });

    test("of a publication's size answers too-large", async () => {
      const peer = await server.connect();
      const topic = fresh("small");
      const refused = { type: "error", code: "too-large", retryable: false };
      const publish = (length: number) => peer.request({ type: "publish", topic, data: "x".repeat(length) });
      expect(await publish(100)).toMatchObject({ type: "ok" });
      expect(await publish(200)).toMatchObject(refused);
    });

    test("of the depth of data answers bad-data", async () => {
      const peer = await server.connect();
      const publish = (data: unknown) => peer.request({ type: "publish", topic: fresh("room"), data });
      expect(await publish([[[["deep"]]]])).toMatchObject({ type: "ok" });
      expect(await publish([[[[["too deep"]]]]])).toMatchObject({ code: "bad-data" });
    });

    test("of bad frames closes 4004", async () => {
      const peer = await server.connect();
      peer.send({ type: "a" }, { type: "b" }, { type: "c" }, { type: "d" }, { type: "ping" });
      const { messages, closing } = await peer.raw.rest();
      expect(messages).toHaveLength(4);
      expect(closing).toEqual({ code: 4004, reason: "protocol-error" });
    });

    test("of connections answers 503 with Retry-After, until one ends", async () => {
      const peers: Peer[] = [];
      const connectOne = async () => {
        try {
          peers.push(await server.connect());
          return undefined;
        } catch (error) {
          if (error instanceof HandshakeRefused) return error;
          throw error;
        }
      };
      let refused: HandshakeRefused | undefined;
      while (!refused) refused = await connectOne();
      expect(peers.length).toBeWithin(1, 7);
      expect([refused.status, Number(refused.headers.get("retry-after")) > 0]).toEqual([503, true]);
      expect(JSON.parse(refused.body)).toMatchObject({ error: { code: "too-many" } });
      peers[0]!.raw.close();
      await peers[0]!.raw.closed();
      expect(await connectOne()).toBeUndefined();
    });
  });
};
