// Plain HTTP: liveness, readiness, metrics and the page. Knows nothing of sessions.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type AdmissionRules, notFound, refuseByOrigin, socketPath } from "./admission.ts";
import type { HttpReply, HttpRequest } from "./engine/engine.ts";
import { expositionType } from "./exposition.ts";

export interface HttpOptions {
  readonly admission: AdmissionRules;
  /** Whether the page is served at `/`. */
  readonly hasPage: boolean;
  /** Whether clients may be sent here: not draining, and the bridge proven alive. */
  readonly isReady: () => boolean;
  /** What the node tells of itself, in Prometheus' text format. */
  readonly metrics: () => string;
  /** Refuses whoever may not be told that, or answers undefined. */
  readonly authorize: (request: HttpRequest) => HttpReply | undefined;
}

const plain = { "content-type": "text/plain", "cache-control": "no-store" };

export function createHttp(options: HttpOptions): (request: HttpRequest) => HttpReply {
  const page = options.hasPage ? readPage() : undefined;
  return (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return { status: 405, headers: { ...plain, allow: "GET, HEAD" }, body: "only GET and HEAD\n" };
    }
    switch (request.path) {
      case "/health":
        return { status: 200, headers: plain, body: "alive\n" };
      case "/ready":
        return options.isReady()
          ? { status: 200, headers: plain, body: "ready\n" }
          : { status: 404, headers: plain, body: "not ready\n" };
      case "/metrics":
        return options.authorize(request) ?? measured(options.metrics());
      case "/":
        return page ? (refuseByOrigin(request, options.admission) ?? page) : notFound();
      case socketPath:
        return {
          status: 426,
          headers: { ...plain, upgrade: "websocket" },
          body: "this is a WebSocket endpoint\n",
        };
      default:
        return notFound();
    }
  };
}

function measured(body: string): HttpReply {
  return { status: 200, headers: { "content-type": expositionType, "cache-control": "no-store" }, body };
}

/** The page with a policy under which nothing but its own script and style run, and it talks to nobody but this node. */
function readPage(): HttpReply {
  const body = readFileSync(new URL("./console/page.html", import.meta.url), "utf8");
  const policy = [
    "default-src 'none'",
    `script-src ${hashesOf(body, "script")}`,
    `style-src ${hashesOf(body, "style")}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
  return {
    status: 200,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": policy,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    },
    body,
  };
}

function hashesOf(html: string, element: "script" | "style"): string {
  const blocks = html.matchAll(new RegExp(`<${element}[^>]*>([\\s\\S]*?)</${element}>`, "g"));
  const hashes = Array.from(blocks, ([, text]) => {
    return `'sha256-${createHash("sha256").update(text!).digest("base64")}'`;
  });
  return hashes.length > 0 ? hashes.join(" ") : "'none'";
}
