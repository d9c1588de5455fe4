// Links within the project's pages lead somewhere: to a file that is there, and a heading that it has.

import { expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const isPage = (name: string) => name.endsWith(".md");
const pages = ["", "docs", "examples", "bench"].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter(isPage)
    .map((name) => join(folder, name)),
);

const prose = (path: string) => readFileSync(join(root, path), "utf8").replace(/^```.*?^```$/gms, "");

/** A page's headings as the names by which links reach them. */
function anchorsOf(path: string): string[] {
  return Array.from(prose(path).matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test.each(pages)("%s: its links lead somewhere", (page) => {
  const links = Array.from(prose(page).matchAll(/\]\(([^()\s]+)\)/g), ([, link = ""]) => link);
  const lost = links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path = "", anchor] = link.split("#");
    const target = path === "" ? page : join(dirname(page), path);
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !(isPage(target) && anchorsOf(target).includes(anchor));
  });
  expect(lost).toEqual([]);
});

test("there are pages and links to be looked at", () => {
  expect(pages).toEqual(expect.arrayContaining(["README.md", "PROTOCOL.md", "docs/moving.md"]));
  expect(anchorsOf("PROTOCOL.md")).toContain("close-codes");
});
