// Plain HTTP: liveness, readiness, and what is not for clients: API, metrics and console. Knows nothing of sessions.

import { challenge, type Endpoint, isApiPath } from "./api/api.ts";
import {
  type AdmissionRules,
  notFound,
  refusal,
  refuseByOrigin,
  socketPath,
} from "./connections/admission.ts";
import { eventsPath } from "./connections/event-requests.ts";
import { type Console, statePath } from "./console/console.ts";
import type { HttpReply, HttpRequest } from "./engine/engine.ts";
import { expositionType } from "./metrics/exposition.ts";

export interface HttpOptions {
  readonly admission: AdmissionRules;
  /** Why clients may not be sent here: draining, the bridge not proven alive, or tokens cannot be verified. Undefined: they may. */
  readonly unreadiness: () => string | undefined;
  /** Whether clients connect here. */
  readonly hasSocket: boolean;
  /** Where clients connect: the event streams. */
  readonly events?: (request: HttpRequest) => HttpReply | Promise<HttpReply>;
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
  /** Its files say nothing of the node and are for everybody. */
  readonly console?: Console;
}

const plain = { "content-type": "text/plain", "cache-control": "no-store" };

export function createHttp(options: HttpOptions): Endpoint {
  const fixed = createPaths(options);
  return (request, readBody) => {
    const { api } = options.internal ?? {};
    if (api && isApiPath(request.path)) {
      return refuseStrangePages(request, options) ?? api(request, readBody);
    }
    if (options.events && request.path === eventsPath) return options.events(request);
    const answer = fixed.get(request.path);
    if (!answer) return notFound();
    if (request.method === "GET" || request.method === "HEAD") return answer(request);
    return { status: 405, headers: { ...plain, allow: "GET, HEAD" }, body: "only GET and HEAD\n" };
  };
}

type Answer = (request: HttpRequest) => HttpReply;

function createPaths(options: HttpOptions): ReadonlyMap<string, Answer> {
  const { internal, unreadiness } = options;
  const paths = new Map<string, Answer>();
  paths.set("/health", () => ({ status: 200, headers: plain, body: "alive\n" }));
  paths.set("/ready", () => {
    const reason = unreadiness();
    if (reason === undefined) return { status: 200, headers: plain, body: "ready\n" };
    return { status: 404, headers: plain, body: `not ready: ${reason}\n` };
  });
  if (internal) addInternal(paths, internal, options);
  if (options.hasSocket) {
    const headers = { ...plain, upgrade: "websocket" };
    paths.set(socketPath, () => ({ status: 426, headers, body: "this is a WebSocket endpoint\n" }));
  }
  return paths;
}

function addInternal(paths: Map<string, Answer>, internal: InternalEndpoints, options: HttpOptions): void {
  const { metrics, authorize, console } = internal;
  paths.set("/metrics", (request) => {
    const refused = refuseStrangePages(request, options) ?? authorize?.(request);
    return refused ?? measured(metrics());
  });
  if (!console) return;
  for (const [path, file] of console.files) {
    paths.set(path, (request) => refuseByOrigin(request, options.admission) ?? file);
  }
  paths.set(statePath, (request) => {
    const refused = refuseByOrigin(request, options.admission) ?? authorize?.(request);
    return refused ?? console.state(request.query);
  });
}

/** On loopback no key may be asked for, and any web page can reach it, by a name of its own that points there. */
function refuseStrangePages(request: HttpRequest, { admission }: HttpOptions): HttpReply | undefined {
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
