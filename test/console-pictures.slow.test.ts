// Pictures of the view `Node`, at two widths and in both colour schemes, of a node that is busy with a bit of everything.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { apiKey } from "./support/api-client.ts";
import { launchBrowser, openPage, overflows, pictures } from "./support/browser.ts";
import { dropPeers, Peer } from "./support/peer.ts";
import { startServer } from "./support/served.ts";
import type { ServerProcess } from "./support/server-process.ts";
import { secret, tokenFor } from "./support/token.ts";

setDefaultTimeout(120_000);

const busyMs = 40_000;
const limits = {
  softBufferedBytes: 65_536,
  sweepBytes: 65_536,
  frameBurst: 100_000,
  framesPerSecond: 10_000,
  bytesBurst: 67_108_864,
  slowConsumerTimeoutMs: 60_000,
  heartbeatTimeoutMs: 20_000,
};
const audiences = { "ticker:eurusd": 48, "game:arena-7": 24, "room:lobby": 16, "room:support": 5 };

let browser: Browser;
let server: ServerProcess;

beforeAll(async () => {
  browser = await launchBrowser();
  const options = { jwtSecret: secret, apiKeys: [apiKey], console: true, nodeId: "eu-1", limits };
  server = await startServer("bun", options);
});

afterAll(async () => {
  dropPeers();
  await browser.close();
  await server.kill();
});

async function joinAs(userId: string, ...topics: string[]): Promise<Peer> {
  const peer = await Peer.connect(server.port, { token: tokenFor(userId) });
  for (const topic of topics) await peer.request({ type: "subscribe", topic });
  return peer;
}

/** Publications of all kinds, in waves. Answers what ends them. */
function publish(peer: Peer): () => void {
  let beat = 0;
  const timer = setInterval(() => {
    beat += 1;
    const wave = 1 + Math.sin(beat / 60) + 0.5 * Math.sin(beat / 17);
    for (let n = 0; n < wave * 2; n++) {
      peer.send({
        type: "publish",
        topic: "ticker:eurusd",
        key: `level-${beat % 5}`,
        data: 1.08 + beat / 1e4,
      });
    }
    peer.send({ type: "publish", topic: "game:arena-7", data: { x: beat, y: 2 * beat }, echo: false });
    if (beat % 10 === 0) peer.send({ type: "publish", topic: "room:lobby", data: { text: "hello" } });
  }, 50);
  return () => clearInterval(timer);
}

async function openAs(width: number, height: number, colorScheme: "light" | "dark") {
  const phone = width < 600;
  const viewport = { width, height };
  const opened = await openPage(browser, {
    viewport,
    colorScheme,
    ...(phone && { deviceScaleFactor: 2, isMobile: true }),
  });
  await opened.page.addInitScript(
    ({ key, token }) => {
      sessionStorage.setItem("fanwire:api-key", key);
      sessionStorage.setItem("fanwire:token", token);
    },
    { key: apiKey, token: tokenFor(phone ? "ops-phone" : "ops") },
  );
  await opened.page.goto(`http://127.0.0.1:${server.port}/?room=ops#node`);
  await opened.page.locator("#state").getByText("Connected as ops").waitFor();
  return opened;
}

async function tryTopic(page: Page): Promise<void> {
  await page.getByRole("button", { name: "room:support" }).click();
  await page.getByRole("button", { name: "Subscribe", exact: true }).click();
  await page.locator("#received .in").filter({ hasText: '"mode": "stream"' }).waitFor();
  await page.getByLabel("Data, as JSON").fill('{ "text": "Is anybody there?" }');
  await page.getByLabel("Event").fill("question");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.locator("#received").getByText("Is anybody there?").first().waitFor();
}

test("the pictures of the node", async () => {
  await mkdir(pictures, { recursive: true });
  const views = await Promise.all([
    openAs(1280, 860, "light"),
    openAs(1280, 860, "dark"),
    openAs(390, 844, "light"),
    openAs(390, 844, "dark"),
  ]);
  const publisher = await joinAs("exchange");
  const stop = publish(publisher);
  for (const [topic, count] of Object.entries(audiences)) {
    for (let n = 1; n <= count; n++) await joinAs(`user-${topic.split(":")[0]}-${n}`, topic);
  }
  const slow = await joinAs("user-in-a-tunnel", "room:lobby");
  await views[0]!.page.waitForTimeout(busyMs / 2);
  slow.raw.pause();
  const data = { text: "x".repeat(32_000) };
  for (let n = 0; n < 400; n++) await publisher.request({ type: "publish", topic: "room:lobby", data });
  publisher.send(
    { type: "subscribe", id: 1, topic: "nowhere:1" },
    { type: "subscribe", id: 2, topic: "room:" },
  );
  for (const userId of ["gone-1", "gone-2"]) (await joinAs(userId)).raw.close();
  (await joinAs("gone-3")).raw.destroy();
  await Peer.open(server.port, { headers: [["Origin", "http://elsewhere.example"]] }).catch(() => undefined);
  await views[0]!.page.waitForTimeout(busyMs / 2);
  for (const { page } of views) await page.locator(".is-behind").getByText("user-in-a-tunnel").waitFor();
  const names = ["wide-light", "wide-dark", "phone-light", "phone-dark"];
  const triedNames = new Set(["wide-light", "phone-dark"]);
  for (const [index, { page, faults }] of views.entries()) {
    const name = names[index]!;
    await page.bringToFront();
    await page.screenshot({ path: join(pictures, `console-${name}.png`) });
    expect(await overflows(page)).toBe(false);
    await tryTopic(page);
    if (triedNames.has(name)) await page.screenshot({ path: join(pictures, `console-try-${name}.png`) });
    await page.setViewportSize({ width: Math.min(360, page.viewportSize()!.width), height: 800 });
    expect(await overflows(page)).toBe(false);
    expect(faults).toEqual([]);
  }
  stop();
});
