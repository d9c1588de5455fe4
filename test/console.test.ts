// The console's answers, without a browser: which files there are and under which policy, and who is told the state.

import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { type ConsoleSettings, createConsole } from "../src/console/console.ts";
import type { HttpReply, HttpRequest } from "../src/engine/engine.ts";
import { askForKey, createHttp } from "../src/http.ts";

const folder = new URL("../src/console/page/", import.meta.url);
const open: ConsoleSettings = { asksForToken: false, asksForKey: false, hasSocket: true };

interface Setting {
  readonly isDevelopment: boolean;
  readonly authorize?: () => HttpReply | undefined;
}

/** A listener with a console, and how often its state was asked for. */
function listener({ isDevelopment, authorize }: Setting) {
  const told: string[] = [];
  const console = createConsole(open, (query) => {
    told.push(query);
    return { told: query };
  });
  const http = createHttp({
    admission: { isLoopbackOnly: isDevelopment, allowedOrigins: [] },
    unreadiness: () => undefined,
    hasSocket: true,
    internal: { metrics: () => "", console, ...(authorize && { authorize }) },
  });
  const ask = (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const [bare = "", query = ""] = path.split("?");
    const all = new Map(Object.entries({ host: "localhost", ...headers }));
    const request: HttpRequest = { method, path: bare, query, headers: all, remoteAddress: "127.0.0.1" };
    return http(request, () => Promise.reject(new Error("there is no body"))) as HttpReply;
  };
  return { ask, told };
}

describe("the console's files", () => {
  const { files } = createConsole(open, () => ({}));

  test("are all there are in its folder, and the page asks for no others", () => {
    const names = readdirSync(folder).filter((name) => name !== "index.html");
    expect([...files.keys()].sort()).toEqual(["/", ...names.map((name) => `/console/${name}`)].sort());
    const page = String(files.get("/")?.body);
    const asked = Array.from(page.matchAll(/(?:src|href)="(\/console[^"]+)"/g), ([, path]) => path!);
    for (const name of names.filter((name) => name.endsWith(".js"))) {
      const text = readFileSync(new URL(name, folder), "utf8");
      for (const [, path] of text.matchAll(/from "\.(\/[^"]+)"/g)) asked.push(`/console${path}`);
    }
    expect(asked.length).toBeGreaterThan(15);
    expect(asked.filter((path) => !files.has(path))).toEqual([]);
  });

  test("have their type, are not kept, and let nothing in that is not the console's own", () => {
    const types = { js: "text/javascript", css: "text/css", svg: "image/svg+xml" };
    for (const [path, { headers }] of files) {
      const type = types[path.split(".").at(-1) as keyof typeof types] ?? "text/html";
      expect([path, headers?.["content-type"]]).toEqual([path, expect.stringContaining(type)]);
      expect(headers).toMatchObject({ "cache-control": "no-store", "x-content-type-options": "nosniff" });
      const policy = headers?.["content-security-policy"] ?? "";
      expect(policy).toStartWith("default-src 'none'; script-src 'self'; style-src 'self'; ");
      expect(policy).not.toMatch(/unsafe|data:|\*|http/);
    }
  });

  test("have nothing inline that the policy would forbid", () => {
    const page = readFileSync(new URL("index.html", folder), "utf8");
    expect(page).not.toMatch(/<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:/);
    for (const name of readdirSync(folder).filter((name) => name.endsWith(".js"))) {
      const text = readFileSync(new URL(name, folder), "utf8");
      expect([name, text.match(/innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(/)]).toEqual([
        name,
        null,
      ]);
    }
  });

  test("are what is asked for by these very names", () => {
    const { ask } = listener({ isDevelopment: true });
    for (const path of [
      "/console",
      "/console/",
      "/console/index.html",
      "/console/../main.ts",
      "/console/state.ts",
    ]) {
      expect([path, ask(path).status]).toEqual([path, 404]);
    }
    expect(ask("/console/main.js", {}, "POST").status).toBe(405);
  });

  test("tell the page what it has to know at once", () => {
    const words = (settings: ConsoleSettings) => {
      const body = String(createConsole(settings, () => ({})).files.get("/")?.body);
      return /data-settings="([^"]*)"/.exec(body)?.[1];
    };
    expect(words(open)).toBe("socket");
    expect(words({ asksForToken: true, asksForKey: true, hasSocket: true })).toBe("token key socket");
    expect(words({ asksForToken: true, asksForKey: false, hasSocket: false })).toBe("token");
  });
});

describe("the state", () => {
  test("is told in development mode to pages of this machine and to no others", () => {
    const { ask, told } = listener({ isDevelopment: true });
    expect(ask("/console/state?since=5").body).toBe('{"told":"since=5"}');
    for (const headers of [{ host: "rebound.example" }, { origin: "http://elsewhere.example" }]) {
      expect(ask("/console/state", headers).status).toBe(403);
      expect(ask("/", headers).status).toBe(403);
      expect(ask("/console/main.js", headers).status).toBe(403);
    }
    expect(told.length).toBe(1);
  });

  test("is told to those alone who may know, while the files are for everybody", () => {
    const { ask, told } = listener({ isDevelopment: false, authorize: askForKey });
    expect(ask("/console/state")).toMatchObject({
      status: 401,
      headers: { "www-authenticate": expect.any(String) },
    });
    expect(told).toEqual([]);
    expect([ask("/").status, ask("/console/main.js").status]).toEqual([200, 200]);
    const admin = listener({ isDevelopment: false });
    expect(admin.ask("/console/state").status).toBe(200);
  });
});
