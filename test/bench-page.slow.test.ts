// The report in a real browser: on a desk and on a phone, in light and dark, nothing is cut off, nothing is fetched, and letters can be read.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { fullestResults } from "../bench/report/command.ts";
import { page as pageOf } from "../bench/report/page.ts";
import { launchBrowser, openPage, overflows, pictures } from "./support/browser.ts";
import { syntheticSuite } from "./support/synthetic-suite.ts";

setDefaultTimeout(90_000);

let browser: Browser;
let folder: string;

beforeAll(async () => {
  browser = await launchBrowser();
  folder = mkdtempSync(join(tmpdir(), "fanwire-report-"));
  mkdirSync(pictures, { recursive: true });
  const suite = syntheticSuite();
  const older = fullestResults().filter((one) => one.suite === undefined);
  writeFileSync(join(folder, "report.html"), pageOf(suite, [{ file: "synthetic.json", suite }, ...older]));
});

afterAll(async () => {
  rmSync(folder, { recursive: true });
  await browser.close();
});

const views = [
  { width: 1280, colorScheme: "light" },
  { width: 1280, colorScheme: "dark" },
  { width: 390, colorScheme: "light" },
  { width: 390, colorScheme: "dark" },
] as const;

test.each(views)(
  "at $width pixels, $colorScheme, everything is inside and legible",
  async ({ width, colorScheme }) => {
    const { page, faults } = await openPage(browser, { viewport: { width, height: 800 }, colorScheme });
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(`file://${folder}/report.html`);
    expect(await overflows(page)).toBe(false);
    const outside = await page.locator("svg.plot").evaluateAll((plots) =>
      plots.flatMap((plot) => {
        const frame = plot.getBoundingClientRect();
        return [...plot.querySelectorAll("text")].flatMap((text) => {
          const { left, right, top, bottom, height } = text.getBoundingClientRect();
          const isInside =
            left >= frame.left - 1 &&
            right <= frame.right + 1 &&
            top >= frame.top - 2 &&
            bottom <= frame.bottom + 2;
          return isInside && height > 11
            ? []
            : [
                `${text.textContent} (${Math.round(height)} high) in ${plot.querySelector("title")?.textContent}`,
              ];
        });
      }),
    );
    expect(outside).toEqual([]);
    await page.screenshot({ path: join(pictures, `report-${width}-${colorScheme}.png`), fullPage: true });
    expect(asked).toEqual([`file://${folder}/report.html`]);
    expect(faults).toEqual([]);
    await page.context().close();
  },
);

test("a browser reads it as XML too, and its anchors lead somewhere", async () => {
  const { page } = await openPage(browser);
  await page.goto(`file://${folder}/report.html`);
  const text = await Bun.file(join(folder, "report.html")).text();
  // As a string: the tests know no browser's types.
  const parse = (xml: string) =>
    `new DOMParser().parseFromString(${JSON.stringify(xml)}, "application/xhtml+xml").querySelector("parsererror")?.textContent ?? ""`;
  expect(await page.evaluate<string>(parse(text))).toBe("");
  expect(await page.evaluate<string>(parse("<html><p></html>"))).not.toBe("");
  const hrefs = await page
    .locator("nav a")
    .evaluateAll((links) => links.map((link) => link.getAttribute("href")));
  expect(hrefs.length).toBeGreaterThan(10);
  for (const href of hrefs) expect(await page.locator(href as string).count()).toBe(1);
});
