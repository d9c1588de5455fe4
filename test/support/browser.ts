// The browser of the console's tests, and one window in it: what its scripts throw is kept for the test to look at.

import { join } from "node:path";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { root } from "./server-process.ts";

/** Where pictures go. `PAGE_SCREENSHOTS=docs` renews those of the README. */
export const pictures = join(root, process.env.PAGE_SCREENSHOTS ?? "test/output");

export function launchBrowser(): Promise<Browser> {
  const flags = [
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
  ];
  const args = ["headless", "disable-component-update", "disable-sync", ...flags].map((flag) => `--${flag}`);
  return chromium.launch({ executablePath: "/usr/bin/chromium", args });
}

export interface OpenedPage {
  readonly page: Page;
  /** What went wrong in the page: exceptions, dialogs, and what its policy forbade. */
  readonly faults: string[];
}

/** A window of its own, with an empty page. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<OpenedPage> {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.setDefaultTimeout(30_000);
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("dialog", (dialog) => faults.push(`a dialog: ${dialog.message()}`));
  page.on("console", (message) => {
    if (message.text().includes("Content Security Policy")) faults.push(message.text());
  });
  return { page, faults };
}

export async function overflows(page: Page): Promise<boolean> {
  return page.locator("html").evaluate((html) => html.scrollWidth > html.clientWidth);
}
