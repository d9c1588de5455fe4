// The client as the README, docs/ and the examples show it: their code is run as it stands.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CodeBlock, codeBlocks } from "./support/code-blocks.ts";
import { PageRun } from "./support/page-run.ts";
import { Process, root } from "./support/process.ts";
import { ServerProcess } from "./support/server-process.ts";

setDefaultTimeout(60_000);

let server: ServerProcess;
const folder = mkdtempSync(join(tmpdir(), "fanwire-docs-"));

beforeAll(async () => {
  server = await ServerProcess.start("bun");
});
afterAll(async () => {
  await server.kill();
  rmSync(folder, { recursive: true });
});

/** The blocks of JavaScript in the README's chapter on clients. */
function blocks(): string[] {
  const text = readFileSync(join(root, "README.md"), "utf8");
  const chapter = text.slice(
    text.indexOf("## A client in ten lines"),
    text.indexOf("## Inside an application"),
  );
  return Array.from(chapter.matchAll(/```js\n(.*?)```/gs), ([, code]) => code!);
}

test.each([0, 1])("the README's client %p says hello and hears it", async (which) => {
  const code = blocks()[which]!;
  expect(code.trim().split("\n").length).toBeLessThanOrEqual(10);
  const script = code
    .replace('"fanwire/client"', JSON.stringify(join(root, "src/client/client.ts")))
    .replace("127.0.0.1:9001", `127.0.0.1:${server.port}`)
    .replaceAll("room:lobby", `room:${which}`);
  const path = join(folder, `block-${which}.mjs`);
  writeFileSync(path, script);
  const run = new Process([process.execPath, path]);
  expect(await run.line(/hello/)).toMatch(/^room:\d 1 "?hello"?$/);
  run.kill("SIGKILL");
});

test("two chat clients hear each other, and end with what was typed last", async () => {
  const env = { FANWIRE_URL: `ws://127.0.0.1:${server.port}/ws` };
  const [ann, ben] = [0, 1].map(
    () => new Process([process.execPath, "examples/chat-client.ts", "chat"], env),
  );
  for (const chat of [ann!, ben!]) {
    await chat.line(/^\(connected\)$/);
    chat.child.stdin!.write("here\n");
    await chat.line(/"here"/);
  }
  ann!.child.stdin!.write("hello ben\n");
  await ben!.line(/^guest-\S+: {"text":"hello ben"}$/);
  for (const chat of [ann!, ben!]) {
    chat.child.stdin!.end();
    expect(await chat.exit()).toMatchObject({ code: 0, stderr: "" });
  }
});

const pages = readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md"));
const blocksOf = (page: string) => codeBlocks(readFileSync(join(root, "docs", page), "utf8"));
const isBefore = ({ info }: CodeBlock) => info.endsWith(" before");

describe("docs/", () => {
  test("has these pages, and only what a reader moves away from is not run", () => {
    expect(pages.sort()).toEqual([
      "authentication.md",
      "client.md",
      "getting-started.md",
      "modes.md",
      "moving.md",
    ]);
    const left = pages.flatMap((page) =>
      blocksOf(page)
        .filter(isBefore)
        .map(() => page),
    );
    expect(left).toEqual(["moving.md", "moving.md"]);
  });

  test.each(pages)("%s: its blocks do what it says, one after the other", async (page) => {
    const run = new PageRun();
    try {
      for (const block of blocksOf(page).filter((block) => !isBefore(block))) await run.run(block);
    } finally {
      await run.end();
    }
  });

  test("its TypeScript passes the compiler", () => {
    const run = new PageRun();
    const blocks = pages.flatMap(blocksOf).filter(({ info }) => /^ts( listens)?$/.test(info));
    const names = blocks.map((_, at) => `block-${at}.mts`);
    for (const [at, { code }] of blocks.entries()) writeFileSync(join(run.folder, names[at]!), code);
    const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"];
    const types = ["--typeRoots", join(root, "node_modules/@types")];
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const { stdout } = spawnSync("node", [compiler, ...flags, ...types, ...names], {
      cwd: run.folder,
      encoding: "utf8",
    });
    rmSync(run.folder, { recursive: true });
    expect(blocks.length).toBeGreaterThan(1);
    expect(stdout).toBe("");
  });
});
