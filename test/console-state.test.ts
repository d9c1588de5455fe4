// What the console's page is told: that it is so, and that an answer stays small and quick however large the node is.

import { describe, expect, test } from "bun:test";
import { noConnections } from "../src/connections/connection-counts.ts";
import type { Session } from "../src/connections/session.ts";
import { ConsoleState } from "../src/console/state.ts";
import { keptThings, thingsPerStep } from "../src/console/survey.ts";
import { json } from "../src/wire/json.ts";
import { CountingReader } from "./support/counting-reader.ts";
import { ModelNode } from "./support/model-node.ts";

interface Connected {
  userId?: string;
  bufferedBytes?: number;
  behindSinceMs?: number;
}

/** A node with its console. `looks`: how often somebody's buffer was looked at. */
function shown() {
  const node = new ModelNode(100);
  const sessions = new Set<Session>();
  const counts = noConnections();
  let looks = 0;
  const state = new ConsoleState({
    measured: { engine: "bun", nodeId: "model", version: "1.2.3", sinceMs: 0 },
    hub: node.hub,
    connections: {
      sessions,
      counts,
      get count() {
        return sessions.size;
      },
      buffers: { sumBytes: 0 } as never,
      isDraining: false,
    },
    delay: { lastSeconds: 0 },
    isDevelopment: true,
    now: () => node.now,
  });
  const connect = ({ userId, bufferedBytes = 0, behindSinceMs = 0 }: Connected) => {
    const look = () => {
      looks += 1;
      return bufferedBytes;
    };
    const session = {
      id: `session-${sessions.size}`,
      userId,
      isAuthenticated: userId !== undefined,
      isOver: false,
      format: json,
      socket: { bufferedBytes: look },
      subscriptions: new Map(),
      behind: behindSinceMs > 0 ? new Set() : undefined,
      behindSinceMs,
    };
    sessions.add(session as unknown as Session);
    return session;
  };
  const tell = (query = "") => state.tell(query);
  return { node, counts, connect, tell, state, looks: () => looks };
}

async function listen(node: ModelNode, topic: string, count = 1): Promise<CountingReader[]> {
  const readers = Array.from({ length: count }, () => new CountingReader(node));
  for (const reader of readers) reader.subscribe(topic);
  await node.settle();
  return readers;
}

describe("the topics told", () => {
  test("have mode, subscribers, rate and position, by subscribers, rate or name", async () => {
    const { node, tell } = shown();
    await listen(node, "room:large", 3);
    await listen(node, "game:fast");
    const [stays] = await listen(node, "room:left", 2);
    for (let second = 0; second < 2; second++) {
      for (let n = 0; n < 10; n++) node.hub.publishVolatile("game:fast", { data: n, timestamp: 0 });
      node.publishNext("room:large");
      node.tick();
    }
    stays!.disconnect();
    const { epoch } = node.bridge.position("room:large");
    const large = {
      topic: "room:large",
      mode: "stream" as const,
      subscribers: 3,
      perSecond: 1,
      epoch,
      offset: 2,
    };
    const fast = { topic: "game:fast", mode: "volatile" as const, subscribers: 1, perSecond: 10 };
    const told = tell("order=subscribers").topics;
    expect(told).toMatchObject({ total: 3, matching: 3, isWhole: true });
    expect(told.rows[0]).toEqual(large);
    expect(told.rows.find(({ topic }) => topic === "room:left")).toMatchObject({
      subscribers: 1,
      perSecond: 0,
    });
    expect(tell("order=rate").topics.rows.slice(0, 2)).toEqual([fast, large]);
    const names = ["game:fast", "room:large", "room:left"];
    expect(tell("order=name").topics.rows.map(({ topic }) => topic)).toEqual(names);
    expect(tell("order=other").topics.rows[0]).toEqual(large);
    expect(tell("topics=room%3Al&order=name").topics).toMatchObject({ total: 3, matching: 2 });
    expect(tell("topics=nowhere").topics.rows).toEqual([]);
  });

  test("are gone with their topic", async () => {
    const { node, tell } = shown();
    const [reader] = await listen(node, "room:1");
    reader!.disconnect();
    expect(tell().topics.rows).toMatchObject([{ topic: "room:1", subscribers: 0 }]);
    node.tick(10_000);
    expect(tell().topics).toMatchObject({ total: 0, rows: [] });
  });
});

describe("the connections told", () => {
  test("are those first for whom most waits, then those who are behind", () => {
    const { node, connect, tell } = shown();
    connect({ userId: "idle" });
    connect({ userId: "behind", behindSinceMs: node.now - 3000 });
    connect({});
    connect({ userId: "full", bufferedBytes: 9000, behindSinceMs: node.now - 1000 });
    const { rows, total } = tell().connections;
    expect(total).toBe(4);
    expect(rows.map(({ userId, bufferedBytes, behindMs }) => [userId, bufferedBytes, behindMs])).toEqual([
      ["full", 9000, 1000],
      ["behind", 0, 3000],
      ["idle", 0, undefined],
      [undefined, 0, undefined],
    ]);
    expect(tell("users=hin").connections).toMatchObject({
      total: 4,
      matching: 1,
      rows: [{ userId: "behind" }],
    });
  });

  test("are none that ended", () => {
    const { connect, tell } = shown();
    connect({ userId: "ann" }).isOver = true;
    expect(tell().connections.rows).toEqual([]);
  });
});

test("what went wrong is told by reason, and nothing else", () => {
  const { counts, tell } = shown();
  counts.ended["slow-consumer"] = 2;
  counts.ended.lost = 1;
  counts.errors["bad-topic"] = 3;
  counts.refused.draining = 4;
  expect(tell()).toMatchObject({
    closed: { "slow-consumer": 2, lost: 1 },
    errors: { "bad-topic": 3 },
    refused: { draining: 4 },
  });
  expect(Object.keys(tell().closed).length).toBe(2);
});

test("an answer is small and quick at 100,000 connections and as many topics, and finds everybody in some of them", async () => {
  const { node, connect, tell, state, looks } = shown();
  const count = 10 * thingsPerStep;
  for (let n = 0; n < count; n++) connect({ userId: `user-${n}`, bufferedBytes: n });
  const reader = new CountingReader(node);
  for (let n = 0; n < count; n++) reader.subscribe(`room:${n}`);
  const last = await listen(node, "room:last", 2);
  for (let second = 0; second < 400; second++) state.tick();
  const first = tell();
  expect(looks()).toBe(thingsPerStep + keptThings);
  expect(first.connections).toMatchObject({ total: count, matching: thingsPerStep, isWhole: false });
  expect(JSON.stringify(first).length).toBeLessThan(80_000);
  const times: number[] = [];
  for (let step = 0; step < 10; step++) {
    const from = performance.now();
    tell();
    times.push(performance.now() - from);
  }
  expect(Math.min(...times)).toBeLessThan(20);
  expect(tell().connections).toMatchObject({ matching: count, isWhole: true });
  expect(tell().connections.rows[0]?.userId).toBe(`user-${count - 1}`);
  expect(tell().topics.rows[0]).toMatchObject({ topic: "room:last", subscribers: 2 });
  for (const leaving of last) leaving.disconnect();
  node.tick(10_000);
  // The round that is told is an older one; what is gone is not told.
  expect(tell().topics).toMatchObject({ total: count, isWhole: true });
  expect(tell().topics.rows.filter(({ topic }) => topic === "room:last")).toEqual([]);
}, 60_000);

test("however much is searched for, what is kept of it is bounded", () => {
  const { connect, tell, looks } = shown();
  for (let n = 0; n < 2.5 * thingsPerStep; n++) connect({ userId: `user-${n}` });
  tell("users=user");
  for (let n = 0; n < 20; n++) tell(`users=${n}-`);
  const before = looks();
  // Forgotten, and begun anew: its first step is of no whole round.
  expect(tell("users=user").connections).toMatchObject({ matching: thingsPerStep, isWhole: false });
  expect(looks() - before).toBe(thingsPerStep + keptThings);
});
