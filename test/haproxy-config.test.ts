// The configuration of HAProxy: valid without a warning in each of its forms, and in agreement with what nodes do by default.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ProxyOptions, renderProxy } from "../haproxy/render.ts";
import { limitRules } from "../src/config/limits.ts";
import { root } from "./support/process.ts";

const nodes = [
  { id: 1, address: "127.0.0.1:9001" },
  { id: 7, address: "node.internal:9001" },
];
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fanwire-haproxy-"));
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const files = [
    "-keyout",
    join(folder, "a.pem.key"),
    "-out",
    join(folder, "a.pem"),
    "-subj",
    "/CN=localhost",
  ];
  expect(Bun.spawnSync(["openssl", ...request, ...files]).exitCode).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What HAProxy says of it, where it is not content. */
function complaints(options: Partial<ProxyOptions>): string {
  const file = join(folder, "haproxy.cfg");
  const here = { runtimeSocket: join(folder, "socket"), maxConnections: 1000 };
  // Names are not looked up: only the spelling is checked.
  const local = nodes.map(({ id }) => ({ id, address: `127.0.0.1:${9000 + id}` }));
  writeFileSync(file, renderProxy({ nodes: local, ...here, ...options }));
  const { stderr, exitCode } = Bun.spawnSync(["haproxy", "-c", "-dW", "-f", file]);
  return exitCode === 0 ? "" : stderr.toString();
}

test.each<[string, Partial<ProxyOptions>]>([
  ["as it comes", {}],
  [
    "with TLS",
    {
      get certificate() {
        return join(folder, "a.pem");
      },
    },
  ],
  ["with the API", { hasApi: true }],
  ["without bounded load", { balancePercent: 0 }],
  ["with one node", { nodes: [{ id: 4095, address: "[::1]:9001" }] }],
  ["with IPv6 and a rate", { bind: "[::]:8443", connectionRate: 1, connectionsPerAddress: 1 }],
  ["logging to standard output", { log: "stdout format raw local0" }],
])("%s it is valid, without a warning", (_, options) => {
  expect(complaints({ ...options })).toBe("");
});

test("a mistake in it would be found", () => {
  expect(complaints({ bind: "127.0.0.1:8080 nonsense" })).toContain("nonsense");
});

describe("it agrees with the nodes", () => {
  test("in that a tunnel's silence is longer than any that a node lets pass", () => {
    const { heartbeatMs, heartbeatTimeoutMs } = limitRules;
    const longest = heartbeatMs.default + heartbeatTimeoutMs.default;
    const text = renderProxy({ nodes });
    const tunnelMs = Number(/timeout tunnel (\d+)ms/.exec(text)?.[1]);
    // A ping may go out that late, and its answer come back that late again.
    expect(tunnelMs).toBeGreaterThan(2 * longest);
    expect(renderProxy({ nodes, heartbeatMs: 100_000 })).toContain("timeout tunnel 225000ms");
  });

  test("in the ids: each node has one, in every back end the same", () => {
    const servers = [
      ...renderProxy({ nodes, hasApi: true }).matchAll(/^ {4}server (n\d+) (\S+) id (\d+) /gm),
    ];
    expect(servers.length).toBe(5 * nodes.length);
    for (const [, name, address, id] of servers) {
      expect(name).toBe(`n${id}`);
      expect(nodes).toContainEqual({ id: Number(id), address: address! });
    }
  });

  test("in what is never written to a log: nothing that could hold a query", () => {
    const text = renderProxy({ nodes });
    const code = text.replaceAll(/^\s*#.*$/gm, "");
    expect(code).toContain("%HP");
    expect(code).not.toMatch(/%r\b|%\{?[+\-QE,]*\}?r\b|%HU|%HQ|httplog|capture/);
  });

  test("in that the others always have room for the clients of one that is gone", () => {
    const factor = (count: number, balancePercent = 150) => {
      const some = Array.from({ length: count }, (_, index) => ({
        id: index + 1,
        address: `a:${index + 1}`,
      }));
      return Number(/hash-balance-factor (\d+)/.exec(renderProxy({ nodes: some, balancePercent }))?.[1]);
    };
    expect([factor(1), factor(2), factor(3), factor(10)]).toEqual([Number.NaN, 200, 150, 150]);
    expect([factor(2, 300), factor(3, 110), factor(10, 110)]).toEqual([300, 150, 112]);
  });

  test("in TLS: nothing older than 1.2", () => {
    const [bind = ""] = /^ {4}bind .* ssl .*$/m.exec(renderProxy({ nodes, certificate: "/a.pem" })) ?? [];
    expect(bind).toContain("ssl-min-ver TLSv1.2");
  });
});

describe("npm run haproxy", () => {
  const generate = (...args: string[]) => {
    const command = [process.execPath, "haproxy/generate.ts", ...args];
    const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd: root });
    return { exitCode, text: stdout.toString(), error: stderr.toString() };
  };

  test("prints it for the nodes it is given", () => {
    const { exitCode, text } = generate("--nodes", "127.0.0.1:9001,7=node.internal:9001", "--balance", "0");
    expect([exitCode, text]).toEqual([0, renderProxy({ nodes, balancePercent: 0 })]);
    const more = ["--certificate", "/etc/a.pem", "--bind", "*:443", "--api", "--heartbeat", "1000,500"];
    expect(generate("--nodes", "127.0.0.1:9001,7=node.internal:9001", ...more).text).toBe(
      renderProxy({
        ...{ nodes, certificate: "/etc/a.pem", bind: "*:443", hasApi: true },
        ...{ heartbeatMs: 1000, heartbeatTimeoutMs: 500 },
      }),
    );
    expect(generate("--help").text).toStartWith("npm run --silent haproxy");
  });

  test.each([
    [[], "--nodes is missing"],
    [["--nodes", "here"], '--nodes has "here": must be host:port or id=host:port'],
    [["--nodes", "1=a:1,1=b:1"], "--nodes is 1=a:1,1=b:1: must have different ids"],
    [["--nodes", "2=a:1,b:1"], "--nodes is 2=a:1,b:1: must have different ids"],
    [["--nodes", "5000=a:1"], '--nodes is "5000": must be an integer from 1 to 4095'],
    [["--nodes", "a:1", "--bind", "a b"], '--bind is "a b": must be one word'],
    [["--nodes", "a:1", "--log", "a\nb"], '--log is "a\\nb": must be one line'],
    [["--nodes", "a:1", "--balance", "100"], "--balance is 100: must be more than 100, or 0"],
    [["--nodes", "a:1", "--heartbeat", "1,2,3"], "--heartbeat is 1,2,3: must be two numbers"],
    [["--nodes", "a:1", "--max", "many"], '--max is "many": must be an integer'],
    [["--mode", "tcp"], "Unknown option '--mode'; --help says what there is"],
  ])("%j is refused with one line", (args, line) => {
    const { exitCode, text, error } = generate(...args);
    expect(error).toStartWith(`haproxy: ${line}`);
    expect([exitCode, text, error.indexOf("\n")]).toEqual([1, "", error.length - 1]);
  });
});
