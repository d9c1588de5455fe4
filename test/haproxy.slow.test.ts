// HAProxy as it is shipped, in front of nodes of both engines: who meets where, what comes through, and what is kept from whom.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Haproxy } from "./support/haproxy.ts";
import { HttpConnection } from "./support/http.ts";
import { dropPeers, Peer } from "./support/peer.ts";
import { root } from "./support/process.ts";
import { startServer } from "./support/served.ts";
import type { ServerProcess } from "./support/server-process.ts";
import { secret, tokenFor } from "./support/token.ts";
import { type ConnectOptions, connect, type HandshakeRefused } from "./support/websocket.ts";

const apiKey = "a-key-for-the-tests-of-the-proxy";
const timeoutMs = 60_000;
const range = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

let nodes: ServerProcess[] = [];
let haproxy: Haproxy;

beforeAll(async () => {
  const engines = ["bun", "uws", "bun"] as const;
  const options = { jwtSecret: secret, apiKeys: [apiKey], console: true, trustedProxies: ["127.0.0.1"] };
  const limits = { maxConnectionsPerAddress: 500 };
  nodes = await Promise.all(
    engines.map((engine, index) => startServer(engine, { ...options, limits, nodeId: `n${index + 1}` })),
  );
  haproxy = await start({ balancePercent: 0 });
}, timeoutMs);

afterAll(async () => {
  await haproxy?.end();
  await Promise.all(nodes.map((node) => node.kill()));
});
afterEach(dropPeers);

async function start(options: Parameters<typeof Haproxy.start>[1]): Promise<Haproxy> {
  const started = await Haproxy.start(
    nodes.map(({ port }) => port),
    options,
  );
  for (const id of range(nodes.length)) await started.sees(id, "UP");
  return started;
}

/** The node that a handshake comes to. */
async function nodeOf(options: ConnectOptions): Promise<string> {
  const client = await connect(haproxy.port, options);
  const { nodeId } = await client.nextJson<{ nodeId: string }>();
  client.destroy();
  return nodeId;
}

const bearer = (user: string) => [["Authorization", `Bearer ${tokenFor(user)}`]] as const;

describe("a connection's node", () => {
  test("is the same for a room, whoever comes by whatever token", async () => {
    const used = new Set<string>();
    for (const room of range(30)) {
      const path = `/ws?room=${room}`;
      const places = await Promise.all([
        nodeOf({ path, headers: bearer(`ann-${room}`) }),
        nodeOf({ path, headers: bearer(`ben-${room}`), localAddress: "127.0.0.2" }),
        nodeOf({ path: `/ws?token=${tokenFor("cat")}&room=${room}` }),
      ]);
      expect(new Set(places).size).toBe(1);
      used.add(places[0]);
    }
    expect([...used].sort()).toEqual(["n1", "n2", "n3"]);
  });

  test("is the same for a user, wherever the token stands and from wherever it comes", async () => {
    const used = new Set<string>();
    for (const number of range(15)) {
      const token = tokenFor(`user-${number}`, { iat: number });
      const other = tokenFor("somebody-else");
      const page = ["Origin", `http://127.0.0.1:${haproxy.port}`] as const;
      const places = await Promise.all([
        nodeOf({ path: "/ws", headers: [["Authorization", `Bearer ${token}`]] }),
        nodeOf({ path: "/ws", protocols: ["fanwire.v1.json", `bearer.${token}`], localAddress: "127.0.0.3" }),
        nodeOf({ path: "/ws", protocols: [`bearer.${token}`, "fanwire.v1.json"] }),
        nodeOf({ path: `/ws?room=&token=${token}`, localAddress: "127.0.0.4" }),
        nodeOf({ path: "/ws", headers: [page, ["Cookie", `a=b; token=${token}`]] }),
        // The first that a node would find counts, here as there.
        nodeOf({ path: `/ws?token=${other}`, headers: [["authorization", `bearer ${token}`]] }),
        nodeOf({ path: `/ws?token=${other}`, protocols: ["fanwire.v1.json", `bearer.${token}`] }),
        nodeOf({ path: `/ws?token=${token}`, headers: [page, ["Cookie", `token=${other}`]] }),
      ]);
      expect(new Set(places).size).toBe(1);
      used.add(places[0]);
    }
    expect([...used].sort()).toEqual(["n1", "n2", "n3"]);
  });

  test("is the same for an address, where there is neither", async () => {
    const places = new Map<string, Set<string>>();
    for (const host of range(20)) {
      const localAddress = `127.0.1.${host}`;
      for (const path of ["/ws", "/ws?token=nonsense", "/ws?room="]) {
        const client = await connect(haproxy.port, { path, localAddress });
        expect((await client.closed()).code).toBe(1008);
      }
      const mine = () => haproxy.said.filter((line) => line.startsWith(`${localAddress}:`));
      await haproxy.line(new RegExp(`^${localAddress}:`));
      while (mine().length < 3) await Bun.sleep(5);
      for (const line of mine()) expect(line).toEndWith(' GET /ws "address"');
      places.set(localAddress, new Set(mine().map((line) => / sockets\/(n\d) /.exec(line)![1]!)));
    }
    expect([...places.values()].filter(({ size }) => size !== 1)).toEqual([]);
    expect(new Set([...places.values()].flatMap((place) => [...place])).size).toBe(3);
  });

  test("is another one when it goes, and no other room's is", async () => {
    const options = { jwtSecret: secret, nodeId: "n4" };
    await using fourth = await startServer("bun", options);
    await using four = await Haproxy.start([...nodes.map(({ port }) => port), fourth.port], {
      balancePercent: 0,
    });
    for (const id of range(4)) await four.sees(id, "UP");
    const place = async (room: number) => {
      const client = await connect(four.port, { path: `/ws?room=${room}`, headers: bearer("ann") });
      const { nodeId } = await client.nextJson<{ nodeId: string }>();
      client.destroy();
      return nodeId;
    };
    const before = await Promise.all(range(120).map(place));
    await fourth.kill();
    await four.sees(4, "DOWN");
    const after = await Promise.all(range(120).map(place));
    const moved = before.filter((node, index) => node !== after[index]);
    expect(new Set(moved)).toEqual(new Set(["n4"]));
    expect(moved.length).toBe(before.filter((node) => node === "n4").length);
    // An even share is 30.
    expect(moved.length).toBeWithin(12, 50);
  });

  test("is another one where it takes a handshake and says nothing, before three checks have failed", async () => {
    await using fourth = await startServer("bun", { jwtSecret: secret, nodeId: "n4" });
    await using four = await Haproxy.start([...nodes.map(({ port }) => port), fourth.port], {
      balancePercent: 0,
    });
    for (const id of range(4)) await four.sees(id, "UP");
    const come = async (room: number) => {
      const options = { path: `/ws?room=${room}`, headers: bearer("ann"), deadlineMs: 20_000 };
      const client = await connect(four.port, options);
      const { nodeId } = await client.nextJson<{ nodeId: string }>();
      client.destroy();
      return nodeId;
    };
    let room = 1;
    while ((await come(room)) !== "n4") room += 1;
    const quiet = await Peer.connect(haproxy.port, { token: tokenFor("ben") });
    fourth.signal("SIGSTOP");
    const startMs = performance.now();
    expect(await come(room)).not.toBe("n4");
    // Checks have two seconds each, and a quarter of one between them.
    expect(performance.now() - startMs).toBeLessThan(6500);
    // Sockets that are open may say nothing for longer.
    expect(performance.now() - startMs).toBeGreaterThan(4900);
    expect(await quiet.request({ type: "ping" })).toMatchObject({ type: "pong" });
  }, 30_000);

  test("takes no more than half as much again as its share, however large a room is", async () => {
    await using bounded = await start({});
    const peers: Peer[] = [];
    for (const number of range(60)) {
      peers.push(await Peer.connect(bounded.port, { query: "room=hot", token: tokenFor(`user-${number}`) }));
    }
    const sessions = await bounded.sessions();
    expect(sessions.reduce((total, count) => total + count)).toBe(60);
    expect(Math.max(...sessions)).toBeWithin(20, 32);
    expect(sessions.filter((count) => count > 0).length).toBeGreaterThan(1);
  });
});

describe("from outside", () => {
  const request = (target: string, more = "", method = "GET") =>
    `${method} ${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${apiKey}\r\n${more}\r\n`;
  const statusOf = async (port: number, bytes: string) => {
    const connection = await HttpConnection.open(port);
    connection.write(bytes);
    const answer = await connection.answer();
    return answer?.status;
  };

  test("API, metrics, console and the checks' paths are not there, however they are spelt", async () => {
    const paths = ["/metrics", "/api/stats", "/", "/health", "/ready", "/console.js", "/console/state"];
    for (const { port } of nodes) {
      for (const path of paths.slice(0, 5)) expect(await statusOf(port, request(path))).toBe(200);
    }
    const spelt = paths.flatMap((path) => [
      ...[path, `/${path}`, `/.${path}`, `/ws/..${path}`, `/sse/..${path}`, `/ws${path}`, `/ws;${path}`],
      ...[`http://x${path}`, `http://127.0.0.1${path}`, `${path}?/ws`, `/ws%2f..${path}`, `/WS/..${path}`],
      ...[path.replace(/[a-z]/, (letter) => `%${letter.charCodeAt(0).toString(16)}`), `${path}#/ws`],
    ]);
    const more = ["", "Upgrade: websocket\r\nConnection: Upgrade\r\n"];
    const answers = await Promise.all(
      spelt.flatMap((path) => more.map((headers) => statusOf(haproxy.port, request(path, headers)))),
    );
    expect(answers.length).toBeGreaterThan(150);
    expect(answers.filter((status) => status !== 404 && status !== 400)).toEqual([]);
    expect(await statusOf(haproxy.port, request("/api/publish", "Content-Length: 0\r\n", "POST"))).toBe(404);
  });

  test("no second request comes through inside of a first one", async () => {
    const inner = request("/metrics");
    const length = `Content-Length: ${inner.length}\r\n`;
    const chunked = `Transfer-Encoding: chunked\r\n`;
    for (const [first, status] of [
      [`${request("/ws", length)}${inner}`, 400],
      [`${request("/ws", chunked)}0\r\n\r\n${inner}`, 400],
      [`${request("/ws", `${length}${chunked}`)}0\r\n\r\n${inner}`, 400],
      [`${request("/ws", "", "POST")}${inner}`, 405],
      [`${request("/ws")}${inner}`, 426],
    ] as const) {
      const connection = await HttpConnection.open(haproxy.port);
      connection.write(first);
      expect((await connection.answer())?.status).toBe(status);
      const second = await connection.answer();
      expect([undefined, 404]).toContain(second?.status as never);
    }
  });

  test("a forged X-Forwarded-For is nobody's", async () => {
    const limits = { maxConnectionsPerAddress: 2 };
    const options = { jwtSecret: secret, trustedProxies: ["127.0.0.1"], limits };
    for (const engine of ["bun", "uws"] as const) {
      await using node = await startServer(engine, options);
      await using proxy = await Haproxy.start([node.port]);
      await proxy.sees(1, "UP");
      const come = (port: number, localAddress: string, forged: string) =>
        Peer.connect(port, {
          token: tokenFor("ann"),
          localAddress,
          headers: [
            ["X-Forwarded-For", forged],
            ["x-forwarded-for", `${forged}, 127.0.0.1`],
          ],
        }).then(
          () => 101,
          (refused) => (refused as HandshakeRefused).status,
        );
      const statuses = [];
      for (const n of range(3)) statuses.push(await come(proxy.port, "127.0.2.1", `8.8.8.${n}`));
      expect(statuses).toEqual([101, 101, 429]);
      // Another client's forged word is not the first one's either, and who comes past the proxy is believed nothing.
      expect(await come(proxy.port, "127.0.2.2", "127.0.2.1")).toBe(101);
      for (const n of range(2)) expect(await come(node.port, "127.0.2.3", `8.8.8.${n}`)).toBe(101);
      expect(await come(node.port, "127.0.2.3", "8.8.8.9")).toBe(429);
    }
  });

  test("connections of an address beyond its rate, and beyond its number, are cut", async () => {
    const come = (port: number) =>
      connect(port, { path: "/ws", headers: bearer("ann") }).then(
        () => true,
        () => false,
      );
    await using fast = await start({ connectionRate: 10 });
    const tried = [];
    for (const _ of range(15)) tried.push(await come(fast.port));
    expect(tried).toEqual(range(15).map((n) => n <= 10));
    await using few = await start({ connectionsPerAddress: 10 });
    const held = [];
    for (const _ of range(15)) held.push(await come(few.port));
    expect(held).toEqual(range(15).map((n) => n <= 10));
    const other = { path: "/ws", headers: bearer("ann"), localAddress: "127.0.0.2" };
    expect(await (await connect(few.port, other)).nextJson()).toMatchObject({ type: "connected" });
  });
});

describe("with a certificate", () => {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-tls-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("TLS begins at 1.2, with HTTP/2 for event streams, and a WebSocket goes through it", async () => {
    const certificate = join(folder, "a.pem");
    const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const files = ["-keyout", `${certificate}.key`, "-out", certificate, "-subj", "/CN=localhost"];
    expect(Bun.spawnSync(["openssl", ...request, ...files]).exitCode).toBe(0);
    await using proxy = await start({ certificate });
    const greet = (version: string) => {
      const to = ["-connect", `127.0.0.1:${proxy.port}`, "-alpn", "h2", "-cipher", "ALL:@SECLEVEL=0"];
      const { exitCode, stdout } = Bun.spawnSync(["openssl", "s_client", ...to, version]);
      return exitCode === 0 && stdout.toString().includes("ALPN protocol: h2");
    };
    expect(["-tls1", "-tls1_1", "-tls1_2", "-tls1_3"].map(greet)).toEqual([false, false, true, true]);
    const url = `wss://127.0.0.1:${proxy.port}/ws?token=${tokenFor("ann")}`;
    const socket = new WebSocket(url, { tls: { rejectUnauthorized: false } });
    const first = await new Promise<string>((resolve, reject) => {
      socket.onmessage = ({ data }) => resolve(String(data));
      socket.onclose = ({ code }) => reject(new Error(`closed: ${code}`));
    });
    expect(JSON.parse(first)).toMatchObject({ type: "connected", userId: "ann" });
    socket.close();
  });
});

describe("for operators", () => {
  test("tokens are in no log line", async () => {
    const token = tokenFor("of-a-secret-life");
    const client = await connect(haproxy.port, { path: `/ws?token=${token}&room=logged` });
    await client.nextJson();
    client.close();
    await client.closed();
    await connect(haproxy.port, { path: `/other?token=${token}` }).catch(() => undefined);
    const line = await haproxy.line(/ GET \/ws "room"$/);
    expect(line).toMatch(/ clients sockets\/n\d .* 101 /);
    await haproxy.line(/ 404 .* GET \/other /);
    expect(haproxy.said.filter((said) => said.includes(token.split(".")[1]!))).toEqual([]);
  });

  test("Prometheus is answered on an address of its own, and only there", async () => {
    const scraped = await fetch(`http://127.0.0.1:${haproxy.metricsPort}/metrics`);
    const text = await scraped.text();
    expect(text).toContain('haproxy_server_status{proxy="sockets",server="n1",state="UP"} 1');
    // What the alert rules and the dashboard ask of it.
    const files = ["operations/alerts.yml", "operations/grafana.json"];
    const asked = files.flatMap((file) => readFileSync(join(root, file), "utf8").match(/haproxy_\w+/g) ?? []);
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.filter((name) => !text.includes(`\n${name}{`))).toEqual([]);
    expect((await fetch(`http://127.0.0.1:${haproxy.metricsPort}/ws`)).status).toBe(404);
  });

  test("a node can be taken out by hand: it keeps whom it has and gets nobody new", async () => {
    await using proxy = await start({ balancePercent: 0 });
    const options = { query: "room=1", token: tokenFor("ann") };
    const peer = await Peer.connect(proxy.port, options);
    const name = `sockets/${peer.connected.nodeId}`;
    await proxy.command(`set server ${name} state drain`);
    expect((await Peer.connect(proxy.port, options)).connected.nodeId).not.toBe(peer.connected.nodeId);
    expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
    await proxy.command(`set server ${name} state ready`);
  });
});
