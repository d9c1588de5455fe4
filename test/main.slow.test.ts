// The process on both runtimes: how it starts, refuses to start, and ends.

import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Process, runtimes } from "./support/process.ts";
import { connect } from "./support/websocket.ts";

const timeoutMs = 30_000;
const secret = "a secret of more than thirty-two bytes";
const folder = mkdtempSync(join(tmpdir(), "fanwire-main-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const brokenConfig = file("broken.json", "{");
const missingConfig = join(folder, "missing.json");
const saboteur = file(
  "saboteur.mjs",
  `process.stdin.once("data", (text) => {
     if (String(text) === "reject") Promise.reject(new Error("planted"));
     else throw new Error("planted");
   });`,
);

/** So many clients that sending them away takes a while: 50 go every 50 ms. */
const crowd = (port: number, size: number) =>
  Promise.all(Array.from({ length: size }, () => connect(port, { path: "/ws" })));

describe.each(runtimes)("on $engine", ({ engine, command, preload }) => {
  const start = (env: Record<string, string> = {}, ...args: string[]) =>
    new Process([...command, ...args], { FANWIRE_PORT: "0", ...env });

  async function listening(node: Process): Promise<number> {
    return Number((await node.event("listening")).port);
  }

  test.each<[string, Record<string, string>, string[], string]>([
    ["an unknown variable", { FANWIRE_PROT: "1" }, [], "FANWIRE_PROT is not a variable of fanwire"],
    [
      "a value out of bounds",
      { FANWIRE_PORT: "65536" },
      [],
      "FANWIRE_PORT is 65536: must be an integer from 0",
    ],
    [
      "a missing file",
      { FANWIRE_CONFIG: missingConfig },
      [],
      `FANWIRE_CONFIG is "${missingConfig}", a file that`,
    ],
    [
      "a broken file",
      { FANWIRE_CONFIG: brokenConfig },
      [],
      `FANWIRE_CONFIG is "${brokenConfig}", a file that`,
    ],
    [
      "a public host without a secret",
      { FANWIRE_HOST: "0.0.0.0" },
      [],
      'FANWIRE_HOST is "0.0.0.0": must be loopback',
    ],
    [
      "an address that is not ours",
      { FANWIRE_HOST: "192.0.2.1", FANWIRE_JWT_SECRET: secret },
      [],
      "FANWIRE_HOST is 192.0.2.1: must be an address of this machine",
    ],
    ["an unknown flag", {}, ["--port=1"], 'cannot be started with "--port=1"; --help says what there is'],
    ["an argument", {}, ["start"], 'cannot be started with "start"; --help says what there is'],
  ])(
    "%s stops the start with one line",
    async (_, env, args, line) => {
      const { code, stdout, stderr } = await start(env, ...args).exit();
      expect(stderr).toStartWith(`fanwire: ${line}`);
      expect(stderr.indexOf("\n")).toBe(stderr.length - 1);
      expect(stdout).toBe("");
      expect(code).toBe(1);
    },
    timeoutMs,
  );

  test(
    "a taken port stops the start with one line",
    async () => {
      const taken = createServer();
      const port = await new Promise<number>((resolve) =>
        taken.listen(0, "127.0.0.1", () => resolve((taken.address() as { port: number }).port)),
      );
      const { code, stdout, stderr } = await start({ FANWIRE_PORT: `${port}` }).exit();
      taken.close();
      expect(stderr).toBe(
        `fanwire: FANWIRE_PORT is ${port}: must be a free port that this user may take (EADDRINUSE)\n`,
      );
      expect(stdout).toBe("");
      expect(code).toBe(1);
    },
    timeoutMs,
  );

  test(
    "--help names every variable, --version the version, and neither starts a node",
    async () => {
      const help = await start({}, "--help").exit();
      expect(help).toMatchObject({ code: 0, stderr: "" });
      for (const name of ["FANWIRE_CONFIG", "FANWIRE_PORT", "FANWIRE_JWT_SECRET"])
        expect(help.stdout).toContain(name);
      const version = await start({}, "--version").exit();
      expect(version).toMatchObject({ code: 0, stderr: "" });
      expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    },
    timeoutMs,
  );

  test(
    "it says where it listens, and in development mode where its page is",
    async () => {
      const node = start();
      const { port, host } = await node.event("listening");
      expect(node.log[0]).toMatchObject({
        level: "info",
        host: "127.0.0.1",
        engine,
        time: expect.any(Number),
      });
      const { url } = await node.event("page");
      expect(url).toBe(`http://${host}:${port}/`);
      expect((await fetch(`${url}health`)).status).toBe(200);
      node.kill("SIGTERM");
      expect(await node.exit()).toMatchObject({ code: 0, stderr: "" });
    },
    timeoutMs,
  );

  test(
    "with a secret it has no page",
    async () => {
      const node = start({ FANWIRE_JWT_SECRET: secret });
      await listening(node);
      node.kill("SIGTERM");
      await node.exit();
      expect(node.log.map(({ event }) => event)).not.toContain("page");
    },
    timeoutMs,
  );

  test(
    "with an admin listener its console is there",
    async () => {
      const node = start({ FANWIRE_JWT_SECRET: secret, FANWIRE_CONSOLE: "true", FANWIRE_ADMIN_PORT: "0" });
      const { adminPort } = await node.event("listening");
      expect((await node.event("page")).url).toBe(`http://127.0.0.1:${adminPort}/`);
      node.kill("SIGTERM");
      await node.exit();
    },
    timeoutMs,
  );

  test.each(["SIGTERM", "SIGINT"] as const)(
    "%s sends the clients away politely and ends it with 0",
    async (signal) => {
      const node = start();
      const client = await connect(await listening(node), { path: "/ws" });
      await client.nextJson();
      node.kill(signal);
      expect(await client.closed()).toEqual({ code: 1012, reason: "draining" });
      expect(await node.exit()).toMatchObject({ code: 0, stderr: "" });
      expect(node.log.at(-1)).toMatchObject({ event: "closed" });
    },
    timeoutMs,
  );

  test(
    "a signal that arrives twice at once, by way of npm, counts once",
    async () => {
      const node = start();
      await crowd(await listening(node), 150);
      node.kill("SIGINT");
      await node.event("draining");
      node.kill("SIGINT");
      expect(await node.exit()).toMatchObject({ code: 0 });
      expect(node.log.at(-1)).toMatchObject({ event: "closed" });
    },
    timeoutMs,
  );

  test(
    "a second signal ends it at once with 1",
    async () => {
      const node = start();
      await crowd(await listening(node), 700);
      node.kill("SIGTERM");
      await node.event("draining");
      await Bun.sleep(300);
      node.kill("SIGTERM");
      expect(await node.exit()).toMatchObject({ code: 1 });
      expect(node.log.map(({ event }) => event)).not.toContain("closed");
    },
    timeoutMs,
  );

  test.each(["throw", "reject"])(
    "a fault of ours (%s) is logged and ends it with 1",
    async (how) => {
      const node = new Process([command[0], preload, saboteur, ...command.slice(1)], { FANWIRE_PORT: "0" });
      await crowd(await listening(node), 1);
      node.child.stdin?.write(how);
      expect(await node.event("fault")).toMatchObject({ level: "error", error: { message: "planted" } });
      expect(await node.exit()).toMatchObject({ code: 1 });
    },
    timeoutMs,
  );

  test(
    "it lives on when nobody reads its log any more",
    async () => {
      const node = start({ FANWIRE_LOG_LEVEL: "debug" });
      const port = await listening(node);
      node.child.stdout?.destroy();
      const client = await connect(port, { path: "/ws" });
      await client.nextJson();
      node.kill("SIGTERM");
      expect(await client.closed()).toMatchObject({ code: 1012 });
      expect(await node.exit()).toMatchObject({ code: 0, stderr: "" });
    },
    timeoutMs,
  );
});
