// Plain HTTP: liveness, readiness, metrics and the page. Knows nothing of sessions.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type AdmissionRules, notFound, refusal, refuseByOrigin, socketPath } from "./admission.ts";
import { challenge, type Endpoint, isApiPath } from "./api.ts";
import type { HttpReply, HttpRequest } from "./engine/engine.ts";
import { expositionType } from "./exposition.ts";

export interface HttpOptions {
  readonly admission: AdmissionRules;
  /** Whether the page is served at `/`. */
  readonly hasPage: boolean;
  /** Whether clients may be sent here: not draining, the bridge proven alive, and tokens can be verified. */
  readonly isReady: () => boolean;
  /** Whether clients connect here. */
  readonly hasSocket: boolean;
  /** What is not for clients; absent where another listener has it. */
  readonly internal?: InternalEndpoints;
}

export interface InternalEndpoints {
  /** What the node tells of itself, in Prometheus' text format. */
  readonly metrics: () => string;
  /** Refuses whoever may not be told that. Absent: whoever reaches this listener may. */
  readonly authorize?: (request: HttpRequest) => HttpReply | undefined;
  /** Asks for a key by itself. */
  readonly api?: Endpoint;
}

const plain = { "content-type": "text/plain", "cache-control": "no-store" };

export function createHttp(options: HttpOptions): Endpoint {
  const page = options.hasPage ? readPage() : undefined;
  const fixed = createPaths(options, page);
  return (request, readBody) => {
    const { api } = options.internal ?? {};
    if (api && isApiPath(request.path)) {
      return refuseInDevelopment(request, options) ?? api(request, readBody);
    }
    const answer = fixed.get(request.path);
    if (!answer) return notFound();
    if (request.method === "GET" || request.method === "HEAD") return answer(request);
    return { status: 405, headers: { ...plain, allow: "GET, HEAD" }, body: "only GET and HEAD\n" };
  };
}

type Answer = (request: HttpRequest) => HttpReply;

function createPaths(options: HttpOptions, page: HttpReply | undefined): ReadonlyMap<string, Answer> {
  const { internal, isReady, admission } = options;
  const paths = new Map<string, Answer>();
  paths.set("/health", () => ({ status: 200, headers: plain, body: "alive\n" }));
  paths.set("/ready", () =>
    isReady()
      ? { status: 200, headers: plain, body: "ready\n" }
      : { status: 404, headers: plain, body: "not ready\n" },
  );
  if (page) paths.set("/", (request) => refuseByOrigin(request, admission) ?? page);
  if (internal) {
    paths.set("/metrics", (request) => {
      const refused = refuseInDevelopment(request, options) ?? internal.authorize?.(request);
      return refused ?? measured(internal.metrics());
    });
  }
  if (options.hasSocket) {
    const headers = { ...plain, upgrade: "websocket" };
    paths.set(socketPath, () => ({ status: 426, headers, body: "this is a WebSocket endpoint\n" }));
  }
  return paths;
}

/** In development mode no key may be asked for, and any web page can reach loopback. */
function refuseInDevelopment(request: HttpRequest, { admission }: HttpOptions): HttpReply | undefined {
  return admission.isLoopbackOnly ? refuseByOrigin(request, admission) : undefined;
}

/** Whoever brings no key where one is asked for. */
export function askForKey(): HttpReply {
  const refused = refusal("unauthorized", "Authorization must be Bearer and an API key.");
  const headers = { ...refused.headers, "cache-control": "no-store", "www-authenticate": challenge };
  return { ...refused, headers };
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
