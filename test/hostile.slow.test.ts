// Thousands of hostile frames, handshakes, API requests and tokens against a running node of each engine: the documented code each time,
// nobody else is held up, and the process lives. HOSTILE_SEED=<number> plays a run again.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect as connectTcp, type Socket } from "node:net";
import { apiKey } from "./support/api-client.ts";
import { apiCase } from "./support/hostile-api.ts";
import { askApi, hostileBodyBytes } from "./support/hostile-api-case.ts";
import { ask, handshakeCase } from "./support/hostile-handshakes.ts";
import { jsonCase } from "./support/hostile-json.ts";
import { msgpackCase } from "./support/hostile-msgpack.ts";
import { exchange, Target } from "./support/hostile-target.ts";
import { makeTokens, type TokenCase, tokenCase } from "./support/hostile-tokens.ts";
import { type Violation, violations } from "./support/hostile-violations.ts";
import { Peer } from "./support/peer.ts";
import { Random } from "./support/random.ts";
import { secret, tokenFor } from "./support/token.ts";
import { connect, encodeFrame, opcodes, within } from "./support/websocket.ts";

const seed = Number(process.env.HOSTILE_SEED ?? Date.now() % 2 ** 32);
console.log(`HOSTILE_SEED=${seed}`);

setDefaultTimeout(90_000);
const counts = { json: 4000, msgpack: 4000, handshakes: 600, tokens: 800, api: 3000 } as const;
const framesPerConnection = 40;
const connectionsAtOnce = 4;
const maxTopics = 50;
const longestStallMs = 3000;
const mostGrowthMb = 250;

const options = {
  jwtSecret: secret,
  logLevel: "debug",
  allowedOrigins: ["https://app.example"],
  apiKeys: [apiKey],
  limits: { maxTopicsPerConnection: maxTopics, maxBodyBytes: hostileBodyBytes },
  namespaces: {
    small: { mode: "stream", maxPublishBytes: 256 },
    closed: { mode: "stream", subscribe: "none", publish: "none" },
    club: { mode: "volatile", subscribe: "members", publish: "members" },
  },
} as const;

describe.each(["bun", "uws"] as const)("a node on %s", (engine) => {
  let target: Target;
  let development: Target;
  let silent: Socket[] = [];
  const tokensSent = new Set<string>();
  const port = () => target.server.port;

  beforeAll(async () => {
    target = await Target.start(engine, options, tokenFor("witness"));
    development = await Target.start(engine, { allowedOrigins: options.allowedOrigins });
    silent = openSilent(port());
  });
  afterAll(async () => {
    for (const socket of silent) socket.destroy();
    await target?.server.kill();
    await development?.server.kill();
  });

  test.each(["json", "msgpack"] as const)(
    "answers each frame of %s with the documented code",
    async (format) => {
      const makeCase = format === "json" ? jsonCase : msgpackCase;
      const batches = Array.from({ length: counts[format] / framesPerConnection }, (_, at) => at);
      const faults = await together(batches, (batch) => {
        // Made when their turn comes, from a seed of their own, so that the witnesses are not held up by the making.
        const random = new Random(seed + batch);
        const cases = Array.from({ length: framesPerConnection }, (_, at) => {
          return makeCase(random, 1000 + at, `${format}-${batch}-${at}`);
        });
        return exchange(port(), format, cases);
      });
      expect(faults).toEqual([]);
    },
  );

  test("ends a connection that breaks WebSocket's own rules, and no other", async () => {
    const faults = await together(violations(new Random(seed)), (violation) => violate(port(), violation));
    expect(faults).toEqual([]);
  });

  test("answers each handshake with the documented status", async () => {
    const random = new Random(seed);
    const faults: string[] = [];
    for (const [at, { server }] of [target, development].entries()) {
      const where = { port: server.port, isDevelopment: at === 1 };
      const cases = Array.from({ length: counts.handshakes / 2 }, () => handshakeCase(random, where));
      faults.push(
        ...(await together(cases, async (request) => {
          const status = await ask(where.port, request);
          return request.statuses.includes(status)
            ? []
            : [`${request.what} → ${status}, not ${request.statuses}`];
        })),
      );
    }
    expect(faults).toEqual([]);
  });

  test("answers each request to the API with the documented status and code", async () => {
    const cases = Array.from({ length: counts.api }, (_, at) => at);
    const faults = await together(cases, (at) => askApi(port(), apiCase(new Random(seed + at), `api-${at}`)));
    expect(faults).toEqual([]);
  });

  test("lets in good tokens and closes with 1008 unauthorized upon all others", async () => {
    const random = new Random(seed);
    const stock = await makeTokens();
    const cases = Array.from({ length: counts.tokens }, () => tokenCase(random, stock, port()));
    for (const { tokens } of cases) for (const token of tokens) tokensSent.add(token);
    expect(await together(cases, (one) => present(port(), one))).toEqual([]);
  });

  test("answers rate-limited above the burst, and closes with 4003 when that does not help", async () => {
    const client = await connect(port(), { ...socketOf("json"), deadlineMs: 20_000 });
    await client.next();
    const pings = Array.from({ length: 4000 }, (_, at) => text({ type: "ping", id: at + 1 }));
    client.sendRaw(Buffer.concat(pings));
    const { messages, closing } = await client.rest();
    expect(closing).toEqual({ code: 4003, reason: "rate-limited" });
    const outcomes = messages.map((message) => JSON.parse(String(message)));
    expect(outcomes.slice(0, 1000).every(({ type }) => type === "pong")).toBe(true);
    const refused = outcomes.filter(({ code }) => code === "rate-limited");
    expect(refused.length).toBeGreaterThanOrEqual(1000);
    expect(refused[0]).toMatchObject({ type: "error", id: expect.any(Number), retryable: true });
  });

  test("closes with 4004 when bad frames do not end", async () => {
    const client = await connect(port(), { ...socketOf("json"), deadlineMs: 20_000 });
    await client.next();
    client.sendRaw(
      Buffer.concat(Array.from({ length: 200 }, (_, at) => text(at % 2 ? { type: "x" } : [at]))),
    );
    const { messages, closing } = await client.rest();
    expect(closing).toEqual({ code: 4004, reason: "protocol-error" });
    // A burst of 100, and one more for each second that passed.
    expect(messages.length).toBeGreaterThan(100);
    expect(messages.length).toBeLessThan(130);
  });

  test("answers too-many above the topics a connection may have", async () => {
    const peer = await Peer.connect(port(), { token: tokenFor("ann"), query: "join=none" });
    const frames = Array.from({ length: maxTopics + 10 }, (_, at) => ({
      type: "subscribe",
      topic: `game:${at}`,
    }));
    const answers = await peer.requests(...frames);
    expect(answers.slice(0, maxTopics).every(({ type }) => type === "ok")).toBe(true);
    expect(answers.slice(maxTopics).every(({ code }) => code === "too-many")).toBe(true);
    // What is joined already can be joined again, and a place that becomes free can be taken.
    expect(await peer.request({ type: "subscribe", topic: "game:0" })).toMatchObject({ type: "ok" });
    expect(await peer.request({ type: "unsubscribe", topic: "game:0" })).toMatchObject({ type: "ok" });
    expect(await peer.request({ type: "subscribe", topic: "game:one-more" })).toMatchObject({ type: "ok" });
    peer.raw.destroy();
  });

  test("does nothing for frames that come before a bad token is found out", async () => {
    const bytes = Buffer.concat(Array.from({ length: 50 }, () => text(publishing("unauthorized"))));
    const path = `/ws?token=${tokenFor("mallory", {}, `${secret}!`)}`;
    // All at once, so that there is a queue of tokens to verify. uWebSockets.js throws away what comes with the handshake,
    // so there the frames that come right behind it have to meet the queue.
    const ends = Array.from({ length: 300 }, async () => {
      const client = await connect(port(), { path, early: bytes });
      client.sendRaw(bytes);
      return client.rest();
    });
    for (const { messages, closing } of await Promise.all(ends)) {
      expect(closing).toEqual({ code: 1008, reason: "unauthorized" });
      expect(messages).toEqual([]);
    }
  });

  test("closes with 4003 upon thousands of frames right after the handshake", async () => {
    const client = await connect(port(), { ...socketOf("json"), deadlineMs: 20_000 });
    client.sendRaw(Buffer.concat(Array.from({ length: 4000 }, () => text({ type: "ping" }))));
    expect((await client.rest()).closing.code).toBe(4003);
  });

  test("keeps little for a client that asks for much and reads nothing, and ends it with 4002", async () => {
    const writer = await Peer.connect(port(), { token: tokenFor("ann") });
    const data = "x".repeat(2000);
    await writer.requests(
      ...Array.from({ length: 200 }, () => ({ type: "publish", topic: "room:big", data })),
    );
    const before = target.rss;
    const client = await connect(port(), { ...socketOf("json"), deadlineMs: 20_000 });
    await client.next();
    client.pause();
    const ask = text({ type: "history", id: 1, topic: "room:big", limit: 1000 });
    client.sendRaw(Buffer.concat(Array(2500).fill(ask)));
    // The server has dealt with them once it has answered somebody who came later.
    for (let round = 0; round < 20; round++) await writer.request({ type: "ping" });
    expect(target.rss - before).toBeLessThan(150);
    client.resume();
    const { messages, closing } = await client.rest();
    expect(closing).toEqual({ code: 4002, reason: "slow-consumer" });
    console.log(`${engine}: ${messages.length} of 2,500 large answers before the end`);
    writer.raw.destroy();
  });

  test("has held up nobody, lost nothing, grown little, logged no token, and still runs", async () => {
    const [json, msgpack] = (await target.witness.stop()) as [readonly unknown[], readonly unknown[]];
    await development.witness.stop();
    for (const { server, witness, rssBefore, rss } of [target, development]) {
      const stall = `${Math.round(witness.longestMs)} ms at most in ${witness.steps} steps of the witness`;
      console.log(`${engine}: ${stall}, ${rssBefore} MB before and ${rss} MB after`);
      expect(server.isRunning).toBe(true);
      expect(witness.longestMs).toBeLessThan(longestStallMs);
      expect(rss - rssBefore).toBeLessThan(mostGrowthMb);
      expect(server.said.filter((line) => !line.startsWith('{"level":"info"'))).toEqual([]);
    }
    expect(target.witness.steps).toBeGreaterThan(20);
    expectWhole(json);
    expectWhole(msgpack);
    expect(msgpack.length).toBe(json.length);
    const log = target.server.said.join("\n");
    expect(log).toContain('"event":"listening"');
    expect([...tokensSent].filter((token) => token.length > 12 && log.includes(token))).toEqual([]);
    expect(log).not.toContain(secret);
  });

  test("cuts whoever never ends a request", async () => {
    const ends = silent.map((socket) => within(30_000, closedOf(socket), () => "the end of a half request"));
    await Promise.all(ends);
  });
});

/** Runs the work for all items, a few at a time, and collects what it finds fault with: the first ones of many. */
async function together<T>(items: readonly T[], work: (item: T) => Promise<string[]>): Promise<string[]> {
  const faults: string[] = [];
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) faults.push(...(await work(item)));
  };
  await Promise.all(Array.from({ length: connectionsAtOnce }, worker));
  return faults.slice(0, 20);
}

function socketOf(format: "json" | "msgpack") {
  const headers = [["Authorization", `Bearer ${tokenFor("ann")}`]] as const;
  return { path: "/ws?join=none", protocols: [`fanwire.v1.${format}`], headers };
}

function text(value: unknown): Buffer {
  return encodeFrame({ opcode: opcodes.text, payload: JSON.stringify(value) });
}

function publishing(data: unknown) {
  return { type: "publish", topic: "room:hostile", data };
}

async function violate(port: number, { what, bytes, codes }: Violation): Promise<string[]> {
  const client = await connect(port, socketOf("json"));
  try {
    await client.next();
    client.sendRaw(bytes);
    const { messages, closing } = await client.rest();
    const isRight = codes.includes(closing.code) && messages.length === 0;
    return isRight ? [] : [`${what} → ${closing.code} ${closing.reason} after ${messages}`];
  } catch (failure) {
    return [`${what} → ${failure}`];
  } finally {
    client.destroy();
  }
}

/** Connects with a token as the case says; the handshake succeeds either way. */
async function present(port: number, { what, options, isLetIn }: TokenCase): Promise<string[]> {
  const client = await connect(port, options);
  try {
    if (isLetIn) {
      const { type } = await client.nextJson();
      return type === "connected" ? [] : [`${what} → ${type}`];
    }
    const { messages, closing } = await client.rest();
    const isRight = closing.code === 1008 && closing.reason === "unauthorized" && messages.length === 0;
    return isRight ? [] : [`${what} → ${closing.code} ${closing.reason} after ${messages}`];
  } catch (failure) {
    return [`${what} → ${failure}`];
  } finally {
    client.destroy();
  }
}

/** Every publication to `room:hostile` came, once and in order, and none of those that had to be refused. */
function expectWhole(frames: readonly unknown[]): void {
  const offsets = (frames as { offset?: number }[]).map(({ offset }) => offset);
  expect(frames.length).toBeGreaterThan(100);
  expect(offsets).toEqual(frames.map((_, at) => at + 1));
  expect(JSON.stringify(frames)).not.toContain('"data":"unauthorized"');
}

/** Connections on which a request begins and goes no further. */
function openSilent(port: number): Socket[] {
  const beginnings = [
    "",
    "G",
    "GET /ws HTTP/1.1\r\nHost: 127",
    "POST /health HTTP/1.1\r\nHost: a\r\nContent-Le",
  ];
  return beginnings.map((bytes) => {
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", () => undefined).resume();
    socket.write(bytes);
    return socket;
  });
}

function closedOf(socket: Socket): Promise<void> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => socket.once("close", () => resolve()));
}
