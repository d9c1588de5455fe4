// The package as a stranger installs it: on Bun at once, on Node.js with the engine's package beside it.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Process, root } from "./support/process.ts";
import { RedisServer } from "./support/redis-server.ts";

const timeoutMs = 120_000;
const folder = mkdtempSync(join(tmpdir(), "fanwire-package-"));
const bun = process.execPath;
const bin = "node_modules/.bin/fanwire";
let packed: { name: string; filename: string; files: { path: string }[] };

function npm(cwd: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("npm", args, { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm ${args.join(" ")} failed: ${stderr}`);
  return stdout;
}

const install = (what: string) =>
  npm(folder, "install", "--no-audit", "--no-fund", "--prefer-offline", "--ignore-scripts", what);

beforeAll(() => {
  // Without scripts: `npm test` has built the package already, and other tests are using what it built.
  const answer = JSON.parse(npm(root, "pack", "--json", "--ignore-scripts", "--pack-destination", folder));
  packed = Array.isArray(answer) ? answer[0] : Object.values(answer)[0];
  writeFileSync(join(folder, "package.json"), '{"private": true, "type": "module"}');
  writeFileSync(
    join(folder, "application.mjs"),
    `import { createServer } from "fanwire";
     const server = await createServer({ port: 0 });
     await server.publish("room:1", { hello: "world" });
     await server.close();`,
  );
  writeFileSync(
    join(folder, "application.ts"),
    `import { createServer, type Server } from "fanwire";
     import { createPublisher, type Publisher } from "fanwire/publisher";
     import { createClient, type Message } from "fanwire/client";
     import { msgpack } from "fanwire/client/msgpack";
     const client = createClient("ws://127.0.0.1:1/ws", { format: msgpack, token: async () => "a.b.c" });
     client.subscribe("room:1", { onMessage: ({ topic, data }: Message) => void [topic, data] });
     client.on("state", (state) => state.state === "waiting" && state.retryInMs);
     // @ts-expect-error There is no such event.
     client.on("stat", () => undefined);
     const server: Server = await createServer({ port: 0, limits: { heartbeatMs: 1000 } });
     const port: number = server.address.port;
     const publisher: Publisher = await createPublisher({ redis: { urls: ["redis://127.0.0.1:1"] } });
     await publisher.publish("room:1", 1, { idempotencyKey: "one" });
     // @ts-expect-error There is no such option, and the types have to know.
     await createServer({ prot: port });`,
  );
  install(packed.filename);
}, timeoutMs);
afterAll(() => rmSync(folder, { recursive: true }));

const start = (...command: string[]) => new Process(command, { FANWIRE_PORT: "0" }, folder);

async function startsAndStops(engine: string, ...command: string[]): Promise<void> {
  const node = start(...command);
  expect(await node.event("listening")).toMatchObject({ engine });
  const { url } = await node.event("page");
  const page = await fetch(String(url));
  expect(page.status).toBe(200);
  expect(await page.text()).toContain("<html");
  node.kill("SIGTERM");
  expect(await node.exit()).toMatchObject({ code: 0, stderr: "" });
}

test("it holds what is needed to run and to read, and nothing else", () => {
  const paths = packed.files.map(({ path }) => path);
  const needed = [
    "dist/main.js",
    "dist/server.js",
    "dist/server.d.ts",
    "dist/publisher.js",
    "dist/client/client.js",
    "dist/client/client.d.ts",
    "dist/client/msgpack.js",
    "dist/console/page/client.js",
    "docs/getting-started.md",
    "redis/redis.conf",
  ];
  for (const path of [...needed, "README.md", "LICENSE"]) {
    expect(paths).toContain(path);
  }
  const plain =
    /^(package\.json|[A-Z]+(\.md)?|redis\/redis\.conf|docs\/[a-z-]+\.md|dist\/.*\.(js|d\.ts|js\.map|html|css|svg))$/;
  expect(paths.filter((path) => !plain.test(path))).toEqual([]);
});

test(
  "an application's types are checked against it",
  () => {
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--types", "node"];
    const types = ["--typeRoots", join(root, "node_modules/@types")];
    const result = spawnSync("node", [compiler, ...flags, ...types, "application.ts"], {
      cwd: folder,
      encoding: "utf8",
    });
    expect(result.stdout).toBe("");
    expect(result.status).toBe(0);
  },
  timeoutMs,
);

describe("on Bun", () => {
  test("the command starts a node", () => startsAndStops("bun", bun, "--bun", bin), timeoutMs);

  test(
    "an application runs a server of its own",
    async () => {
      expect(await start(bun, "application.mjs").exit()).toMatchObject({ code: 0, stderr: "" });
    },
    timeoutMs,
  );
});

test("the client comes out of it, by each of its names", async () => {
  for (const name of ["client", "client.min.js"]) {
    const script = `import { createClient } from "fanwire/${name}";
      const client = createClient("ws://127.0.0.1:1/ws", { WebSocket: class { close() {} } });
      client.close();
      console.log(client.state.state);`;
    for (const runtime of ["node", bun]) {
      const run = start(runtime, "--input-type=module", "--eval", script);
      expect(await run.exit()).toMatchObject({ code: 0, stdout: "closed\n" });
    }
  }
});

test(
  "a publisher needs no engine",
  async () => {
    await using redis = await RedisServer.start();
    writeFileSync(
      join(folder, "publisher.mjs"),
      `import { createPublisher } from "fanwire/publisher";
       const publisher = await createPublisher({ redis: { urls: ["${redis.url}"] } });
       await publisher.publish("room:1", { hello: "world" });
       await publisher.close();`,
    );
    for (const runtime of ["node", bun]) {
      expect(await start(runtime, "publisher.mjs").exit()).toMatchObject({ code: 0, stderr: "" });
    }
    expect(await redis.command("XLEN", "fanwire:h:room:1")).toBe("2");
  },
  timeoutMs,
);

test(
  "on Node.js the command names the missing package, and works once that is installed as it says",
  async () => {
    const { code, stdout, stderr } = await start(bin).exit();
    expect(code).toBe(1);
    expect(stdout).toBe("");
    const said = /^fanwire: .*uWebSockets\.js.*: npm install "(\S+)"\n$/.exec(stderr);
    expect(said).not.toBeNull();
    install(said?.[1] ?? "");
    await startsAndStops("uws", bin);
    expect(await start("node", "application.mjs").exit()).toMatchObject({ code: 0, stderr: "" });
  },
  timeoutMs,
);
