// A crew in a page of headless Chromium.

import type { Browser, Page } from "playwright-core";
import { launchBrowser, openPage } from "../support/browser.ts";
import { root } from "../support/server-process.ts";
import type { Crew } from "./crew.ts";
import type { GroupPlan } from "./group.ts";

/** Where the page says it comes from. Nobody listens there: its one document is answered within the browser. */
export const pageOrigin = "http://127.0.0.1:4000";

export class BrowserCrew implements Crew {
  readonly #browser: Browser;
  readonly #page: Page;

  private constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.#page = page;
  }

  static async start(plan: GroupPlan): Promise<BrowserCrew> {
    const entrypoints = [`${root}/test/fleet/group.ts`, `${root}/src/client/client.ts`];
    const { outputs } = await Bun.build({ entrypoints, format: "esm", target: "browser" });
    const [group = "", client = ""] = await Promise.all(outputs.map((output) => output.text()));
    const files: Record<string, string> = { "/group.js": group, "/client.js": client };
    const browser = await launchBrowser();
    const { page } = await openPage(browser);
    // To the browser a document that came from nowhere is no part of this machine.
    await page.context().grantPermissions(["local-network-access"], { origin: pageOrigin });
    await page.route(`${pageOrigin}/**`, (route) => {
      const script = files[new URL(route.request().url()).pathname];
      return script === undefined
        ? route.fulfill({ contentType: "text/html", body: "<!doctype html>" })
        : route.fulfill({ contentType: "text/javascript", body: script });
    });
    await page.goto(`${pageOrigin}/`);
    await page.evaluate(`Promise.all([import("/group.js"), import("/client.js")]).then(([a, b]) => {
      globalThis.group = new a.Group(b.createClient, ${JSON.stringify(plan)});
    })`);
    return new BrowserCrew(browser, page);
  }

  ask: Crew["ask"] = (command, ...args) =>
    this.#page.evaluate(`group.${command}(...${JSON.stringify(args)})`);

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
