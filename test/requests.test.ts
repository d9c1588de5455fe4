// Requests where something goes wrong or takes its time: the client leaves, a check fails, an answer is large.

import { describe, expect, test } from "bun:test";
import type { AccessRequest } from "../src/application.ts";
import { connect, deferred, endServersAfterEach, lines, rejection, start } from "./support/in-process.ts";
import { Peer } from "./support/peer.ts";
import { fresh } from "./support/served.ts";
import { secret, tokenFor } from "./support/token.ts";

endServersAfterEach();

describe("a client", () => {
  test("that leaves while its subscribe is decided on is not subscribed afterwards", async () => {
    const [asked, verdict, ended] = [deferred<void>(), deferred<boolean>(), deferred<void>()];
    const server = await start({
      authorize: () => {
        asked.resolve();
        return verdict.promise;
      },
      onDisconnect: () => ended.resolve(),
    });
    const peer = await connect(server);
    peer.send({ type: "subscribe", id: 1, topic: fresh("room") });
    await asked.promise;
    peer.raw.destroy();
    await ended.promise;
    verdict.resolve(true);
    await verdict.promise;
    await new Promise(setImmediate);
    const scraped = await fetch(`http://127.0.0.1:${server.address.port}/metrics`);
    const counts = (await scraped.text()).split("\n").filter((line) => /^fanwire_subscriptions\{/.test(line));
    expect(counts.length).toBeGreaterThan(0);
    for (const line of counts) expect(line).toEndWith(" 0");
  });

  test("may publish to a stream with one request in flight, also where its right is found out later", async () => {
    for (const authorize of [() => true, async () => true]) {
      const server = await start({ authorize, limits: { maxRequestsInFlight: 1 } });
      const peer = await connect(server);
      for (const data of [1, 2]) {
        const answer = await peer.request({ type: "publish", topic: fresh("room"), data });
        expect(answer).toMatchObject({ type: "ok", offset: 1 });
      }
    }
  });

  test("that reads gets many large answers to calls, and small ones meanwhile", async () => {
    const server = await start({ calls: { it: (data) => "x".repeat(Number(data)) } });
    const peer = await connect(server);
    const large = Array.from({ length: 800 }, () => ({ type: "call", method: "it", data: 60_000 }));
    const answers = await peer.requests(...large, { type: "call", method: "it", data: 1 });
    expect(answers.every(({ type }) => type === "ok")).toBe(true);
  });
});

test("a call's result has a bound, and a larger one is the handler's fault", async () => {
  const limits = { recoveryChunkBytes: 2048 };
  const server = await start({ limits, calls: { it: (data) => "x".repeat(Number(data)) } });
  const peer = await connect(server);
  expect(await peer.request({ type: "call", method: "it", data: 2000 })).toMatchObject({ type: "ok" });
  expect(await peer.request({ type: "call", method: "it", data: 2048 })).toMatchObject({
    code: "call-failed",
  });
  expect(lines.filter(({ event }) => event === "call-failed")).toMatchObject([{ method: "it" }]);
});

test("a refresh leaves the topics for which the check fails, and logs each", async () => {
  let isAway = false;
  const failure = new Error("the database is away");
  const authorize = ({ topic }: AccessRequest) => {
    if (isAway && topic === "room:throws") throw failure;
    return isAway && topic === "room:rejects" ? Promise.reject(failure) : true;
  };
  const server = await start({ jwtSecret: secret, authorize });
  const peer = await Peer.connect(server.address.port, { token: tokenFor("ann") });
  for (const topic of ["room:throws", "room:rejects", "room:stays"]) {
    await peer.request({ type: "subscribe", topic });
  }
  isAway = true;
  const answer = await peer.request({ type: "refresh", token: tokenFor("ann") });
  expect(answer).toMatchObject({ type: "ok" });
  expect([...(answer.left as string[])].sort()).toEqual(["room:rejects", "room:throws"]);
  expect(lines.filter(({ error }) => error === failure)).toHaveLength(2);
});

test("a verdict may be any thenable, and has its deadline", async () => {
  // biome-ignore lint/suspicious/noThenProperty: what is tested.
  const thenable = (settle: (resolve: (verdict: boolean) => void) => void) => ({ then: settle });
  const ask = async (verdict: unknown) => {
    const server = await start({ authorize: () => verdict as boolean, limits: { callTimeoutMs: 50 } });
    const answer = await (await connect(server)).request({ type: "subscribe", topic: fresh("room") });
    return answer.code ?? answer.type;
  };
  expect(await ask(thenable((resolve) => resolve(true)))).toBe("ok");
  expect(await ask(thenable((resolve) => resolve(false)))).toBe("forbidden");
  expect(await ask(thenable(() => undefined))).toBe("timeout");
});

test("a publication of the library has the size limit of its namespace", async () => {
  const namespaces = {
    room: { mode: "stream", maxPublishBytes: 1024 },
    bin: { mode: "volatile", binary: true, maxPublishBytes: 1024 },
  } as const;
  const server = await start({ namespaces });
  await server.publish("room:1", "x".repeat(900));
  await server.publish("bin:1", new Uint8Array(900));
  // Short in bytes, however long each of its characters might have been.
  await server.publish("room:1", Array(400).fill(1));
  for (const [topic, data] of [
    ["room:1", "x".repeat(1024)],
    ["room:1", "ä".repeat(600)],
    ["room:1", { ["k".repeat(1024)]: 1 }],
    ["bin:1", new Uint8Array(1024)],
  ] as const) {
    expect((await rejection(server.publish(topic, data))).code).toBe("too-large");
  }
});
