// The client in every runtime it is for: the same script against the same node, in Bun, Node.js 22, Deno and Chromium.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { createServer, FanwireError, type Server } from "../src/server.ts";
import { launchBrowser, openPage } from "./support/browser.ts";
import { type ConformanceInput, conform } from "./support/conformance.ts";
import { Process, root } from "./support/process.ts";
import { TcpProxy } from "./support/tcp-proxy.ts";
import { secret, tokenFor } from "./support/token.ts";

setDefaultTimeout(60_000);

let server: Server;
let proxy: TcpProxy;
let browser: Browser | undefined;
let runs = 0;

beforeAll(async () => {
  server = await createServer({
    port: 0,
    logLevel: "silent",
    jwtSecret: secret,
    console: true,
    apiKeys: ["sixteen-or-more-letters"],
    calls: {
      echo: (data) => data,
      fail: () => {
        throw new FanwireError("too-many", "It fails.");
      },
      cut: async (topic) => {
        await proxy.cut();
        for (const i of [1, 2, 3]) await server.publish(String(topic), `missed ${i}`);
        proxy.heal();
      },
    },
  });
  proxy = await TcpProxy.to(server.address.port);
});

afterAll(async () => {
  await browser?.close();
  await proxy[Symbol.asyncDispose]();
  await server.close();
});

function input(): ConformanceInput {
  runs += 1;
  const userId = `user-${runs}`;
  const url = `ws://127.0.0.1:${proxy.port}/ws`;
  return { url, deadUrl: `${url}/none`, token: tokenFor(userId), topic: `room:${userId}` };
}

function judge(seen: unknown, { topic }: ConformanceInput): void {
  expect(seen).toEqual({
    userId: topic.slice("room:".length),
    firstOffset: 1,
    history: [["hello", "said"]],
    members: [[topic.slice("room:".length), 1]],
    echo: { list: [1, "two", null], ünïcode: "✓" },
    failure: "too-many",
    unknown: "unknown-method",
    refusal: "unknown-namespace",
    isQuick: true,
    cut: "outcome-unknown",
    missed: ["missed 1", "missed 2", "missed 3"],
    written: Array.from({ length: 20 }, (_, i) => `written ${i}`),
    count: 24,
    recoveries: [false, true],
    resets: 0,
    isSent: true,
    volatile: "undefined",
    moves: [[1.5, -2], "acknowledged"],
    states: expect.arrayContaining(["connected", "waiting", "connecting", "closed"]),
    afterClose: "closed",
    stranger: [1008, "unauthorized"],
    lost: [1006, expect.not.stringContaining("timeout")],
  });
}

const runtimes = join(root, "test/runtimes/node_modules/.bin");
const commands = {
  Bun: [process.execPath],
  "Node.js 22": [join(runtimes, "node")],
  Deno: [join(runtimes, "deno"), "run", "--allow-all", "--node-modules-dir=manual", "--no-lock"],
};
/** As it is in the package, except in Bun, which runs the sources as well. */
const modules = {
  Bun: "src/client/client.ts",
  "Node.js 22": "dist/client/client.js",
  Deno: "dist/client/client.js",
};

const main = join(root, "test/support/conformance-main.ts");

describe.each(Object.keys(commands) as (keyof typeof commands)[])("in %s the client", (runtime) => {
  const client = join(root, modules[runtime]);

  test.each(["JSON", "MessagePack"])("does all it should, in %s", async (format) => {
    const given = input();
    const more = format === "JSON" ? [] : [client.replace("/client.", "/msgpack.")];
    const run = new Process([...commands[runtime], main, client, JSON.stringify(given), ...more]);
    const { code, stdout, stderr } = await run.exit();
    expect([code, stderr.replace(/^.*ExperimentalWarning.*\n.*\n/m, "")]).toEqual([0, ""]);
    judge(JSON.parse(stdout), given);
  });
});

test("in Chromium the client does all it should, from one file and without a bundler", async () => {
  browser = await launchBrowser();
  const { page, faults } = await openPage(browser);
  await page.goto(`http://127.0.0.1:${proxy.port}/#node`);
  const given = input();
  const work = `import("/console/client.js").then(({ createClient }) => (${conform})(createClient, ${JSON.stringify(given)}))`;
  judge(await page.evaluate(work), given);
  expect(faults).toEqual([]);
});

test("in Node.js 20, which has no WebSocket, it says what to do", async () => {
  const script = `import { createClient } from ${JSON.stringify(join(root, "dist/client/client.js"))};
    try { createClient("ws://127.0.0.1:1/ws"); } catch (error) { console.log(\`\${error}\`); }`;
  const run = new Process(["node", "--input-type=module", "--eval", script]);
  expect(await run.exit()).toMatchObject({
    code: 0,
    stdout:
      "TypeError: This runtime has no WebSocket: take Node.js 22 or newer, or give the option `WebSocket`.\n",
  });
});
