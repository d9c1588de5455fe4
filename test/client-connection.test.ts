// How the client keeps its connection: pauses, close codes, tokens, silence, sleep. In virtual time, with sockets the test holds.

import { describe, expect, test } from "bun:test";
import { seededRandom } from "../bench/measure/stats.ts";
import { comebackMs, pauseMs } from "../src/client/backoff.ts";
import { comebackAfter } from "../src/client/close-codes.ts";
import { closeRules } from "../src/errors.ts";
import { Stage } from "./support/client-stage.ts";

/** As in a browser, when the network is back. */
const foundNetwork = () => (globalThis as unknown as EventTarget).dispatchEvent(new Event("online"));

const pauseOf = ({ state }: Stage) => (state.state === "waiting" ? state.retryInMs : undefined);

describe("backing off", () => {
  test("is full jitter: an early first try, then a bound that grows up to 30 s", () => {
    const bounds = [0, 1, 2, 3, 16, 17, 100].map((failures) => comebackMs(failures, () => 1));
    expect(bounds).toEqual([100, 140, 196, 274, 21_780, 30_000, 30_000]);
    expect(comebackMs(3, () => 0)).toBe(0);
    expect(comebackMs(3, () => 0.5)).toBe(137);
  });

  test("doubles a longer pause where the server asked for patience", () => {
    const bounds = [1, 2, 3, 4, 5, 6, 100].map((refusals) => pauseMs(refusals, () => 1));
    expect(bounds).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(pauseMs(3, () => 0.25)).toBe(1_000);
  });

  test("after an outage of up to 2 s, 99 % of what is published arrives less than a second after its end", () => {
    const random = seededRandom(1);
    const everyMs = 15_000;
    const cuts = 20_000;
    let lateMs = 0;
    for (let cut = 0; cut < cuts; cut += 1) {
      const awayMs = random() * 2_000;
      let backMs = 0;
      for (let failures = 0; failures === 0 || backMs < awayMs; failures += 1) {
        backMs += comebackMs(failures, random);
      }
      // What was published in the outage is late by all of the rest, and what came after its end by less.
      if (backMs - awayMs > 1_000) lateMs += backMs - 1_000;
    }
    expect(lateMs / (cuts * everyMs)).toBeLessThan(0.01);
  });

  test("goes on until a connection was stable, and begins anew after one that was", async () => {
    const stage = new Stage();
    const pauses: unknown[] = [];
    for (let i = 0; i < 3; i += 1) {
      stage.socket.end(1006);
      pauses.push(pauseOf(stage));
      await stage.clock.advance(pauseOf(stage)!);
    }
    stage.welcome();
    await stage.clock.advance(4_000);
    stage.socket.end(1006);
    pauses.push(pauseOf(stage));
    await stage.back();
    await stage.clock.advance(5_000);
    stage.socket.end(1006);
    pauses.push(pauseOf(stage));
    expect(pauses).toEqual([100, 140, 196, 274, 100]);
  });

  test("ends at once when the application asks for a connection, and does not count that as a new start", async () => {
    const stage = new Stage();
    for (let i = 0; i < 4; i += 1) {
      stage.socket.end(1006);
      stage.client.connect();
    }
    expect(stage.sockets).toHaveLength(5);
    stage.socket.end(1006);
    expect(pauseOf(stage)).toBe(384);
  });

  test("does not wait for a close event where a connection did not come about: Node.js 22 has none", async () => {
    const stage = new Stage();
    stage.socket.fail();
    expect(stage.state).toMatchObject({ state: "waiting", code: 1006, reason: "" });
    await stage.back();
    // Of a connection that there was, the close event says more.
    stage.socket.fail();
    expect(stage.state.state).toBe("connected");
    stage.socket.end(4000, "disconnected");
    expect(stage.state).toEqual({ state: "closed", code: 4000, reason: "disconnected" });
  });

  test("follows a server that never greets", async () => {
    const stage = new Stage({ connectTimeoutMs: 3_000 });
    await stage.clock.advance(2_999);
    expect(stage.state.state).toBe("connecting");
    await stage.clock.advance(1);
    expect(stage.state).toMatchObject({ state: "waiting", code: 1006, reason: "connect-timeout" });
    expect(stage.sockets[0]!.closed).toBeDefined();
  });
});

describe("close codes", () => {
  /** Connected for long enough, and then closed. */
  async function closedWith(code: number, reason: string, token?: () => string): Promise<Stage> {
    const stage = new Stage(token && { token });
    await stage.clock.advance(0);
    stage.welcome();
    await stage.clock.advance(6_000);
    stage.socket.end(code, reason);
    return stage;
  }

  test.each([
    ["heartbeat-timeout", 100],
    ["slow-consumer", 100],
    ["too-large", 100],
    ["overloaded", 1_000],
    ["rate-limited", 1_000],
    ["draining", 2_500],
    ["unauthorized", 100],
    ["token-expired", 100],
    ["disconnected", undefined],
    ["protocol-error", undefined],
  ] as const)("after `%s` the client pauses for at most %p ms, or stays away", async (reason, pause) => {
    const stage = await closedWith(closeRules[reason].code, reason, () => "a.b.c");
    expect(pauseOf(stage)).toBe(pause);
    if (pause !== undefined) return;
    expect(stage.state).toEqual({ state: "closed", code: closeRules[reason].code, reason });
    await stage.clock.advance(600_000);
    expect(stage.sockets).toHaveLength(1);
  });

  test("each one the server has is decided upon as its rule says", () => {
    const words: Record<string, string> = {
      early: "Comes back at once.",
      announced: "Comes back within the announced time, spread.",
      "back-off": "Backs off.",
      "new-token": "Gets a new token, comes back.",
      "new-token-once": "Gets a new token, comes back once, then stays away.",
      never: "Stays away.",
    };
    // What is in these sentences besides is done elsewhere: a frame is not repeated, a position is sent.
    const inShort = (client: string) =>
      client.replace(" without", " at once without").replace(/ (without|and recovers).*/, ".");
    for (const { code, client } of Object.values(closeRules)) {
      expect([code, words[comebackAfter(code)]]).toEqual([code, inShort(client)]);
    }
    expect([1000, 1001, 1002, 1015, 3000].map(comebackAfter)).toEqual(Array(5).fill("back-off"));
    expect([comebackAfter(1006), comebackAfter(1011)]).toEqual(["early", "early"]);
  });

  test("a node that drains says within what time to come back, however it then ends the connection", async () => {
    for (const code of [1012, 1006]) {
      const stage = new Stage();
      stage.welcome();
      await stage.clock.advance(6_000);
      stage.chance = 0.5;
      stage.socket.tell({ type: "closing", code: 1012, retryAfterMs: 7_000 });
      stage.socket.end(code);
      expect(pauseOf(stage)).toBe(3_500);
    }
  });

  test("a refused token is asked for anew, once; a second refusal closes the client", async () => {
    const reasons: string[] = [];
    const stage = new Stage({ token: (reason) => `${reasons.push(reason)}.b.c` });
    await stage.clock.advance(0);
    expect(stage.socket.protocols).toEqual(["fanwire.v1.json", "bearer.1.b.c"]);
    stage.socket.end(1008, "unauthorized");
    await stage.clock.advance(100);
    expect(stage.socket.protocols[1]).toBe("bearer.2.b.c");
    stage.socket.end(1008, "unauthorized");
    expect(stage.state).toEqual({ state: "closed", code: 1008, reason: "unauthorized" });
    expect(reasons).toEqual(["connect", "refused"]);
  });

  test("a connection that came about forgives the refusal before it", async () => {
    const stage = new Stage({ token: () => "a.b.c" });
    for (let i = 0; i < 3; i += 1) {
      await stage.clock.advance(0);
      stage.socket.end(1008, "unauthorized");
      await stage.back();
      stage.socket.end(1006);
      await stage.clock.advance(pauseOf(stage)!);
    }
    expect(stage.state.state).toBe("connecting");
  });

  test.each([1008, 4001])("without a way to another token %p closes the client", async (code) => {
    const stage = new Stage({ token: "a.b.c" });
    stage.welcome();
    stage.socket.end(code, "unauthorized");
    expect(stage.state).toMatchObject({ state: "closed", code });
  });
});

describe("tokens", () => {
  const minutes = 60_000;

  test("are renewed before they expire, by the server's clock, and again after that", async () => {
    const heartbeatMs = 3_600_000;
    const stage = new Stage({ heartbeatMs, token: (reason) => `${reason}.b.c` });
    stage.chance = 0;
    await stage.clock.advance(0);
    const serverNow = stage.clock.now() + 1_000_000; // Our clock is slow.
    stage.welcome({ heartbeatMs, timestamp: serverNow, expiresAt: serverNow + 10 * minutes });
    await stage.clock.advance(9 * minutes - 1);
    expect(stage.framesOf("refresh")).toEqual([]);
    await stage.clock.advance(1);
    expect(stage.framesOf("refresh")).toMatchObject([{ token: "refresh.b.c" }]);
    stage.answer("refresh", { expiresAt: serverNow + 20 * minutes });
    await stage.clock.advance(10 * minutes - 1);
    expect(stage.framesOf("refresh")).toHaveLength(1);
    await stage.clock.advance(1);
    expect(stage.framesOf("refresh")).toHaveLength(2);
  });

  test("that cannot be renewed are tried again, and the application hears why", async () => {
    let failures = 2;
    const stage = new Stage({
      heartbeatMs: 3_600_000,
      token: (reason) => {
        if (reason === "refresh" && failures-- > 0) throw new Error("the issuer is away");
        return "a.b.c";
      },
    });
    await stage.clock.advance(0);
    stage.welcome({ heartbeatMs: 3_600_000, expiresAt: stage.clock.now() + 10 * minutes });
    await stage.clock.advance(9.5 * minutes + 3_000);
    expect(stage.errors.map(({ message }) => message)).toEqual(["the issuer is away", "the issuer is away"]);
    expect(stage.framesOf("refresh")).toHaveLength(1);
    stage.refuse("refresh", "unauthorized");
    await stage.clock.advance(8_000);
    expect(stage.framesOf("refresh")).toHaveLength(2);
  });

  test("that are there for a moment only do not keep the client busy", async () => {
    const stage = new Stage({ token: () => "a.b.c" });
    await stage.clock.advance(0);
    const { socket } = stage;
    const renewed = () => ({ expiresAt: stage.clock.now() + 5 });
    socket.served = (frame) => {
      stage.sent.push(frame as never);
      stage.clock.defer(() => stage.answer("refresh", renewed()));
    };
    stage.welcome(renewed());
    await stage.clock.advance(5_500);
    expect(stage.framesOf("refresh").length).toBe(5);
  });

  test("that grant a topic no more make the client ask once whether that is so", async () => {
    const stage = new Stage({ token: () => "a.b.c" });
    const codes: string[] = [];
    await stage.clock.advance(0);
    const subscription = stage.client.subscribe("room:1", {
      onMessage: () => undefined,
      onError: ({ code }) => codes.push(code),
    });
    stage.welcome({ expiresAt: stage.clock.now() + 3_000 });
    stage.answer("subscribe", { topic: "room:1", mode: "volatile" });
    await stage.clock.advance(2_900);
    stage.answer("refresh", { left: ["room:1"] });
    expect(subscription.state).toBe("asked");
    stage.refuse("subscribe", "forbidden");
    expect([codes, subscription.state]).toEqual([["forbidden"], "ended"]);
  });

  test("that cannot be had at first are tried again after a pause", async () => {
    let failures = 3;
    const stage = new Stage({
      token: () => (failures-- > 0 ? Promise.reject(new Error("not yet")) : Promise.resolve("a.b.c")),
    });
    await stage.clock.advance(10_000);
    expect(stage.errors).toHaveLength(3);
    expect(stage.sockets).toHaveLength(1);
  });
});

describe("silence", () => {
  async function connected(): Promise<Stage> {
    const stage = new Stage();
    stage.welcome();
    await stage.clock.advance(0);
    return stage;
  }

  test("makes the client ask, and without an answer come back", async () => {
    const stage = await connected();
    await stage.clock.advance(14_999);
    expect(stage.sent).toEqual([]);
    await stage.clock.advance(1);
    expect(stage.sent).toEqual([{ type: "ping" }]);
    await stage.clock.advance(9_999);
    expect(stage.state.state).toBe("connected");
    await stage.clock.advance(1);
    expect(stage.state).toMatchObject({ state: "waiting", code: 4005, retryInMs: 100 });
    expect(stage.socket.closed).toEqual({ code: 4005, reason: "heartbeat-timeout" });
  });

  test("is broken by any frame", async () => {
    const stage = await connected();
    for (let i = 0; i < 20; i += 1) {
      await stage.clock.advance(14_000);
      stage.socket.tell({ type: "message", topic: "room:1", data: 1, timestamp: 1 });
    }
    expect([stage.state.state, stage.sent]).toEqual(["connected", []]);
    await stage.clock.advance(15_000);
    stage.socket.tell({ type: "pong", timestamp: 1 });
    await stage.clock.advance(14_999);
    expect([stage.state.state, stage.sent.length]).toEqual(["connected", 1]);
  });

  test("of a machine that slept is no proof: the client asks, and waits for the answer anew", async () => {
    const stage = await connected();
    stage.sleptMs = 3_600_000;
    await stage.clock.advance(15_000);
    expect([stage.state.state, stage.sent.length]).toEqual(["connected", 1]);
    stage.sleptMs *= 2; // And again, before the answer was read.
    await stage.clock.advance(10_000);
    expect([stage.state.state, stage.sent.length]).toEqual(["connected", 2]);
    stage.sleptMs *= 2;
    await stage.clock.advance(10_000);
    expect(stage.state).toMatchObject({ state: "waiting", code: 4005 });
  });

  test("a clock that is set back makes no wait longer", async () => {
    const stage = await connected();
    stage.sleptMs = -3_600_000;
    await stage.clock.advance(30_000);
    expect(stage.framesOf("ping")).toHaveLength(1);
    stage.sleptMs *= 2;
    await stage.clock.advance(20_000);
    expect(stage.states).toContainEqual(expect.objectContaining({ state: "waiting", code: 4005 }));
  });

  test("a network that comes back ends a pause, and makes a connected client ask at once", async () => {
    const stage = new Stage();
    for (let i = 0; i < 5; i += 1) {
      stage.socket.end(1006);
      if (i < 4) await stage.clock.advance(pauseOf(stage)!);
    }
    foundNetwork();
    expect(stage.state.state).toBe("connecting");
    stage.welcome();
    foundNetwork();
    expect(stage.sent).toEqual([{ type: "ping" }]);
    stage.client.close();
    foundNetwork();
    expect(stage.state.state).toBe("closed");
  });
});

describe("the end", () => {
  test("leaves no timer, tells nobody anything more, and can be taken back", async () => {
    const stage = new Stage();
    stage.welcome();
    stage.client.close();
    stage.client.close();
    expect(stage.states.slice(-1)).toEqual([{ state: "closed", code: 1000, reason: "" }]);
    expect(stage.socket.closed).toMatchObject({ code: 1000 });
    const told = stage.states.length;
    stage.socket.tell({ type: "error", code: "internal", message: "late", retryable: true });
    stage.socket.end(1000);
    await stage.clock.advance(600_000);
    expect([stage.states.length, stage.errors, stage.sockets.length, stage.sent]).toEqual([told, [], 1, []]);
    stage.client.connect();
    expect(stage.sockets).toHaveLength(2);
  });

  test("while a token is being got keeps it from being used", async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    const stage = new Stage({ token: () => promise });
    stage.client.close();
    resolve("a.b.c");
    await stage.clock.advance(60_000);
    expect(stage.sockets).toEqual([]);
  });

  test("comes to a client whose address no WebSocket takes", () => {
    const WebSocket = class {
      constructor() {
        throw new SyntaxError("what an address");
      }
    };
    const stage = new Stage({ WebSocket });
    expect(stage.state).toMatchObject({
      state: "closed",
      code: 1006,
      reason: "SyntaxError: what an address",
    });
  });

  test("what arrives and is no frame is given up, and the client backs off", () => {
    const stage = new Stage();
    stage.welcome();
    stage.socket.onmessage?.({ data: "<html>" });
    expect(stage.state).toMatchObject({ state: "waiting", code: 1002, retryInMs: 1_000 });
  });
});
