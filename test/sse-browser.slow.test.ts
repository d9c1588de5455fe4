// The browser's own EventSource in Chromium: it reads every mode, loses its node, and continues on another one of the other
// engine without a hole, a double or a `reset`.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { launchBrowser, openPage } from "./support/browser.ts";
import type { EngineName } from "./support/engine-host.ts";
import { dropPeers, Peer } from "./support/peer.ts";
import { RedisServer } from "./support/redis-server.ts";
import { startServer } from "./support/served.ts";
import type { ServerProcess } from "./support/server-process.ts";

setDefaultTimeout(90_000);

interface Seen {
  readonly type: string;
  readonly data?: unknown;
  readonly reason?: string;
}

let browser: Browser;
const stack: AsyncDisposable[] = [];

beforeAll(async () => {
  browser = await launchBrowser();
});

afterEach(async () => {
  dropPeers();
  for (const context of browser.contexts()) await context.close();
  for (const one of stack.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

afterAll(() => browser.close());

async function start(engine: EngineName, redis: RedisServer, port = 0): Promise<ServerProcess> {
  const server = await startServer(
    engine,
    { port, redis: { urls: [redis.url] } },
    { FANWIRE_PORT: `${port}` },
  );
  stack.push(server);
  return server;
}

/** A page of the node's own origin with an EventSource that keeps what it hears. */
async function listen(port: number, query: string): Promise<Page> {
  const { page } = await openPage(browser);
  await page.goto(`http://127.0.0.1:${port}/health`);
  await page.evaluate(`
    globalThis.seen = [];
    globalThis.source = new EventSource("/sse?join=none&${query}");
    source.onmessage = ({ data }) => seen.push(JSON.parse(data));
  `);
  await page.waitForFunction("source.readyState === 1");
  return page;
}

const seenBy = (page: Page) => page.evaluate("seen") as Promise<Seen[]>;

async function until(page: Page, isThere: (seen: readonly Seen[]) => boolean): Promise<Seen[]> {
  const deadline = performance.now() + 40_000;
  for (;;) {
    const seen = await seenBy(page);
    if (isThere(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`it has seen ${JSON.stringify(seen.slice(-5))}`);
    await page.waitForTimeout(50);
  }
}

const publish = async (peer: Peer, from: number, to: number) => {
  for (let n = from; n <= to; n++) {
    expect(await peer.request({ type: "publish", topic: "room:1", data: n })).toMatchObject({ type: "ok" });
  }
};

const messages = (seen: readonly Seen[]) =>
  seen.filter(({ type }) => type === "message").map(({ data }) => data);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const pairs = [
  ["bun", "uws", "killed"],
  ["uws", "bun", "killed"],
  ["uws", "uws", "drained"],
  ["bun", "bun", "drained"],
] as const;

describe("an EventSource", () => {
  test.each(pairs)(
    "of a node on %s continues on one on %s when the first is %s",
    async (first, second, how) => {
      const redis = await RedisServer.start();
      stack.push(redis);
      const elsewhere = await Peer.connect((await start("bun", redis)).port);
      const node = await start(first, redis);
      const page = await listen(node.port, "topic=room:1&topic=game:1&topic=ticker:1");
      await publish(elsewhere, 1, 10);
      await elsewhere.request({ type: "publish", topic: "ticker:1", key: "EURUSD", data: "t" });
      await elsewhere.request({ type: "publish", topic: "game:1", data: "g" });
      await until(page, (seen) => seen.length >= 12);
      if (how === "killed") await node.kill();
      else {
        node.signal("SIGTERM");
        await node.exited();
      }
      await publish(elsewhere, 11, 20);
      await start(second, redis, node.port);
      await publish(elsewhere, 21, 30);
      const seen = await until(page, (all) => messages(all).includes(30));
      const numbers = messages(seen).filter((data) => typeof data === "number");
      expect(numbers).toEqual(upTo(30));
      expect(messages(seen).filter((data) => typeof data === "string")).toEqual(
        expect.arrayContaining(["t", "g"]),
      );
      const others = seen.filter(({ type }) => type !== "message");
      expect(others.map(({ type, reason }) => reason ?? type)).toEqual(how === "drained" ? ["draining"] : []);
    },
  );

  test.each(["bun", "uws"] as const)("on %s gives up where it may never get in", async (engine) => {
    const server = await startServer(engine);
    stack.push(server);
    const { page } = await openPage(browser);
    await page.goto(`http://127.0.0.1:${server.port}/health`);
    const state = await page.evaluate(`new Promise((resolve) => {
      const source = new EventSource("/sse?topic=nope:1");
      source.onerror = () => resolve(source.readyState);
    })`);
    expect(state).toBe(2);
  });
});
