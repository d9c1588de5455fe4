// `npm start`'s script: it passes signals and arguments on and leaves nothing behind.

import { expect, test } from "bun:test";
import { Process } from "./support/process.ts";

const timeoutMs = 30_000;
const start = (...args: string[]) =>
  new Process(["node", "scripts/start.mjs", ...args], { FANWIRE_PORT: "0" });

async function answers(url: unknown): Promise<boolean> {
  return fetch(`${url}health`).then(
    () => true,
    () => false,
  );
}

test(
  "it prints the page's address, and a signal ends the node with its exit code",
  async () => {
    const node = start();
    const { url } = await node.event("page");
    expect(await answers(url)).toBe(true);
    node.kill("SIGTERM");
    expect(await node.exit()).toMatchObject({ code: 0, stderr: "" });
    expect(await answers(url)).toBe(false);
  },
  timeoutMs,
);

test(
  "arguments and a refusal's exit code pass through",
  async () => {
    expect(await start("--version").exit()).toMatchObject({ code: 0, stdout: "0.1.0\n" });
    expect(await start("--nope").exit()).toMatchObject({ code: 1 });
  },
  timeoutMs,
);

test(
  "when it is killed the node does not stay behind",
  async () => {
    const node = start();
    const { url } = await node.event("page");
    node.kill("SIGKILL");
    // Standard output closes when the last process that holds it has ended.
    await node.exit();
    expect(await answers(url)).toBe(false);
  },
  timeoutMs,
);
