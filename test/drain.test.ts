// How a node's connections are closed when it ends: the pace, and who is waited for, on sessions that are not real.

import { expect, test } from "bun:test";
import { resolveOptions } from "../src/config/config.ts";
import { Drain, type DrainLimits } from "../src/connections/drain.ts";
import type { Session } from "../src/connections/session.ts";
import { createBunEngine } from "../src/engine/bun.ts";
import type { CreateEngine } from "../src/engine/engine.ts";
import { Node } from "../src/node.ts";
import { log } from "./support/in-process.ts";

class Client {
  readonly frames: { type: string; retryAfterMs: number }[] = [];
  readonly isWelcomed = true;
  readonly behind = undefined;
  readonly socket = { bufferedBytes: () => this.bufferedBytes };
  bufferedBytes = 0;
  isOwedAnswers = false;
  isOver = false;
  closedAtMs = 0;
  hasTopics = true;

  announce(retryAfterMs: number): void {
    this.frames.push({ type: "closing", retryAfterMs });
  }

  close(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.closedAtMs = performance.now();
  }
}

function begin(clients: readonly Client[], limits: DrainLimits) {
  const sessions = new Set(clients as unknown as Session[]);
  const drain = new Drain(sessions, limits, (session) => {
    (session as unknown as Client).hasTopics = false;
  });
  for (const client of clients) {
    const close = client.close.bind(client);
    client.close = () => {
      close();
      sessions.delete(client as unknown as Session);
      if (sessions.size === 0) queueMicrotask(() => drain.emptied());
    };
  }
  return { drain, startedAtMs: performance.now() };
}

const clientsOf = (count: number) => Array.from({ length: count }, () => new Client());

test("connections are closed at the pace, and told to spread their return over as long", async () => {
  const clients = clientsOf(200);
  const { drain, startedAtMs } = begin(clients, { drainCloseMs: 60_000, drainClosesPerSecond: 100 });
  await drain.closeAll(60_000);
  const times = clients.map(({ closedAtMs }) => closedAtMs - startedAtMs);
  // Two seconds in all; timers are never early, but for a rounded millisecond each.
  expect(times[0]).toBeLessThan(500);
  expect(times[100]).toBeGreaterThan(900);
  expect(times[199]).toBeGreaterThan(1800);
  expect(clients[0]!.frames).toEqual([{ type: "closing", retryAfterMs: 2000 }]);
});

test("the longest time there is wins over the pace", async () => {
  const clients = clientsOf(1000);
  const { drain, startedAtMs } = begin(clients, { drainCloseMs: 200, drainClosesPerSecond: 1 });
  await drain.closeAll(60_000);
  expect(clients.at(-1)!.closedAtMs - startedAtMs).toBeWithin(100, 5000);
});

test("who is owed an answer is closed once it has it, and may ask for nothing else", async () => {
  const [owed, other] = clientsOf(2) as [Client, Client];
  owed.isOwedAnswers = true;
  const { drain } = begin([owed, other], { drainCloseMs: 60_000, drainClosesPerSecond: 1000 });
  const ended = drain.closeAll(60_000);
  while (!other.isOver) await Bun.sleep(5);
  const check = (client: Client) => () => drain.check(client as unknown as Session);
  expect(check(owed)).toThrow("This node is closing.");
  expect([owed.isOver, owed.hasTopics, other.hasTopics]).toEqual([false, false, true]);
  owed.isOwedAnswers = false;
  await ended;
  expect(owed.isOver).toBe(true);
  expect(check(owed)).not.toThrow();
});

test("nobody is waited for longer than that time", async () => {
  const [owed, slow] = clientsOf(2) as [Client, Client];
  owed.isOwedAnswers = true;
  slow.bufferedBytes = 1;
  const { drain, startedAtMs } = begin([owed, slow], { drainCloseMs: 300, drainClosesPerSecond: 1000 });
  await drain.closeAll(60_000);
  for (const { isOver, closedAtMs } of [owed, slow]) {
    expect(isOver).toBe(true);
    expect(closedAtMs - startedAtMs).toBeWithin(250, 5000);
  }
});

test("a node's end takes no longer than drainExitMs, whatever hangs", async () => {
  const limits = { drainCloseMs: 50, drainExitMs: 300 };
  const hanging: CreateEngine = (handlers, engineLimits) => {
    const engine = createBunEngine(handlers, engineLimits);
    const close = engine.close.bind(engine);
    return Object.assign(engine, { close: () => close().then(() => new Promise<void>(() => undefined)) });
  };
  const node = new Node(resolveOptions({ port: 0, limits }), {}, hanging, log);
  await node.start();
  const startMs = performance.now();
  await node.close();
  expect(performance.now() - startMs).toBeWithin(250, 5000);
});
