// The example for nginx with a real nginx: who meets where, what comes through, and that a node which drains loses nobody.

import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../scripts/free-port.ts";
import { dropPeers, Peer } from "./support/peer.ts";
import { root } from "./support/process.ts";
import { startServer } from "./support/served.ts";
import type { ServerProcess } from "./support/server-process.ts";
import { secret, tokenFor } from "./support/token.ts";
import { connect, type HandshakeRefused } from "./support/websocket.ts";

const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
const folder = mkdtempSync(join(tmpdir(), "fanwire-nginx-"));
let nodes: ServerProcess[] = [];
let nginx: ChildProcess | undefined;
let port = 0;

beforeAll(async () => {
  const engines = ["bun", "uws", "bun"] as const;
  const limits = { maxConnectionsPerAddress: 200 };
  const options = { jwtSecret: secret, trustedProxies: ["127.0.0.1"], limits };
  nodes = await Promise.all(
    engines.map((engine, index) => startServer(engine, { ...options, nodeId: `n${index + 1}` })),
  );
  port = await freePort();
  mkdirSync(join(folder, "logs"));
  let text = readFileSync(join(root, "haproxy/nginx.conf"), "utf8").replace(
    "127.0.0.1:8080",
    `127.0.0.1:${port}`,
  );
  for (const [index, node] of nodes.entries()) text = text.replaceAll(`:${9001 + index} `, `:${node.port} `);
  const file = join(folder, "nginx.conf");
  writeFileSync(file, text);
  const global = `daemon off; pid ${join(folder, "pid")};`;
  nginx = spawn("nginx", ["-p", folder, "-c", file, "-g", global], { stdio: "inherit" });
  while (!(await isOpen())) await Bun.sleep(20);
}, 30_000);

afterAll(async () => {
  const ended = nginx && new Promise((resolve) => nginx!.once("exit", resolve));
  nginx?.kill("SIGTERM");
  await ended;
  await Promise.all(nodes.map((node) => node.kill()));
  rmSync(folder, { recursive: true });
});
afterEach(dropPeers);

function isOpen(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTcp(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}

async function nodeOf(path: string, localAddress = "127.0.0.1"): Promise<string> {
  const headers = [["Authorization", `Bearer ${tokenFor(`user-${localAddress}`)}`]] as const;
  const client = await connect(port, { path, localAddress, headers });
  const { nodeId } = await client.nextJson<{ nodeId: string }>();
  client.destroy();
  return nodeId;
}

test("a room's members meet on one node, and rooms are on all of them", async () => {
  const used = new Set<string>();
  for (const room of range(30)) {
    const places = await Promise.all([1, 2, 3].map((host) => nodeOf(`/ws?room=${room}`, `127.0.${host}.1`)));
    expect(new Set(places).size).toBe(1);
    used.add(places[0]!);
  }
  expect([...used].sort()).toEqual(["n1", "n2", "n3"]);
});

test.each(["/ws", "/ws-by-address"])(
  "%s: an address comes to one node, and others to others",
  async (path) => {
    const used = new Set<string>();
    for (const net of range(30)) {
      const places = await Promise.all([1, 2].map(() => nodeOf(path, `127.0.${net}.1`)));
      expect(new Set(places).size).toBe(1);
      used.add(places[0]!);
    }
    expect([...used].sort()).toEqual(["n1", "n2", "n3"]);
  },
);

test("a forged X-Forwarded-For is nobody's, other paths are not there, and no token is logged", async () => {
  const token = tokenFor("of-a-secret-life");
  const come = () =>
    Peer.connect(port, { query: `room=1&token=${token}`, headers: [["X-Forwarded-For", "8.8.8.8"]] }).then(
      () => 101,
      (refused) => (refused as HandshakeRefused).status,
    );
  const statuses = [];
  for (const _ of range(201)) statuses.push(await come());
  expect(statuses).toEqual(range(201).map((n) => (n <= 200 ? 101 : 429)));
  for (const path of ["/metrics", "/api/stats", "/", "/ready", "/ws/../metrics", "//metrics"]) {
    expect([path, (await fetch(`http://127.0.0.1:${port}${path}`)).status]).toEqual([path, 404]);
  }
  dropPeers();
  const log = join(folder, "logs/access.log");
  while (!readFileSync(log, "utf8").includes(" GET /ws 101 ")) await Bun.sleep(20);
  expect(readFileSync(log, "utf8")).not.toContain(token.split(".")[1]!);
});

test("a node that drains loses nobody who comes meanwhile", async () => {
  const before = await Promise.all(range(30).map((room) => nodeOf(`/ws?room=${room}`)));
  const held = await Promise.all(
    range(60).map((room) => Peer.connect(port, { query: `room=${room}`, token: tokenFor("ann") })),
  );
  nodes[0]!.signal("SIGTERM");
  await held.find(({ connected }) => connected.nodeId === "n1")!.take("closing");
  const after = await Promise.all(range(30).map((room) => nodeOf(`/ws?room=${room}`)));
  expect(after).not.toContain("n1");
  expect(after.filter((node, index) => before[index] !== "n1" && node !== before[index])).toEqual([]);
  expect(await nodes[0]!.exited()).toBe(0);
});
