// The rules of the house: one door per dependency, pure rooms, small files that say what they are, nothing left undone.

import { expect, test } from "bun:test";
import { type Dirent, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = new URL("..", import.meta.url).pathname;
const ours = ["src", "test", "scripts", "bench", "examples", "haproxy", "operations", "docs", ".ci"];

/** Files of a folder with these endings, as paths from the project's root. */
function files(folder: string, ending: RegExp): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .filter(({ parentPath }) => !`${parentPath}/`.includes("/node_modules/"))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length));
}

const read = (path: string) => readFileSync(join(root, path), "utf8");
const sources = files("src", /\.ts$/);
const tests = files("test", /\.test\.ts$/);

/** A file's text without comments, so that a rule may be spoken of. */
const code = (path: string) => read(path).replace(/\/\*[\s\S]*?\*\/|(^|\s)\/\/.*$/gm, "$1");

/** `path: line` for every line of code that matches. */
function findings(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    code(path)
      .split("\n")
      .filter((line) => pattern.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );
}

test("each dependency has its doors, and most have one", () => {
  const doors: Record<string, readonly string[]> = {
    bun: ["src/engine/bun.ts"],
    "uWebSockets.js": ["src/engine/uws.ts"],
    ioredis: ["src/bridge/connection.ts"],
    jose: ["src/auth/auth.ts"],
    msgpackr: ["src/client/msgpack.ts", "src/wire/msgpack.ts"],
    pino: ["src/log.ts"],
    zod: ["src/config/rules.ts"],
  };
  const imported = /(?:from|import)\s*\(?\s*["']([^"'.][^"']*)["']/g;
  const through = new Set<string>();
  for (const path of sources) {
    for (const [, name = ""] of code(path).matchAll(imported)) {
      if (name.startsWith("node:")) continue;
      const dependency = name.replace(/[/:].*/, "");
      through.add(`${dependency} in ${path}`);
    }
  }
  const { bun: _, ...packages } = doors;
  for (const [dependency, paths] of Object.entries(packages)) {
    expect([...through].filter((use) => use.startsWith(`${dependency} in `)).sort()).toEqual(
      paths.map((path) => `${dependency} in ${path}`),
    );
  }
  const strangers = [...through].filter(
    (use) => !doors[use.replace(/ in .*/, "")]?.includes(use.replace(/.* in /, "")),
  );
  expect(strangers).toEqual([]);
  const bunsDoor = "src/engine/bun.ts";
  expect(
    findings(
      sources.filter((path) => path !== bunsDoor),
      /\bBun\./,
    ),
  ).toEqual([]);
  expect(findings([bunsDoor], /\bBun\./)).not.toEqual([]);
});

test("the packages a user installs are the ones that have a door", () => {
  const { dependencies } = JSON.parse(read("package.json"));
  expect(Object.keys(dependencies).sort()).toEqual(["ioredis", "jose", "msgpackr", "pino", "zod"]);
});

test("only the process reads the environment and ends itself", () => {
  const others = sources.filter((path) => path !== "src/main.ts");
  expect(findings(others, /\bprocess\.(env|exit|exitCode|argv|on)\b|\bimport\.meta\.env\b/)).toEqual([]);
});

test("the client asks nothing of a runtime but what stands in one file, and takes nothing but types from the server", () => {
  const client = sources.filter((path) => path.startsWith("src/client/"));
  const others = client.filter((path) => path !== "src/client/environment.ts");
  const runtime =
    /\b(globalThis|window|document|location|navigator|process|Buffer|Bun|Deno|require|setTimeout|setInterval|Date|crypto)\b|Math\.random\(|"node:/;
  expect(client.length).toBeGreaterThan(10);
  expect(findings(others, runtime)).toEqual([]);
  expect(findings(client, /^(import|export) (?!type\b).* from "\.\.\//)).toEqual([]);
});

test("pure rooms have no clock, no chance, no timers and no input or output", () => {
  const wire = sources.filter((path) => path.startsWith("src/wire/"));
  const names = [
    ...["hub/topic-log", "hub/stream-log", "hub/keyed-log", "hub/ring", "hub/arrivals", "auth/grants"],
    ...["client/backoff", "client/close-codes", "client/continuity", "client/volatile-namespaces"],
    ...["connections/origin", "connections/rate", "connections/address-group", "connections/inbound-rates"],
    "config/limits",
  ];
  const store = sources.filter((path) =>
    /^src\/bridge\/(envelope|msgpack-reader|scripts|store)\b/.test(path),
  );
  const pure = [...names.map((name) => `src/${name}.ts`), ...wire, ...store];
  expect(wire.length).toBeGreaterThan(3);
  expect(store.length).toBeGreaterThan(8);
  const impure =
    /\bDate\b|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b|\bperformance\b|\bcrypto\b|"node:(?!buffer")/;
  expect(findings(pure, impure)).toEqual([]);
});

test("Buffer is imported on a publication's way: the global is a getter on Node.js, looked up and called at each use", () => {
  const way = sources.filter((path) =>
    /^src\/(wire\/|engine\/uws\.ts|bridge\/(connection|envelope)\.ts)/.test(path),
  );
  const users = way.filter((path) => /\bBuffer\b[.(]/.test(read(path)));
  expect(users.length).toBeGreaterThan(6);
  expect(users.filter((path) => !/^import \{ Buffer \} from "node:buffer";$/m.test(read(path)))).toEqual([]);
});

test("every source opens with a comment that says what it is", () => {
  const silent = sources.filter((path) => !/^(#!.*\n)?\/\/ [A-Z`]/.test(read(path)));
  const browsers = files("src", /\.(js|css|html)$/);
  const mute = browsers.filter((path) => !/^(<!doctype html>\n)?(\/\/|\/\*|<!--)\s+[A-Z]/.test(read(path)));
  expect(browsers.length).toBeGreaterThan(10);
  expect([...silent, ...mute]).toEqual([]);
});

test("no file is longer than 400 lines", () => {
  const all = ["src", "test", "scripts", "bench", "examples", "haproxy"].flatMap((folder) =>
    files(folder, /\.(ts|mjs|js|css|html)$/),
  );
  const long = all.filter((path) => read(path).trimEnd().split("\n").length > 400);
  expect(all.length).toBeGreaterThan(20);
  expect(long).toEqual([]);
});

test("no test is left out, and none shuts others out", () => {
  expect(tests).toContain("test/tidy.test.ts");
  expect(findings(tests, /\.(skip|todo|only|skipIf|todoIf|failing)\b\W/)).toEqual([]);
});

test("no file names a registry's host, or anything outside the project", () => {
  // A worktree has a file `.git` which says where its repository is.
  const isOurs = (entry: Dirent) => entry.isFile() && entry.name !== ".git";
  const all = [
    ...readdirSync(root, { withFileTypes: true }).flatMap((entry) => (isOurs(entry) ? [entry.name] : [])),
    ...ours.flatMap((folder) => files(folder, /^(?!.*\.(png|ico|woff2)$)/)),
  ];
  const outside = [["..", "shared"].join("/"), ["", "work", ""].join("/")];
  expect(all).toContain("package-lock.json");
  const registry = /\bregistry\.[a-z-]+\.[a-z]{2,}\b/;
  expect(all.filter((path) => registry.test(read(path)))).toEqual([]);
  expect(all.filter((path) => outside.some((words) => read(path).includes(words)))).toEqual([]);
});

test.each(["package-lock.json", "test/runtimes/package-lock.json", "bench/peers/package-lock.json"])(
  "%s says what to install and not from where",
  (path) => {
    const { packages } = JSON.parse(read(path));
    const named = Object.values<{ resolved?: string }>(packages).filter(
      ({ resolved }) => resolved !== undefined,
    );
    expect(Object.keys(packages).length).toBeGreaterThan(7);
    expect(named).toEqual([]);
  },
);
