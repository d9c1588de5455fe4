// The view `Node` of the console in a real browser, on both engines: it shows what really happens, to those who may know.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Browser, Locator, Page } from "playwright-core";
import { ApiClient, apiKey } from "./support/api-client.ts";
import { launchBrowser, type OpenedPage, openPage } from "./support/browser.ts";
import { dropPeers, Peer } from "./support/peer.ts";
import { served, startServer } from "./support/served.ts";
import { ServerProcess } from "./support/server-process.ts";
import { secret, tokenFor } from "./support/token.ts";

setDefaultTimeout(90_000);

let browser: Browser;

beforeAll(async () => {
  browser = await launchBrowser();
});

afterEach(async () => {
  dropPeers();
  for (const context of browser.contexts()) await context.close();
});

afterAll(() => browser.close());

async function openNode(port: number): Promise<OpenedPage> {
  const opened = await openPage(browser);
  await opened.page.goto(`http://127.0.0.1:${port}/#node`);
  return opened;
}

const join = (port: number, options = {}) => Peer.connect(port, { query: "join=none", ...options });

async function subscribed(port: number, topic: string, options = {}) {
  const peer = await join(port, options);
  await peer.request({ type: "subscribe", topic });
  return peer;
}

/** The row of a table that has this text. */
function row(page: Page, table: "topics" | "connections", text: string): Locator {
  return page.locator(`#${table}-table tbody tr`).filter({ has: page.getByText(text, { exact: true }) });
}

const cell = (line: Locator, place: number) => line.locator("td").nth(place);
const chart = (page: Page, label: string) =>
  page.locator(".chart").filter({ has: page.getByRole("heading", { name: label }) });

/** Waits until what a place says fits. */
async function says(place: Locator, fits: (text: string) => boolean): Promise<string> {
  const deadline = performance.now() + 30_000;
  for (;;) {
    const text = (await place.textContent()) ?? "";
    if (fits(text)) return text;
    if (performance.now() > deadline) throw new Error(`it says ${JSON.stringify(text)}`);
    await place.page().waitForTimeout(100);
  }
}

const limits = {
  softBufferedBytes: 65_536,
  sweepBytes: 65_536,
  frameBurst: 100_000,
  bytesBurst: 67_108_864,
  slowConsumerTimeoutMs: 15_000,
  heartbeatMs: 60_000,
  heartbeatTimeoutMs: 50_000,
};

describe.each(["bun", "uws"] as const)("the view of the node on %s", (engine) => {
  const server = served(engine, { limits, nodeId: "under-test" });

  test("has a topic with its subscribers, the rate of its publications, and where it stands", async () => {
    const { page, faults } = await openNode(server.port);
    const formats = ["json", "json", "msgpack"];
    const peers = await Promise.all(
      formats.map((format) => subscribed(server.port, "room:busy", { format })),
    );
    let published = 0;
    const publishing = setInterval(() => {
      published += 1;
      peers[0]!.raw.sendJson({ type: "publish", topic: "room:busy", data: published });
    }, 50);
    const busy = row(page, "topics", "room:busy");
    await says(cell(busy, 2), (text) => text === "3");
    expect(await cell(busy, 1).textContent()).toBe("stream");
    const perSecond = Number(await says(cell(busy, 3), (text) => Number(text) >= 15));
    expect(perSecond).toBeLessThanOrEqual(21);
    await says(chart(page, "Publications / s").locator(".value"), (text) => Number(text) >= 10);
    await says(chart(page, "Deliveries / s").locator(".value"), (text) => Number(text) >= 30);
    clearInterval(publishing);
    await says(cell(busy, 4), (text) => Number(text) === published);
    await says(cell(busy, 3), (text) => text === "0");
    peers[2]!.raw.close();
    await says(cell(busy, 2), (text) => text === "2");
    await page.locator("#node-name").getByText("under-test").waitFor();
    await page.locator(".chart .line[d*='L']").first().waitFor({ state: "attached" });
    expect(faults).toEqual([]);
  });

  test("finds topics by part of their name, and puts the busiest, largest or first in front", async () => {
    const { page } = await openNode(server.port);
    const peer = await join(server.port);
    for (let topic = 0; topic < 70; topic++)
      await peer.request({ type: "subscribe", topic: `game:many-${topic}` });
    await subscribed(server.port, "game:many-42");
    await page.locator("#topics-count").getByText("first 50 shown").waitFor();
    const first = page.locator("#topics-table tbody tr").first();
    await page.getByLabel("Topics whose names contain").fill("many-");
    await page.locator("#topics-count").getByText("70 of").waitFor();
    await says(cell(first, 0), (text) => text === "game:many-42");
    const publishing = setInterval(() => {
      peer.raw.sendJson({ type: "publish", topic: "game:many-7", data: null });
    }, 50);
    await page.getByRole("button", { name: "Per second" }).click();
    await says(cell(first, 0), (text) => text === "game:many-7");
    clearInterval(publishing);
    await page.getByRole("button", { name: "Topic", exact: true }).click();
    await says(cell(first, 0), (text) => text === "game:many-0");
    const header = page.getByRole("columnheader", { name: "Topic", exact: true });
    expect(await header.getAttribute("aria-sort")).toBe("ascending");
    await page.getByLabel("Topics whose names contain").fill("nothing-like-it");
    await page.getByText("No topic.").waitFor();
  });

  test("has a reader that stopped, with what waits for it and that it is behind, and then why it was closed", async () => {
    const { page } = await openNode(server.port);
    const [publisher, slow] = [await join(server.port), await subscribed(server.port, "game:flood")];
    const { userId } = slow.connected;
    slow.raw.pause();
    await page.locator("#closed").getByText("none so far").or(page.locator("#closed dd").first()).waitFor();
    const data = "x".repeat(32_768);
    for (let n = 0; n < 640; n++) await publisher.request({ type: "publish", topic: "game:flood", data });
    const line = row(page, "connections", String(userId));
    await says(cell(line, 4), (text) => /^for \d+ s$/.test(text));
    expect(await cell(line, 3).textContent()).toMatch(/^[\d.]+ [KM]B$/);
    expect(await page.locator("#connections-table tbody tr").first().textContent()).toContain(String(userId));
    await page.locator("#connections-count").getByText("1 behind").waitFor();
    await says(chart(page, "Buffered").locator(".value"), (text) => /[KM]B$/.test(text));
    const closed = page.locator("#closed dt", { hasText: "slow-consumer" });
    await closed.waitFor();
    expect(await closed.locator("+ dd").textContent()).toBe("1");
    await line.waitFor({ state: "detached" });
  });

  test("counts what clients did wrong, and who was refused", async () => {
    const { page } = await openNode(server.port);
    const peer = await join(server.port);
    for (const topic of ["nowhere:1", "nowhere:2"]) peer.raw.sendJson({ type: "subscribe", id: 9, topic });
    await says(
      page.locator("#errors dt", { hasText: "unknown-namespace" }).locator("+ dd"),
      (t) => t === "2",
    );
    const headers = [["Origin", "http://elsewhere.example"]];
    await Peer.open(server.port, { headers } as object).catch(() => undefined);
    await says(page.locator("#refused dt", { hasText: "forbidden" }).locator("+ dd"), (text) => text === "1");
  });

  test("what others named stays text", async () => {
    const hostile = `<img/src=x/onerror="alert(1)">`;
    const { page, faults } = await openNode(server.port);
    const peer = await subscribed(server.port, `room:${hostile}`);
    await row(page, "topics", `room:${hostile}`).waitFor();
    await page.getByRole("button", { name: `room:${hostile}` }).click();
    await page.getByRole("button", { name: "Subscribe", exact: true }).click();
    await page.locator("#received .in").filter({ hasText: '"mode": "stream"' }).waitFor();
    const data = { [hostile]: hostile };
    await peer.request({ type: "publish", topic: `room:${hostile}`, data, event: "<b>e</b>" });
    await page.locator("#received").getByText("<b>e</b>").waitFor();
    expect(await page.locator("img, #received b, #topics-table b").count()).toBe(0);
    expect(faults).toEqual([]);
  });

  test("a subscriber and a publisher try things, and show frames as they are", async () => {
    const { page, faults } = await openNode(server.port);
    const tried = page.locator("#try");
    const received = page.locator("#received .in");
    const answers = page.locator("#answers .in");
    await tried.getByLabel("Topic").first().fill("ticker:gold");
    await tried.getByLabel("At most, in Hz").fill("5");
    await tried.getByRole("button", { name: "Subscribe", exact: true }).click();
    await received.filter({ hasText: '"maxRateHz": 5' }).waitFor();
    await tried.getByLabel("Topic").nth(1).fill("ticker:gold");
    await tried.getByLabel("Data, as JSON").fill('{ "price": 1');
    await tried.getByRole("button", { name: "Publish" }).click();
    await page.locator("#publish-problem").getByText("The data is no JSON").waitFor();
    await tried.getByLabel("Data, as JSON").fill('{ "price": 1 }');
    await tried.getByRole("button", { name: "Publish" }).click();
    await page.locator("#publish-problem").getByText("bad-data").waitFor();
    await tried.getByLabel("Key", { exact: true }).fill("bid");
    await tried.getByLabel("Event").fill("tick");
    await tried.getByRole("button", { name: "Publish" }).click();
    await answers.filter({ hasText: '"offset": 1' }).waitFor();
    await received.filter({ hasText: '"price": 1' }).filter({ hasText: '"event": "tick"' }).waitFor();
    await tried.getByLabel("the key is removed").check();
    await tried.getByLabel("Data, as JSON").fill("");
    await tried.getByRole("button", { name: "Publish" }).click();
    await received.filter({ hasText: '"removed": true' }).waitFor();
    await tried.getByRole("button", { name: "Unsubscribe" }).click();
    await page.locator("#received .out").filter({ hasText: '"unsubscribe"' }).waitFor();
    await tried.getByLabel("Since").fill("no position");
    await tried.getByRole("button", { name: "Subscribe", exact: true }).click();
    await page.locator("#subscribe-problem").getByText("epoch and an offset").waitFor();
    expect(faults).toEqual([]);
  });

  test("a subscriber asks for what it missed since a position", async () => {
    const { page } = await openNode(server.port);
    const peer = await join(server.port);
    const topic = "room:since";
    const first = await peer.request({ type: "publish", topic, data: "one" });
    await peer.request({ type: "publish", topic, data: "two" });
    await page.locator("#subscribe-topic").fill(topic);
    await page.locator("#subscribe-since").fill(`${first.epoch}:1`);
    await page.getByRole("button", { name: "Subscribe", exact: true }).click();
    const answer = page.locator("#received .in").filter({ hasText: '"recovered": true' });
    await answer.waitFor();
    expect(await answer.textContent()).toContain('"two"');
    expect(await answer.textContent()).not.toContain('"one"');
  });

  test("after a crash of the node it says so, comes back and goes on", async () => {
    const mortal = await startServer(engine);
    const { page, faults } = await openNode(mortal.port);
    await page.locator("#node-state").getByText("Live").waitFor();
    await page.getByRole("button", { name: "Subscribe", exact: true }).click();
    await page.locator("#received .in").filter({ hasText: '"mode": "stream"' }).waitFor();
    await mortal.kill();
    await page.locator("#node-state").getByText("has not answered since").waitFor();
    await using again = await ServerProcess.start(engine, { FANWIRE_PORT: String(mortal.port) });
    await page.locator("#node-state").getByText("restarted at").waitFor();
    await page.locator("#received .note").getByText("connected again").waitFor();
    await subscribed(again.port, "room:lobby");
    await says(cell(row(page, "topics", "room:lobby"), 2), (text) => text === "3");
    await page.locator(".chart .mark[d*='M']").first().waitFor({ state: "attached" });
    expect(faults).toEqual([]);
  });
});

describe.each(["bun", "uws"] as const)("the console in production on %s", (engine) => {
  const options = { jwtSecret: secret, apiKeys: [apiKey], console: true };
  const server = served(engine, options);
  const tell = async (key: string | null) => {
    return (await new ApiClient(server.port).request("GET", "/console/state", { key })).status;
  };

  test("tells the state to nobody without a key", async () => {
    expect([await tell(null), await tell("another-key-of-nobody"), await tell(apiKey)]).toEqual([
      401, 401, 200,
    ]);
  });

  test("asks for the key, refuses a wrong one, and keeps the right one for the tab", async () => {
    const { page, faults } = await openNode(server.port);
    await page.getByLabel("API key").fill("another-key-of-nobody");
    await page.keyboard.press("Enter");
    await page.getByText("The node does not know this key.").waitFor();
    expect(await page.locator("#told").isVisible()).toBe(false);
    await page.getByLabel("API key").fill(apiKey);
    await page.getByRole("button", { name: "Show the node" }).click();
    await page.locator("#node-facts").getByText("production mode").waitFor();
    await page.reload();
    await page.locator("#node-state").getByText("Live").waitFor();
    const other = await openNode(server.port);
    await other.page.getByLabel("API key").waitFor();
    expect(faults).toEqual([]);
  });

  test("connects to the room with a token", async () => {
    const { page, faults } = await openNode(server.port);
    await page.getByRole("link", { name: "Room" }).click();
    await page.getByText("A token is needed to connect").waitFor();
    await page.getByLabel("Token").fill(tokenFor("ann"));
    await page.getByRole("button", { name: "Use" }).click();
    await page.getByText("Connected as ann").waitFor();
    await page.getByLabel("Message", { exact: true }).fill("with a token");
    await page.keyboard.press("Enter");
    await page.locator("#messages .own").getByText("with a token").waitFor();
    expect(faults).toEqual([]);
  });

  test("on the admin listener it asks for no key, and has no room", async () => {
    await using admin = await startServer(engine, { jwtSecret: secret, console: true, adminPort: 0 });
    const { adminPort } = JSON.parse(admin.said.find((line) => line.includes('"listening"'))!);
    const peer = await subscribed(admin.port, "room:1", { token: tokenFor("bea") });
    const { page, faults } = await openNode(adminPort);
    await row(page, "connections", "bea").waitFor();
    expect(await page.getByRole("link", { name: "Room" }).isVisible()).toBe(false);
    expect(await page.locator(".needs-socket").filter({ visible: true }).count()).toBe(0);
    expect((await fetch(`http://127.0.0.1:${admin.port}/`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${admin.port}/console/state`)).status).toBe(404);
    peer.raw.destroy();
    expect(faults).toEqual([]);
  });
});
