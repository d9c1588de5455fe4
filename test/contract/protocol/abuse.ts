// What a hostile client may take: connections, time before the handshake, bytes, subscriptions, publications, headers.

import { afterEach, describe, expect, test } from "bun:test";
import { connect as connectTcp } from "node:net";
import type { InputOptions } from "../../../src/server.ts";
import type { EngineName } from "../../support/engine-host.ts";
import { Issuer } from "../../support/issuer.ts";
import { dropPeers, Peer } from "../../support/peer.ts";
import { fresh, type Reached, served, startServer } from "../../support/served.ts";
import { SigningKey } from "../../support/signing-key.ts";
import { secret } from "../../support/token.ts";
import { encodeFrame, HandshakeRefused, opcodes, within } from "../../support/websocket.ts";
import { ask } from "./endpoints.ts";
import { as, upTo } from "./setting.ts";

const rateLimited = { code: 4003, reason: "rate-limited" };
const overloaded = { code: 1013, reason: "overloaded" };
/** uWebSockets.js gives a handshake 10 s, Bun 12 s: no byte of a request, however slowly they drip, extends it. */
const handshakeMs = 16_000;

/** How clients reach the server: directly, or through a proxy, which has an answer of its own to headers that are too large. */
export interface Way {
  readonly start: (engine: EngineName, options: InputOptions) => Promise<Reached>;
  readonly tooLarge: number;
}

const directly: Way = { start: startServer, tooLarge: 431 };

export function abuse(engine: EngineName, { start, tooLarge }: Way = directly): void {
  afterEach(dropPeers);

  describe("a cap on connections", () => {
    const limits = { maxConnectionsPerAddress: 4, maxConnectionsPerUser: 2 };
    const server = served(engine, { jwtSecret: secret, limits }, start);

    /** Tries until a connection that has just ended is counted no more. */
    async function until<T>(attempt: () => Promise<T | undefined>): Promise<T> {
      for (const end = Date.now() + 10_000; ; ) {
        const result = await attempt();
        if (result !== undefined) return result;
        expect(Date.now()).toBeLessThan(end);
      }
    }

    test("of an address answers 429 with Retry-After, to that address only, until one ends", async () => {
      const peers = await Promise.all(upTo(4).map((i) => Peer.connect(server.port, as(`user-${i}`))));
      const from = (localAddress: string) =>
        Peer.connect(server.port, { ...as("another"), localAddress }).then(
          () => undefined,
          (error) => error,
        );
      const refused = await from("127.0.0.1");
      expect(refused).toBeInstanceOf(HandshakeRefused);
      expect([refused.status, Number(refused.headers.get("retry-after")) > 0]).toEqual([429, true]);
      expect(JSON.parse(refused.body)).toMatchObject({ error: { code: "too-many" } });
      expect(await from("127.0.0.2")).toBeUndefined();
      peers[0]!.raw.destroy();
      await until(async () => ((await from("127.0.0.1")) === undefined ? true : undefined));
    });

    test("of a user closes 1013, that user's newest only, until one ends", async () => {
      const open = (userId: string) => Peer.open(server.port, { ...as(userId), localAddress: "127.0.0.3" });
      const [one, other] = [await open("ann"), await open("ann")];
      for (const peer of [one, other]) expect(await peer.next()).toMatchObject({ type: "connected" });
      expect(await (await open("ann")).raw.closed()).toEqual(overloaded);
      expect(await (await open("ben")).next()).toMatchObject({ type: "connected" });
      expect(await one.request({ type: "ping" })).toMatchObject({ type: "pong" });
      one.raw.destroy();
      await until(async () => (await open("ann")).next().catch(() => undefined));
    });
  });

  describe("a cap on connections that nobody knows yet", () => {
    test("answers 503 with Retry-After while they wait, and they wait no longer than the deadline", async () => {
      const issuer = await Issuer.start();
      issuer.answer(() => undefined);
      const limits = { maxUnauthenticatedConnections: 3, jwksTimeoutMs: 1500, authTimeoutMs: 2000 };
      const server = await start(engine, { jwksUrl: issuer.url, limits });
      try {
        const { token } = as("ann");
        const waiting: Peer[] = [];
        const jwks = await SigningKey.make("ES256", "a");
        const signed = await jwks.tokenFor("ann");
        for (const _ of upTo(3)) waiting.push(await Peer.open(server.port, { token: signed }));
        const refused = await Peer.open(server.port, { token }).catch((error) => error);
        expect(refused).toBeInstanceOf(HandshakeRefused);
        expect([refused.status, Number(refused.headers.get("retry-after")) > 0]).toEqual([503, true]);
        for (const peer of waiting) expect(await peer.raw.closed()).toEqual(overloaded);
        // A token that is bad by itself is known to be so at once, and stays nobody's.
        for (const _ of upTo(10)) {
          expect((await (await Peer.open(server.port, { token })).raw.closed()).code).toBe(1008);
        }
      } finally {
        await server.kill();
        await issuer.stop();
      }
    });
  });

  describe("before the handshake", () => {
    const server = served(engine, { jwtSecret: secret }, start);

    test("nobody stays who sends nothing, half a request, or a byte now and then", async () => {
      const half = "GET /ws HTTP/1.1\r\nHost: x\r\nX-A: ";
      const slow: [first: string, drip: string][] = [
        ["", ""],
        ["G", ""],
        [half, ""],
        [half, "a"],
        ["POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "a"],
      ];
      const ends = slow.flatMap((one) => upTo(20).map(() => endOf(server.port, ...one)));
      // Meanwhile others are served.
      const peer = await Peer.connect(server.port, as("ann"));
      expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
      await Promise.all(ends);
      expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
    }, 40_000);

    test("headers that hold the longest token there may be are read", async () => {
      const headers = { authorization: `Bearer ${"a".repeat(8192)}` };
      expect((await ask(server.port, "/ws", { headers })).status).toBe(426);
    });

    test("huge headers, many of them, and a long path are refused", async () => {
      const head = "GET /ws HTTP/1.1\r\nHost: x\r\n";
      for (const hostile of [
        `${head}X-A: ${"a".repeat(100_000)}\r\n\r\n`,
        `${head}X-A: ${"a".repeat(1_000_000)}`,
        `${head}${"X-A: 1\r\n".repeat(500)}\r\n`,
        `GET /${"a".repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      ]) {
        expect(await endOf(server.port, hostile)).toStartWith(`HTTP/1.1 ${tooLarge} `);
      }
      expect((await ask(server.port, "/ws")).status).toBe(426);
    });
  });

  describe("a flood", () => {
    const server = served(
      engine,
      {
        jwtSecret: secret,
        namespaces: {
          slow: { mode: "volatile", publishesPerSecond: 3 },
          hall: { mode: "volatile", presence: true, joinLeave: {} },
        },
        limits: {
          presenceGraceMs: 0,
          frameBurst: 200,
          framesPerSecond: 1,
          maxFrameBytes: 65_536,
          bytesBurst: 262_144,
          bytesPerSecond: 1024,
          maxTopicsPerConnection: 50,
          hardBufferedBytes: 4_194_304,
        },
      },
      start,
    );
    const ann = () => Peer.connect(server.port, as("ann"));

    /** How often the answers carry which code, or are no error. */
    function tally(frames: readonly { code?: unknown; type: string }[]): Record<string, number> {
      const counts: Record<string, number> = {};
      for (const { code, type } of frames) {
        const word = String(code ?? type);
        counts[word] = (counts[word] ?? 0) + 1;
      }
      return counts;
    }

    async function isServed(): Promise<void> {
      const peer = await Peer.connect(server.port, as("ben"));
      expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
      peer.raw.destroy();
    }

    test("of bytes is answered rate-limited, and closed 4003 when it goes on", async () => {
      const peer = await ann();
      const big = { type: "ping", padding: "x".repeat(65_000) };
      const answers = await peer.requests(...upTo(6).map(() => big));
      expect(tally(answers)).toEqual({ pong: 4, "rate-limited": 2 });
      expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
      peer.send(...upTo(40).map(() => big));
      expect(await peer.raw.closed()).toEqual(rateLimited);
      await isServed();
    });

    test("of subscriptions comes no further than the topics a connection may have", async () => {
      const peer = await ann();
      const answers = await peer.requests(
        ...upTo(300).map(() => ({ type: "subscribe", topic: fresh("room") })),
      );
      const counts = tally(answers);
      expect(counts.ok).toBe(48);
      expect(counts["too-many"]).toBeWithin(150, 160);
      expect(counts["rate-limited"]).toBeWithin(90, 102);
      peer.send(...upTo(300).map((id) => ({ type: "subscribe", id: id + 1_000, topic: fresh("room") })));
      expect(await peer.raw.closed()).toEqual(rateLimited);
      await isServed();
    });

    test("of publications into a namespace that limits them is answered rate-limited, and harms nothing else", async () => {
      const [peer, reader] = [await ann(), await Peer.connect(server.port, as("ben"))];
      const topic = fresh("slow");
      await reader.request({ type: "subscribe", topic });
      const publish = (data: number) => ({ type: "publish", topic, data });
      const answers = await peer.requests(...upTo(10).map(publish));
      expect(tally(answers)).toEqual({ ok: 3, "rate-limited": 7 });
      expect(answers[3]).toMatchObject({ type: "error", retryable: true });
      expect((await reader.messages(3)).map(({ data }) => data)).toEqual([1, 2, 3]);
      const elsewhere = { type: "publish", topic: fresh("game"), data: 1 };
      expect(tally(await peer.requests(...upTo(10).map(() => elsewhere)))).toEqual({ ok: 10 });
      expect(await reader.request(publish(4))).toMatchObject({ type: "ok" });
    });

    test("of WebSocket pings whose pongs are not read is cut at the limit of a socket's buffer", async () => {
      // A proxy waits five seconds for the half that is still open.
      const slow = { deadlineMs: 15_000 };
      const [ben, peer] = [
        await Peer.connect(server.port, { ...as("ben"), ...slow }),
        await Peer.connect(server.port, { ...as("ann"), ...slow }),
      ];
      const topic = fresh("hall");
      for (const each of [ben, peer]) await each.request({ type: "subscribe", topic });
      const { raw } = peer;
      raw.pause();
      const ping = encodeFrame({ opcode: opcodes.ping, payload: "x".repeat(125) });
      const many = Buffer.concat(upTo(1000).map(() => ping));
      // More than all the kernel's buffers on the way can take, of which a proxy has as many again.
      for (const _ of upTo(400)) raw.sendRaw(many);
      await isServed();
      // Not before it is cut: pongs that are read while pings still arrive would never be too many.
      expect(await ben.take("leave")).toMatchObject({ topic, userId: "ann" });
      raw.resume();
      expect((await raw.closed()).code).toBe(1006);
    });
  });
}

/** What is received on a plain connection on which this is sent, until the server ends it, within the engines' time. */
function endOf(port: number, first: string, drip = ""): Promise<string> {
  const ended = new Promise<string>((resolve) => {
    let received = "";
    const socket = connectTcp(port, "127.0.0.1", () => socket.write(first));
    const dripping = setInterval(() => drip !== "" && socket.write(drip), 500);
    const end = () => {
      clearInterval(dripping);
      socket.destroy();
      resolve(received);
    };
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
    });
    socket.on("error", end).on("close", end);
  });
  return within(handshakeMs, ended, () => `the end of a connection that sent ${first.slice(0, 80)}`);
}
