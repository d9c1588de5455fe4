// Log lines: their form, their levels, and that none is lost when the process ends.

import { expect, test } from "bun:test";
import { openSync } from "node:fs";
import type { LogLevel } from "../src/config/options.ts";
import { createLog } from "../src/log.ts";

function linesAt(level: LogLevel): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = [];
  const log = createLog(level, (line) => lines.push(JSON.parse(line)));
  log.debug("a");
  log.info("b", { port: 9001 });
  log.warn("c");
  log.error("d", { error: new TypeError("broken") });
  return lines;
}

test("a line has its level as a word, its time in milliseconds, its event and its fields, and nothing else", () => {
  const [line] = linesAt("info");
  expect(line).toEqual({ level: "info", time: expect.any(Number), event: "b", port: 9001 });
  expect(Math.abs(Date.now() - Number(line?.time))).toBeLessThan(60_000);
});

test("an error keeps its type, message and stack", () => {
  const [line] = linesAt("error");
  expect(line?.error).toMatchObject({ type: "TypeError", message: "broken" });
  expect(JSON.stringify(line)).toContain("log.test.ts");
});

test("a level hides what is below it, and silent hides everything", () => {
  const events = (level: LogLevel) => linesAt(level).map(({ event }) => event);
  expect(events("debug")).toEqual(["a", "b", "c", "d"]);
  expect(events("warn")).toEqual(["c", "d"]);
  expect(events("silent")).toEqual([]);
});

test("what was logged right before an exit is on standard output", async () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL("../src/log.ts", import.meta.url).pathname)};
    const log = createLog("info");
    for (let n = 0; n < 5000; n++) log.info("line", { n, padding: "x".repeat(100) });
    process.exit(0);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  const lines = (await new Response(child.stdout).text()).trimEnd().split("\n");
  expect(lines).toHaveLength(5000);
  expect(JSON.parse(lines.at(-1) ?? "")).toMatchObject({ n: 4999 });
});

test("a disk that is full ends nothing", async () => {
  const script = `
    import { createLog } from ${JSON.stringify(new URL("../src/log.ts", import.meta.url).pathname)};
    const log = createLog("info");
    log.info("lost");
    setTimeout(() => {
      log.info("lost too");
      console.error("alive");
    }, 50);`;
  const stdio = ["ignore", openSync("/dev/full", "w"), "pipe"] as const;
  const child = Bun.spawn([process.execPath, "-e", script], { stdio: [...stdio] });
  expect(await new Response(child.stderr as ReadableStream).text()).toBe("alive\n");
  expect(await child.exited).toBe(0);
});
