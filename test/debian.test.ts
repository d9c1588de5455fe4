// What the commands do where a program is missing that npm cannot bring: install it where they may, else say how.

import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./support/process.ts";

const folder = mkdtempSync(join(tmpdir(), "fanwire-debian-"));
afterAll(() => rmSync(folder, { recursive: true }));
const node = Bun.which("node")!;

/** Asks for programs on a machine where there is nothing but Node.js and what else `folder` holds. */
function ensure(programs: readonly string[], userId: number) {
  const script = `process.getuid = () => ${userId};
    const { ensurePrograms } = await import(${JSON.stringify(join(root, "scripts/debian.mjs"))});
    await ensurePrograms(${JSON.stringify(programs)}, "or do without");
    console.log("> there");`;
  const { exitCode, stdout } = Bun.spawnSync([node, "--input-type=module", "-e", script], {
    env: { PATH: folder },
  });
  return { exitCode, lines: stdout.toString().trimEnd().split("\n") };
}

function program(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
}

test("where nobody may install it, it is said how, and the command ends with 1", () => {
  symlinkSync(node, join(folder, "node"));
  for (const userId of [0, 1000]) {
    expect(ensure(["redis-server", "node", "chromium"], userId)).toEqual({
      exitCode: 1,
      lines: [
        "> missing: redis-server chromium. Only root on Debian could install that here. Install it and come again:",
        ">   sudo apt-get update && sudo apt-get install -y --no-install-recommends redis-server chromium",
        "> or do without",
      ],
    });
  }
});

test("root on Debian has it installed, and what is there is not asked for", () => {
  const calls = join(folder, "calls");
  program("apt-get", `echo "$@" >> ${calls}`);
  expect(ensure(["node"], 0)).toEqual({ exitCode: 0, lines: ["> there"] });
  expect(ensure(["redis-server", "node"], 0)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(calls, "utf8").split("\n")).toEqual([
    "update -q",
    "install -y -q --no-install-recommends redis-server",
    "",
  ]);
  expect(ensure(["redis-server"], 1000).exitCode).toBe(1);
});

test("an installation that fails ends the command with its exit code", () => {
  program("apt-get", "exit 100");
  expect(ensure(["redis-server"], 0).exitCode).toBe(100);
});
