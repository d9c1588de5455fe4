// How the tests read a page's code blocks: each has something to be done with it, or the page is refused.

import { expect, test } from "bun:test";
import { codeBlocks, patternOf } from "./support/code-blocks.ts";

const fence = (info: string, code: string) => `\`\`\`${info}\n${code}\n\`\`\`\n`;

test("a block has its kind, its place, and what it prints", () => {
  const page = ["# Page\n", fence("sh node", "npm start"), fence("js", "go();"), "\n", fence("text", "a\nb")];
  expect(codeBlocks(page.join(""))).toEqual([
    { info: "sh node", code: "npm start\n", line: 3 },
    { info: "js", code: "go();\n", line: 6, prints: ["a", "b"] },
  ]);
});

test.each(["", "python", "js skip", "json", "text before"])("a block of %p is refused", (info) => {
  expect(() => codeBlocks(fence(info, "x"))).toThrow("nobody knows");
});

test("what nothing prints is refused", () => {
  expect(() => codeBlocks(fence("text", "x"))).toThrow("nothing before it prints this");
  expect(() => codeBlocks(fence("js", "x") + fence("text", "x") + fence("text", "x"))).toThrow(
    "nothing before",
  );
  expect(() => codeBlocks(fence("sh node", "x") + fence("text", "x"))).toThrow("nothing before");
});

test("a shown line is taken as it stands, but for what is left open", () => {
  expect(patternOf('{"epoch":"…","offset":1}').test('{"epoch":"c0ffee","offset":1}')).toBe(true);
  expect(patternOf('{"epoch":"…","offset":1}').test('{"epoch":"c0ffee","offset":11}')).toBe(false);
  expect(patternOf("a.b").test("a-b")).toBe(false);
  expect(patternOf("a").test("ab")).toBe(false);
});
