// What operators are given that cannot run in tests: it parses, and what it refers to is there.

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describeOptions } from "../src/config/config.ts";
import { limitRules } from "../src/config/limits.ts";
import { closeRules, errorRules } from "../src/errors.ts";
import { describeMetrics } from "../src/metrics/metrics.ts";
import { root } from "./support/process.ts";

const read = (path: string) => readFileSync(join(root, path), "utf8");
const variables = new Set(describeOptions().map(({ variable }) => variable));
/** The variables of fanwire that a text sets or names. */
const named = (text: string) => [...new Set(text.match(/\bFANWIRE_[A-Z_]+/g))];

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

const alerts = (
  Bun.YAML.parse(read("operations/alerts.yml")) as { groups: { rules: Alert[] }[] }
).groups.flatMap(({ rules }) => rules);
const dashboard = JSON.parse(read("operations/grafana.json")) as {
  panels: { id: number; title: string; targets: { expr: string; legendFormat: string }[] }[];
};
const expressions = [
  ...alerts.map(({ alert, expr }) => [alert, expr] as const),
  ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
];

describe("alert rules and dashboard", () => {
  const metrics = new Map(describeMetrics().map(({ name, labels }) => [name, labels]));

  test.each(expressions)("%s asks for metrics and labels that there are", (_, expr) => {
    const found = [...expr.matchAll(/\b((?:fanwire|process)_\w+?)(?:_bucket)?(?:\{(.*?)\})?(?=[\s)[{]|$)/g)];
    expect(found.length + (expr.match(/\bhaproxy_\w+|\bup\{/g) ?? []).length).toBeGreaterThan(0);
    for (const [, name = "", selectors = ""] of found) {
      expect([...metrics.keys()]).toContain(name);
      for (const [, label = ""] of selectors.matchAll(/(\w+)\s*(?:=|!=|=~)/g)) {
        // Those that Prometheus adds are there too.
        expect([...metrics.get(name)!, "job", "instance"]).toContain(label);
      }
    }
    for (const bracket of ["()", "[]", "{}"]) {
      const [open = "", close = ""] = bracket;
      expect(expr.split(open).length).toBe(expr.split(close).length);
    }
  });

  test("ask for reasons and codes that there are", () => {
    const known = new Set([
      ...[...Object.keys(closeRules), ...Object.keys(errorRules), "reset", "none", "history", "epoch"],
    ]);
    const asked = expressions.flatMap(([, expr]) =>
      [...expr.matchAll(/\b(?:reason|code|outcome|cause)!?="([^"]*)"/g)].map(([, value = ""]) => value),
    );
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.filter((value) => !known.has(value))).toEqual([]);
  });

  test("each alert has a line in OPERATIONS.md that says what to do, and each panel a place of its own", () => {
    const lines = [...read("OPERATIONS.md").matchAll(/^\| (Fanwire\w+) \| .{20,} \|$/gm)];
    expect(lines.map(([, name]) => name)).toEqual(alerts.map(({ alert }) => alert));
    for (const { labels, annotations } of alerts) {
      expect(["critical", "warning"]).toContain(labels.severity);
      expect(annotations.summary.length).toBeGreaterThan(10);
    }
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });
});

describe("the Dockerfile", () => {
  const lines = read("Dockerfile").split("\n");

  test("copies what there is, and what it may", () => {
    const sources = lines
      .filter((line) => line.startsWith("COPY ") && !line.includes("--from="))
      .flatMap((line) => line.split(" ").slice(1, -1));
    const admitted = read(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"));
    expect(sources.length).toBeGreaterThan(4);
    for (const source of sources) {
      expect(existsSync(join(root, source))).toBe(true);
      expect(admitted).toContain(`!${source.replace(/\/$/, "")}`);
    }
  });

  test("sets what fanwire knows", () => {
    expect(named(lines.join("\n")).filter((name) => !variables.has(name))).toEqual([]);
    expect(JSON.parse(read("package.json")).bin.fanwire).toBe("dist/main.js");
    expect(lines).toContain('ENTRYPOINT ["bun", "/fanwire/dist/main.js"]');
  });
});

test("the composition parses, and its addresses agree", () => {
  const text = read("haproxy/compose.yml");
  interface Service {
    readonly environment?: Readonly<Record<string, string>>;
    readonly networks: { readonly inside: { readonly ipv4_address: string } };
    readonly depends_on?: readonly string[];
  }
  const { services } = Bun.YAML.parse(text) as { services: Record<string, Service> };
  const addressOf = (name: string) => services[name]!.networks.inside.ipv4_address;
  const nodes = ["node1", "node2", "node3"];
  expect(Object.keys(services)).toEqual(["redis", ...nodes, "haproxy"]);
  expect(text).toContain(`--nodes ${nodes.map((name) => `${addressOf(name)}:9001`).join(",")} `);
  for (const name of nodes) {
    const environment = services[name]!.environment!;
    expect(environment.FANWIRE_TRUSTED_PROXIES).toBe(addressOf("haproxy"));
    expect(environment.FANWIRE_REDIS_URL).toBe(`redis://${addressOf("redis")}:6379`);
    expect(environment.FANWIRE_NODE_ID).toBe(name);
  }
  expect(named(text).filter((name) => !variables.has(name))).toEqual([]);
  expect(existsSync(join(root, "redis/redis.conf"))).toBe(true);
});

test("systemd lets a node drain, and sets what fanwire knows", () => {
  const unit = read("operations/fanwire@.service");
  const settings = new Map(
    [...unit.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value] as const),
  );
  expect(Number(settings.get("TimeoutStopSec")) * 1000).toBeGreaterThan(limitRules.drainExitMs.default);
  expect(Number(settings.get("LimitNOFILE"))).toBeGreaterThan(limitRules.maxConnections.default);
  expect(named(unit).filter((name) => !variables.has(name))).toEqual([]);
  for (const section of ["Unit", "Service", "Install"]) expect(unit).toContain(`\n[${section}]\n`);
  const proxy = read("operations/haproxy.conf");
  expect(Number(/^LimitNOFILE=(\d+)$/m.exec(proxy)?.[1])).toBeGreaterThan(2 * 50_000);
});

test("OPERATIONS.md and SECURITY.md name variables, limits and files that there are", () => {
  for (const path of ["OPERATIONS.md", "SECURITY.md"]) {
    const text = read(path);
    expect(named(text).filter((name) => !variables.has(name))).toEqual([]);
    const limits = [...text.matchAll(/`limits\.(\w+)`/g)].map(([, name = ""]) => name);
    expect(limits.filter((name) => !(name in limitRules))).toEqual([]);
    const files = [...text.matchAll(/`((?:haproxy|operations|redis)\/[\w./@-]+)`/g)].map(
      ([, file = ""]) => file,
    );
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  }
});
