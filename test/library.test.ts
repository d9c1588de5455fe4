// The library: a node inside an application, which publishes, answers calls, decides on access and hears of connections.

import { afterEach, describe, expect, test } from "bun:test";
import {
  type Application,
  type CallContext,
  ConfigError,
  type ConnectionEvent,
  createServer,
  FanwireError,
  type Log,
  type Server,
  type ServerInput,
} from "../src/server.ts";
import { dropPeers, Peer } from "./support/peer.ts";
import { fresh } from "./support/served.ts";
import { secret, tokenFor } from "./support/token.ts";
import { within } from "./support/websocket.ts";

interface Line {
  readonly event: string;
  readonly [field: string]: unknown;
}

let servers: Server[] = [];
let lines: Line[] = [];

const write = (event: string, fields: object = {}) => void lines.push({ event, ...fields });
const log: Log = { debug: write, info: write, warn: write, error: write };

afterEach(async () => {
  dropPeers();
  await Promise.all(servers.map((server) => server.close()));
  servers = [];
  lines = [];
});

async function start(input: ServerInput = {}): Promise<Server> {
  const server = await createServer({ port: 0, log, ...input });
  servers.push(server);
  return server;
}

function connect(server: Server, userId?: string) {
  return Peer.connect(server.address.port, userId === undefined ? {} : { token: tokenFor(userId) });
}

/** A server with a subscriber on a topic of its own. */
async function withSubscriber(namespace: string, input: ServerInput = {}) {
  const server = await start(input);
  const topic = fresh(namespace);
  const peer = await connect(server);
  await peer.request({ type: "subscribe", topic });
  return { server, topic, peer };
}

async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error;
}

/** A promise that a test settles. */
function deferred<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

describe("publishing", () => {
  test("reaches subscribers and resolves to the position in a stream, to nothing elsewhere", async () => {
    const { server, topic, peer } = await withSubscriber("room");
    const position = await server.publish(topic, { text: "hello" }, { event: "said", userId: "bot" });
    expect(position).toEqual({ epoch: expect.any(String), offset: 1 });
    const [message] = await peer.messages(1);
    expect(message).toEqual({
      type: "message",
      topic,
      data: { text: "hello" },
      event: "said",
      userId: "bot",
      timestamp: expect.any(Number),
      offset: 1,
    });
    const game = fresh("game");
    await peer.request({ type: "subscribe", topic: game });
    expect(await server.publish(game, 1)).toBeUndefined();
    expect((await peer.messages(1))[0]).not.toHaveProperty("userId");
  });

  test("to everyone and to a user's devices", async () => {
    const server = await start({ jwtSecret: secret });
    const [ann, annToo, ben] = [
      await connect(server, "ann"),
      await connect(server, "ann"),
      await connect(server, "ben"),
    ];
    expect(await server.broadcast("all of you")).toMatchObject({ offset: 1 });
    expect(await server.sendToUser("ann", "you alone")).toMatchObject({ offset: 1 });
    for (const peer of [ann, annToo]) {
      expect((await peer.messages(2)).map(({ data }) => data)).toEqual(["all of you", "you alone"]);
    }
    expect((await ben.settled()).map(({ data }) => data)).toEqual(["all of you"]);
  });

  test("under an idempotency key happens once", async () => {
    const { server, topic, peer } = await withSubscriber("room");
    const key = { idempotencyKey: "order-7" };
    const positions = await Promise.all([server.publish(topic, 1, key), server.publish(topic, 2, key)]);
    expect(positions[1]).toEqual(positions[0]!);
    expect((await peer.settled()).map(({ data }) => data)).toEqual([1]);
  });

  test("copies the data: what the application does to it later changes no history", async () => {
    const { server, topic, peer } = await withSubscriber("room");
    const data = { list: [1, { deep: true }], gone: undefined };
    await server.publish(topic, data);
    data.list.push(2);
    Object.assign(data.list[1]!, { deep: false });
    const { publications } = await peer.request({ type: "history", topic });
    expect(publications).toMatchObject([{ data: { list: [1, { deep: true }] } }]);
    expect((publications![0]!.data as { list: unknown[] }).list).toHaveLength(2);
  });

  test("refuses what is not data, no topic, or not the topic's to have", async () => {
    const server = await start();
    const loop: unknown[] = [];
    loop.push(loop);
    const bad = [undefined, () => 1, Symbol("s"), 10n, Number.NaN, new Date(), new Map(), Buffer.of(1), loop];
    for (const data of bad)
      expect(await rejection(server.publish("room:1", data))).toHaveProperty("code", "bad-data");
    const refused: [Promise<unknown>, string][] = [
      [server.publish("room", 1), "bad-topic"],
      [server.publish("room:a b", 1), "bad-topic"],
      [server.publish("nowhere:1", 1), "unknown-namespace"],
      [server.publish("game:1", 1, { idempotencyKey: "k" }), "mode-mismatch"],
      [server.sendToUser("a b", 1), "bad-topic"],
    ];
    for (const [publishing, code] of refused) {
      const error = await rejection(publishing);
      expect(error).toBeInstanceOf(FanwireError);
      expect(error.code).toBe(code);
    }
  });
});

describe("a call", () => {
  /** What `calls` answers to a call of `name`. */
  async function call(calls: NonNullable<Application["calls"]>, data?: unknown, method = "it") {
    const server = await start({ calls, limits: { callTimeoutMs: 100 } });
    const peer = await connect(server);
    return { peer, answer: await peer.request({ type: "call", method, data }) };
  }

  test("is answered with what its handler returns, at once or later", async () => {
    const results: [unknown, unknown][] = [
      [{ sum: 3 }, { sum: 3 }],
      [null, null],
      [undefined, null],
      [Promise.resolve([1, 2]), [1, 2]],
    ];
    for (const [result, data] of results) {
      expect((await call({ it: () => result })).answer).toEqual({ type: "ok", id: 1, data });
    }
    expect((await call({ it: (data) => data }, { x: 1 })).answer).toMatchObject({ data: { x: 1 } });
  });

  test("tells its handler who calls", async () => {
    let seen: CallContext | undefined;
    const server = await start({
      jwtSecret: secret,
      calls: {
        "chat:send": (_, context) => {
          seen = context;
        },
      },
    });
    const token = tokenFor("ann", { fanwire: { info: { name: "Ann" } } });
    const peer = await Peer.connect(server.address.port, { token });
    expect(await peer.request({ type: "call", method: "chat:send" })).toMatchObject({ type: "ok" });
    const { sessionId } = peer.connected;
    expect(seen).toMatchObject({ userId: "ann", sessionId, info: { name: "Ann" } });
  });

  test("passes a FanwireError on, and hides anything else but logs it", async () => {
    const refused = await call({
      it: () => {
        throw new FanwireError("forbidden", "Not on Sundays.");
      },
    });
    const passed = { type: "error", id: 1, code: "forbidden", message: "Not on Sundays.", retryable: false };
    expect(refused.answer).toEqual(passed);
    expect(lines.map(({ event }) => event)).not.toContain("call-failed");

    const failure = new Error("the password is hunter2");
    for (const it of [() => Promise.reject(failure), () => () => 1]) {
      lines = [];
      const { answer } = await call({ it });
      expect(answer).toMatchObject({ type: "error", code: "call-failed", retryable: false });
      expect(JSON.stringify(answer)).not.toContain("hunter2");
      expect(lines.filter(({ event }) => event === "call-failed")).toMatchObject([{ method: "it" }]);
    }
  });

  test("of a name nobody handles is unknown, also where objects have one", async () => {
    for (const method of ["other", "constructor", "__proto__", "toString"]) {
      expect((await call({ it: () => 1 }, 1, method)).answer).toMatchObject({ code: "unknown-method" });
    }
  });

  test("that hangs is answered timeout, and its signal aborts", async () => {
    const aborted = deferred<boolean>();
    const { answer, peer } = await call({
      it: (_, { signal }) => {
        signal.addEventListener("abort", () => aborted.resolve(true));
        return new Promise(() => undefined);
      },
    });
    expect(answer).toMatchObject({ type: "error", code: "timeout", retryable: true });
    expect(await aborted.promise).toBe(true);
    expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
  });

  test("is aborted when its connection ends", async () => {
    const [called, aborted] = [deferred<void>(), deferred<boolean>()];
    const server = await start({
      calls: {
        it: (_, { signal }) => {
          signal.addEventListener("abort", () => aborted.resolve(true));
          called.resolve();
          return new Promise(() => undefined);
        },
      },
    });
    const peer = await connect(server);
    peer.send({ type: "call", id: 1, method: "it" });
    await called.promise;
    peer.raw.destroy();
    // Long before the deadline of a call.
    expect(await within(2_000, aborted.promise, () => "the abort")).toBe(true);
  });

  test("does not hold up other frames", async () => {
    const server = await start({ calls: { it: () => new Promise(() => undefined) } });
    const peer = await connect(server);
    peer.send({ type: "call", id: 100, method: "it" });
    expect(await peer.request({ type: "subscribe", topic: fresh("room") })).toMatchObject({ type: "ok" });
  });
});

describe("authorize", () => {
  type Verdict = ReturnType<NonNullable<Application["authorize"]>>;

  /** What a guest who is granted nothing gets for a subscription and a publication. */
  async function decide(verdict: () => Verdict, fanwire: object = {}) {
    const server = await start({ jwtSecret: secret, authorize: verdict, limits: { callTimeoutMs: 100 } });
    const peer = await Peer.connect(server.address.port, { token: tokenFor("ann", { fanwire }) });
    const topic = fresh("room");
    const answers = await peer.requests({ type: "subscribe", topic }, { type: "publish", topic, data: 1 });
    return answers.map(({ type, code }) => code ?? type);
  }

  test("allows with true, forbids with false, and leaves it to the grants with undefined", async () => {
    const all = { subscribe: ["*"], publish: ["*"] };
    expect(await decide(() => true)).toEqual(["ok", "ok"]);
    expect(await decide(() => false, all)).toEqual(["forbidden", "forbidden"]);
    expect(await decide(() => undefined)).toEqual(["forbidden", "forbidden"]);
    expect(await decide(() => undefined, all)).toEqual(["ok", "ok"]);
    expect(await decide(async () => true)).toEqual(["ok", "ok"]);
    expect(await decide(async () => false, all)).toEqual(["forbidden", "forbidden"]);
    expect(await decide(async () => undefined, all)).toEqual(["ok", "ok"]);
  });

  test("that hangs is a timeout, and one that throws a fault of the server's that is logged", async () => {
    expect(await decide(() => new Promise(() => undefined))).toEqual(["timeout", "timeout"]);
    const failure = new Error("the database is away");
    const throwing = () => {
      throw failure;
    };
    expect(await decide(throwing)).toEqual(["internal", "internal"]);
    expect(await decide(() => Promise.reject(failure))).toEqual(["internal", "internal"]);
    const logged = lines.filter(({ error }) => error === failure);
    expect(logged).toHaveLength(4);
    const refusing = () => Promise.reject(new FanwireError("unavailable", "Later."));
    expect(await decide(refusing)).toEqual(["unavailable", "unavailable"]);
  });

  test("is asked who wants what, and never about another user's topic", async () => {
    const asked: unknown[] = [];
    const server = await start({
      authorize: (request) => {
        asked.push(request);
        return true;
      },
    });
    const peer = await connect(server);
    const { userId } = peer.connected;
    const topic = fresh("room");
    await peer.request({ type: "subscribe", topic });
    await peer.request({ type: "publish", topic, data: 1 });
    expect(asked).toMatchObject([
      { action: "subscribe", topic, userId },
      { action: "publish", topic, userId },
    ]);
    expect(await peer.request({ type: "subscribe", topic: "user:ann" })).toMatchObject({ code: "forbidden" });
    expect(asked).toHaveLength(2);
  });

  test("that takes its time keeps the order of effects within a topic", async () => {
    const server = await start({
      authorize: async ({ action }) => {
        if (action === "subscribe") await new Promise((resolve) => setTimeout(resolve, 30));
        return true;
      },
    });
    const peer = await connect(server);
    const topic = fresh("room");
    await peer.requests(
      { type: "publish", topic, data: "before" },
      { type: "subscribe", topic },
      { type: "publish", topic, data: "within" },
      { type: "unsubscribe", topic },
      { type: "publish", topic, data: "after" },
    );
    expect((await peer.settled()).map(({ data }) => data)).toEqual(["within"]);
  });
});

describe("hooks", () => {
  test("hear of each connection's beginning and end", async () => {
    const [began, ended] = [deferred<ConnectionEvent>(), deferred<object>()];
    const server = await start({ onConnect: began.resolve, onDisconnect: ended.resolve });
    const peer = await connect(server);
    const { userId, sessionId } = peer.connected as Record<string, unknown>;
    expect(await began.promise).toEqual({ userId, sessionId } as unknown as ConnectionEvent);
    peer.raw.close(1000);
    expect(await ended.promise).toEqual({ userId, sessionId, code: 1000 });
  });

  test("may greet: what they publish comes after `connected`", async () => {
    const server: Server = await start({
      onConnect: ({ userId }) => server.sendToUser(userId, "welcome"),
    });
    const peer = await connect(server);
    expect(peer.connected.type).toBe("connected");
    expect(await peer.messages(1)).toMatchObject([{ data: "welcome", offset: 1 }]);
  });

  test("are not told of those who were never let in", async () => {
    const events: string[] = [];
    const server = await start({
      jwtSecret: secret,
      onConnect: () => events.push("connect"),
      onDisconnect: () => events.push("disconnect"),
    });
    const peer = await Peer.open(server.address.port);
    expect(await peer.raw.closed()).toMatchObject({ code: 1008 });
    await connect(server, "ann");
    expect(events).toEqual(["connect"]);
  });

  test("that fail harm nothing and are logged, whether they throw or reject", async () => {
    const failure = new Error("the hook's own");
    const throwing = () => {
      throw failure;
    };
    const rejecting = () => Promise.reject(failure);
    for (const hook of [throwing, rejecting]) {
      lines = [];
      const server = await start({ onConnect: hook, onDisconnect: hook });
      const peer = await connect(server);
      expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
      peer.raw.close();
      await server.close();
      const failed = lines.filter(({ event }) => event === "hook-failed");
      expect(failed).toEqual([
        { event: "hook-failed", hook: "onConnect", error: failure },
        { event: "hook-failed", hook: "onDisconnect", error: failure },
      ]);
    }
  });
});

describe("a server", () => {
  test("shares nothing with another one in the same process", async () => {
    const [one, two] = [await start(), await start()];
    expect(one.address.port).not.toBe(two.address.port);
    const topic = fresh("room");
    const [here, there] = [await connect(one), await connect(two)];
    for (const peer of [here, there]) await peer.request({ type: "subscribe", topic });
    await one.publish(topic, "here");
    expect((await here.settled()).map(({ data }) => data)).toEqual(["here"]);
    expect(await there.settled()).toEqual([]);
    await one.close();
    expect(await there.request({ type: "ping" })).toMatchObject({ type: "pong" });
  });

  test("closes once however often it is asked, sends its clients away, and frees its port", async () => {
    const server = await start();
    const peer = await connect(server);
    const ends = [server.close(), server.close()];
    expect(await peer.take("closing")).toMatchObject({ code: 1012 });
    expect(await peer.raw.closed()).toEqual({ code: 1012, reason: "draining" });
    expect((await rejection(server.publish("room:1", 1))).code).toBe("draining");
    await Promise.all(ends);
    await server.close();
    expect(lines.filter(({ event }) => event === "closed")).toHaveLength(1);
    const next = await start({ port: server.address.port });
    expect(next.address.port).toBe(server.address.port);
  });

  test("does not start on a port that is taken, and says so by the system's code", async () => {
    const { port } = (await start()).address;
    expect(await rejection(createServer({ port, log }))).toHaveProperty("code", "EADDRINUSE");
  });

  test("does not start with options that cannot be used, and says which", async () => {
    const inputs: [object, string][] = [
      [{ port: -1 }, "port"],
      [{ prot: 9001 }, "prot"],
      [{ limits: { maxConnections: 0 } }, "limits.maxConnections"],
      [{ namespaces: { chat: {} } }, "namespaces.chat.mode"],
      [{ host: "0.0.0.0" }, "host"],
    ];
    for (const [input, name] of inputs) {
      const error = await rejection(createServer({ port: 0, log, ...input } as ServerInput));
      expect(error).toBeInstanceOf(ConfigError);
      expect(error.message).toStartWith(`${name} `);
    }
    expect(lines).toEqual([]);
  });
});
