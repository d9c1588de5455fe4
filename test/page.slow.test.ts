// The view `Room` of the console in a real browser, on both engines: what people see, and what becomes of it when networks and servers fail.

import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { launchBrowser, openPage, overflows, pictures } from "./support/browser.ts";
import { Link } from "./support/link.ts";
import { ServerProcess } from "./support/server-process.ts";
import { connect } from "./support/websocket.ts";

setDefaultTimeout(90_000);

let browser: Browser;
let rooms = 0;

beforeAll(async () => {
  browser = await launchBrowser();
});

afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
});

afterAll(() => browser.close());

/** One window of its own. Anything the page's script throws fails the test that looks at it last. */
class Window {
  readonly page: Page;
  readonly faults: readonly string[];

  private constructor(page: Page, faults: readonly string[]) {
    this.page = page;
    this.faults = faults;
  }

  static async open(port: number, room: string, options: BrowserContextOptions = {}): Promise<Window> {
    const { page, faults } = await openPage(browser, options);
    const window = new Window(page, faults);
    await window.page.goto(`http://127.0.0.1:${port}/?room=${encodeURIComponent(room)}`);
    await window.is("online");
    return window;
  }

  is(state: "online" | "waiting" | "away"): Promise<void> {
    return this.page.locator(`body[data-state="${state}"]`).waitFor();
  }

  async say(text: string): Promise<void> {
    await this.page.getByLabel("Message", { exact: true }).fill(text);
    await this.page.keyboard.press("Enter");
  }

  message(text: string): Locator {
    return this.page.locator("#messages .message").filter({ hasText: text });
  }

  /** Waits for the text and makes sure that it stands there once. */
  async sees(text: string): Promise<void> {
    await this.message(text).first().waitFor();
    expect(await this.message(text).count()).toBe(1);
  }

  notice(text: string): Promise<void> {
    return this.page.locator(".notice").filter({ hasText: text }).first().waitFor();
  }

  texts(): Promise<string[]> {
    return this.page.locator("#messages .words").allTextContents();
  }

  facts(text: string): Promise<string | null> {
    return this.message(text).locator(".facts").textContent();
  }

  userId(): Promise<string | null> {
    return this.page.locator("#user-id").textContent();
  }
}

const newRoom = () => `room-${++rooms}`;

describe.each(["bun", "uws"] as const)("the page on %s", (engine) => {
  let server: ServerProcess;

  beforeAll(async () => {
    server = await ServerProcess.start(engine);
  });

  afterAll(() => server.kill());

  test("two windows see each other's messages, with the same offsets", async () => {
    const room = newRoom();
    const [left, right] = [await Window.open(server.port, room), await Window.open(server.port, room)];
    await left.say("from the left");
    await right.sees("from the left");
    await right.say("from the right");
    await left.sees("from the right");
    await left.sees("from the left");
    expect(await left.facts("from the left")).toStartWith("#1 ");
    expect(await right.facts("from the left")).toStartWith("#1 ");
    expect(await left.facts("from the right")).toStartWith("#2 ");
    const sender = right.message("from the left").locator(".who");
    expect(await sender.textContent()).toBe(await left.userId());
    expect(await left.message("from the left").getAttribute("class")).toContain("own");
    expect(await right.message("from the left").getAttribute("class")).not.toContain("own");
    await left.page.locator("#outbox:empty").waitFor({ state: "attached" });
    expect([...left.faults, ...right.faults]).toEqual([]);
  });

  test("who types is shown to the others for a few seconds", async () => {
    const room = newRoom();
    const [left, right] = [await Window.open(server.port, room), await Window.open(server.port, room)];
    await right.page.getByText("Nothing has been said here yet").waitFor();
    await left.page.getByLabel("Message", { exact: true }).pressSequentially("hm");
    const typing = right.page.getByText(`${await left.userId()} is typing…`);
    await typing.waitFor();
    await typing.waitFor({ state: "detached" });
    expect(await left.page.locator("#typing").textContent()).toBe("");
  });

  test("the round trip is measured and drawn", async () => {
    const { page } = await Window.open(server.port, newRoom());
    await page
      .getByLabel("Round trip")
      .filter({ hasText: /^\d+(\.\d)? ms$/ })
      .waitFor();
    await page.locator("#spark polyline[points*=' ']").waitFor({ state: "attached" });
  });

  test("nobody is asked for a token in development mode", async () => {
    const { page } = await Window.open(server.port, newRoom());
    await page.locator("#engine-room[open]").waitFor();
    expect(await page.getByLabel("Token").isVisible()).toBe(false);
  });

  test("hostile text stays text, in messages and in rooms' names", async () => {
    const hostile = `<img src=x onerror="alert(1)">`;
    const room = newRoom();
    const [left, right] = [await Window.open(server.port, room), await Window.open(server.port, room)];
    await left.say(hostile);
    await right.sees(hostile);
    expect(await right.page.locator("img").count()).toBe(0);
    const named = await Window.open(server.port, hostile.replaceAll(" ", "-"));
    expect(await named.page.locator("img").count()).toBe(0);
    expect([...left.faults, ...right.faults, ...named.faults]).toEqual([]);
  });

  test("the server's policy lets the page's own script and style run and nothing else", async () => {
    const { page } = await Window.open(server.port, newRoom());
    const response = await page.goto(`http://127.0.0.1:${server.port}/`);
    expect(response?.headers()["content-security-policy"]).toContain("default-src 'none'");
  });

  test("a refused message says why, and can be sent again", async () => {
    const window = await Window.open(server.port, "no spaces");
    const { page } = window;
    const why = page.getByRole("alert").filter({ hasText: "bad-topic" });
    await why.waitFor();
    await window.say("will not do");
    const refused = page.locator("#outbox .refused").filter({ hasText: "will not do" });
    await refused.waitFor();
    const publishes = page
      .locator("#frames .out")
      .filter({ hasText: '"publish", "topic": "room:no spaces"' });
    expect(await publishes.count()).toBe(1);
    await page.getByRole("button", { name: "Send again" }).click();
    await publishes.nth(1).waitFor();
    await refused.waitFor();
    expect(window.faults).toEqual([]);
  });

  test("a page joins another room and leaves the first", async () => {
    const [first, second] = [newRoom(), newRoom()];
    const [left, right] = [await Window.open(server.port, first), await Window.open(server.port, second)];
    await left.page.getByLabel("Room", { exact: true }).fill(second);
    await left.page.getByRole("button", { name: "Join" }).click();
    await right.say("welcome");
    await left.sees("welcome");
    expect(left.page.url()).toEndWith(`?room=${second}`);
    const outsider = await Window.open(server.port, first);
    await outsider.say("not for you");
    await outsider.sees("not for you");
    await right.say("the end");
    await left.sees("the end");
    expect(await left.texts()).toEqual(["welcome", "the end"]);
  });

  test("a page that was cut off comes back, recovers what it missed and sends what was written meanwhile", async () => {
    const room = newRoom();
    using link = await Link.to(server.port);
    const [stays, away] = [await Window.open(server.port, room), await Window.open(link.port, room)];
    await stays.say("before");
    await away.sees("before");
    link.cut();
    await away.is("waiting");
    for (const text of ["missed 1", "missed 2"]) {
      await stays.say(text);
      await stays.sees(text);
    }
    await away.say("written in the tunnel");
    await away.page.locator("#outbox .pending").waitFor();
    link.mend();
    await away.notice("recovered 2 missed");
    await stays.sees("written in the tunnel");
    await away.sees("written in the tunnel");
    const all = ["before", "missed 1", "missed 2", "written in the tunnel"];
    expect(await away.texts()).toEqual(all);
    expect(await stays.texts()).toEqual(all);
    expect(away.faults).toEqual([]);
  });

  test("a page that joins in the middle of a storm shows every message once and in order", async () => {
    const room = newRoom();
    const publisher = await connect(server.port, { path: "/ws", protocols: ["fanwire.v1.json"] });
    let published = 0;
    const storm = setInterval(() => {
      published += 1;
      publisher.sendJson({ type: "publish", topic: `room:${room}`, data: { text: `gust ${published}` } });
    }, 3);
    const window = await Window.open(server.port, room);
    await window.page.locator("#messages .message").nth(120).waitFor();
    clearInterval(storm);
    await window.sees(`gust ${published}`);
    const texts = await window.texts();
    const first = published - texts.length + 1;
    expect(texts).toEqual(texts.map((_, i) => `gust ${first + i}`));
    publisher.destroy();
  });

  test("what arrives before the page of history is shown behind it", async () => {
    const room = newRoom();
    const publisher = await connect(server.port, { path: "/ws", protocols: ["fanwire.v1.json"] });
    const publish = (text: string) =>
      publisher.sendJson({ type: "publish", topic: `room:${room}`, data: { text } });
    publish("old");
    await publisher.settled();
    const page = await (await browser.newContext()).newPage();
    await page.routeWebSocket("**/ws?*", (near) => {
      let history: string | undefined;
      near.connectToServer().onMessage((frame) => {
        const { more, topic } = JSON.parse(String(frame));
        if (more !== undefined) {
          history = String(frame);
          return publish("new");
        }
        near.send(frame);
        if (history !== undefined && topic === `room:${room}`) near.send(history);
      });
    });
    await page.goto(`http://127.0.0.1:${server.port}/?room=${room}`);
    await page.locator("#messages .message").nth(1).waitFor();
    expect(await page.locator("#messages .words").allTextContents()).toEqual(["old", "new"]);
    publisher.destroy();
  });

  test("a link that falls silent without closing is noticed and replaced", async () => {
    const room = newRoom();
    using link = await Link.to(server.port);
    const [stays, away] = [await Window.open(server.port, room), await Window.open(link.port, room)];
    await away.page.getByText("Nothing has been said here yet").waitFor();
    link.silence();
    await stays.say("into the silence");
    await away.notice("recovered 1 missed");
    await away.sees("into the silence");
  });

  test("after a crash of the server the pages come back by themselves, say that history was lost, and go on", async () => {
    const room = newRoom();
    using link = await Link.to(server.port);
    const [soon, later] = [await Window.open(server.port, room), await Window.open(link.port, room)];
    await soon.say("before the crash");
    await later.sees("before the crash");
    link.cut();
    await server.kill();
    await Promise.all([soon.is("waiting"), later.is("waiting")]);
    server = await ServerProcess.start(engine, { FANWIRE_PORT: String(server.port) });
    await soon.notice("reset: history did not reach");
    await soon.say("after the crash");
    await soon.sees("after the crash");
    expect(await soon.facts("after the crash")).toStartWith("#1 ");
    link.mend();
    await later.notice("reset: history did not reach");
    await soon.say("all are back");
    await later.sees("all are back");
    const all = ["before the crash", "after the crash", "all are back"];
    expect(await soon.texts()).toEqual(all);
    expect(await later.texts()).toEqual(all);
    expect([...soon.faults, ...later.faults]).toEqual([]);
  });
});

test("the pictures of the page", async () => {
  await mkdir(pictures, { recursive: true });
  await using server = await ServerProcess.start("bun");
  using link = await Link.to(server.port);
  const desktop = { width: 1160, height: 720 };
  const light = await Window.open(server.port, "match", { viewport: desktop, colorScheme: "light" });
  const dark = await Window.open(server.port, "match", { viewport: desktop, colorScheme: "dark" });
  const phoneOptions = { viewport: { width: 360, height: 700 }, deviceScaleFactor: 2, isMobile: true };
  const phone = await Window.open(link.port, "match", phoneOptions);
  const says = async (window: Window, text: string) => {
    await window.say(text);
    await Promise.all([light, dark].map((other) => other.message(text).waitFor()));
  };
  await says(light, "Anyone up for the six o'clock match?");
  await says(dark, "Yes. Same room as yesterday?");
  await says(dark, "I can bring two more.");
  await says(phone, "On the train, so I may drop out for a minute.");
  link.cut();
  await phone.is("waiting");
  await says(light, "<b>No problem</b>, we wait.");
  await says(light, "The server remembers what you miss.");
  link.mend();
  await phone.notice("recovered 2 missed");
  await says(phone, "Back, and I missed nothing.");
  const spark = light.page.locator("#spark polyline");
  while ((await spark.getAttribute("points"))!.split(" ").length < 8) await light.page.waitForTimeout(500);
  await light.page.getByLabel("Message", { exact: true }).pressSequentially("Then we are five");
  await dark.page.getByText("is typing…").waitFor();
  await phone.page.getByText("is typing…").waitFor();
  for (const [window, name] of [
    [light, "light"],
    [dark, "dark"],
    [phone, "phone"],
  ] as const) {
    await window.page.screenshot({ path: join(pictures, `page-${name}.png`) });
    expect(await overflows(window.page)).toBe(false);
  }
});
