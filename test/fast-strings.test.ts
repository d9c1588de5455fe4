// Node.js: no module of the server leaves the methods of strings slow for the whole process.

import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "..");
const built = JSON.stringify(join(root, "dist/bridge/connection.js"));

/** Whether V8 finds methods of strings by their place, after this much of a program. */
async function areFastAfter(program: string): Promise<boolean> {
  const script = `${program}; console.log(%HasFastProperties(String.prototype))`;
  const child = Bun.spawn(["node", "--allow-natives-syntax", "--input-type=module", "--eval", script], {
    cwd: root,
    stderr: "inherit",
  });
  return JSON.parse(await new Response(child.stdout).text()) as boolean;
}

test("ioredis makes the methods of strings slow, and the door to it makes them fast again", async () => {
  expect(await areFastAfter("")).toBe(true);
  // Where this is true some day, fast-strings.ts has nothing to mend any more.
  expect(await areFastAfter(`await import("ioredis")`)).toBe(false);
  expect(await areFastAfter(`await import(${built})`)).toBe(true);
});
