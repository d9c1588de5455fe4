// The console's answers: the files of its page, from a fixed list, and the node's state in JSON. Knows no topics and no sessions,
// and not who may ask.

import { readFileSync } from "node:fs";
import type { HttpReply } from "../engine/engine.ts";

/** What the page has to know before it asks for anything. */
export interface ConsoleSettings {
  /** Whether whoever connects needs a token. */
  readonly asksForToken: boolean;
  /** Whether the state is told to those alone who bring a key of the API. */
  readonly asksForKey: boolean;
  /** Whether clients connect on the listener that the page comes from. */
  readonly hasSocket: boolean;
}

export interface Console {
  /** By path. */
  readonly files: ReadonlyMap<string, HttpReply>;
  readonly state: (query: string) => HttpReply;
}

export const statePath = "/console/state";

const modules = [
  "client.js",
  "charts.js",
  "connection.js",
  "elements.js",
  "latency.js",
  "main.js",
  "messages.js",
  "node.js",
  "outbox.js",
  "room.js",
  "secrets.js",
  "tables.js",
  "try.js",
  "typing.js",
];
const types: Readonly<Record<string, readonly string[]>> = {
  "text/javascript; charset=utf-8": modules,
  "text/css; charset=utf-8": ["console.css", "node.css", "room.css"],
  "image/svg+xml": ["icon.svg"],
};

/** Nothing but the console's own files runs or is drawn, and the page talks to nobody but this node. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const common = {
  "cache-control": "no-store",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "content-security-policy": policy,
  "cross-origin-resource-policy": "same-origin",
};

export function createConsole(settings: ConsoleSettings, tell: (query: string) => object): Console {
  const files = new Map<string, HttpReply>();
  files.set("/", reply("text/html; charset=utf-8", withSettings(read("index.html"), settings)));
  for (const [type, names] of Object.entries(types)) {
    for (const name of names) files.set(`/console/${name}`, reply(type, read(name)));
  }
  return { files, state: (query) => reply("application/json", JSON.stringify(tell(query))) };
}

function reply(type: string, body: string): HttpReply {
  return { status: 200, headers: { ...common, "content-type": type }, body };
}

function read(name: string): string {
  return readFileSync(new URL(`./page/${name}`, import.meta.url), "utf8");
}

/** The page finds the words in an attribute of its root. */
function withSettings(html: string, { asksForToken, asksForKey, hasSocket }: ConsoleSettings): string {
  const words = [asksForToken ? "token" : "", asksForKey ? "key" : "", hasSocket ? "socket" : ""];
  return html.replace('data-settings=""', `data-settings="${words.filter(Boolean).join(" ")}"`);
}
