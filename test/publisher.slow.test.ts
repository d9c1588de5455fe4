// `createPublisher` in processes of its own on both runtimes: the README's example does what the README says, and needs no engine.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readme } from "../scripts/readme-tables.ts";
import { endServersAfterEach, start } from "./support/in-process.ts";
import { Peer } from "./support/peer.ts";
import { Process, root } from "./support/process.ts";
import { RedisServer } from "./support/redis-server.ts";
import { secret, tokenFor } from "./support/token.ts";

const timeoutMs = 30_000;
const folder = mkdtempSync(join(tmpdir(), "fanwire-publisher-"));
let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(async () => {
  await redis.end();
  rmSync(folder, { recursive: true });
});
endServersAfterEach();

const [example] = /^import { createPublisher }[^`]*/m.exec(readFileSync(readme, "utf8"))!;

test.each([
  ["bun", process.execPath, "src/publisher.ts"],
  ["node", "node", "dist/publisher.js"],
])(
  "the README's example publishes on %s and ends by itself",
  async (runtime, command, module) => {
    const namespaces = { orders: { mode: "stream", publish: "none", subscribe: "members" } } as const;
    const server = await start({ redis: { urls: [redis.url] }, namespaces, jwtSecret: secret });
    const peer = await Peer.connect(server.address.port, { token: tokenFor("ann") });
    const joined = await peer.request({ type: "subscribe", topic: "orders:7" });
    const script = example
      .replace('"fanwire/publisher"', JSON.stringify(join(root, module)))
      .replace("redis://127.0.0.1:6379", redis.url)
      .replace('"paid-7"', `"paid-${runtime}"`);
    const path = join(folder, `${runtime}.mjs`);
    writeFileSync(path, `${script}\nconsole.log(JSON.stringify({ event: "published", ...position }));\n`);
    const process = new Process([command, path]);
    expect(await process.exit()).toMatchObject({ code: 0, stderr: "" });
    const { epoch, offset } = joined;
    expect(process.log).toEqual([{ event: "published", epoch: epoch!, offset: Number(offset) + 1 }]);
    expect(await peer.next()).toMatchObject({ topic: "orders:7", data: { state: "paid" } });
    expect(await peer.next()).toMatchObject({ topic: "user:ann", data: { text: "thank you" } });
  },
  timeoutMs,
);
