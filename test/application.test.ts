// What an application brings along: calls, its own say in access, hooks on connections.

import { describe, expect, test } from "bun:test";
import {
  type Application,
  type CallContext,
  type ConnectionEvent,
  FanwireError,
  type Server,
} from "../src/server.ts";
import { connect, deferred, endServersAfterEach, lines, start } from "./support/in-process.ts";
import { Peer } from "./support/peer.ts";
import { fresh } from "./support/served.ts";
import { secret, tokenFor } from "./support/token.ts";
import { within } from "./support/websocket.ts";

endServersAfterEach();

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
      lines.length = 0;
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
      lines.length = 0;
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
