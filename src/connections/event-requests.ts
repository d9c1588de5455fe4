// Requests for event streams: who asks, from which page and for what, before the first byte; what cannot be had is refused in a
// way that a browser's EventSource understands.

import type { Limits } from "../config/limits.ts";
import type { HttpReply, HttpRequest } from "../engine/engine.ts";
import { FanwireError } from "../errors.ts";
import type { Hub } from "../hub/hub.ts";
import type { Log } from "../log.ts";
import type { Access } from "../requests/access.ts";
import { withDeadline } from "../requests/deadline.ts";
import { checkFormat } from "../requests/reading-rules.ts";
import { retryLine, sse } from "../wire/sse.ts";
import { checkTopicName } from "../wire/topic-name.ts";
import {
  type AdmissionRules,
  type CodedRefusal,
  findCredential,
  refusal,
  refuseByOrigin,
} from "./admission.ts";
import { awayPauseMs, type Connections } from "./connections.ts";
import { EventStream, errorFrame } from "./event-stream.ts";
import { readId, StreamPosition } from "./stream-position.ts";

export const eventsPath = "/sse";

export interface EventRequestsOptions {
  readonly connections: Connections;
  readonly hub: Hub;
  readonly access: Access;
  readonly admission: AdmissionRules;
  /** Whose a request is: its peer's, or whom a proxy names. */
  readonly addressOf: (request: HttpRequest) => string;
  readonly limits: Limits;
  readonly log: Log;
  readonly random: () => number;
  readonly newId: () => string;
}

/** What a request asks for. */
interface Wish {
  readonly topics: readonly string[];
  readonly lastEventId: string;
  readonly autoJoin: boolean;
  readonly maxRateHz: number | undefined;
  readonly credential: string | undefined;
}

/** Within this time a browser that was refused for the moment comes back. */
const returnMs = 5000;

export class EventRequests {
  readonly #options: EventRequestsOptions;

  constructor(options: EventRequestsOptions) {
    this.#options = options;
  }

  answer(request: HttpRequest): HttpReply | Promise<HttpReply> {
    const { admission, addressOf, connections } = this.#options;
    const refused = refuseByOrigin(request, admission);
    if (refused) return this.#refuse(request, refused, true);
    if (request.method === "OPTIONS") return preflight(request);
    if (request.method !== "GET") return { status: 405, headers: { allow: "GET, OPTIONS" } };
    const full = connections.refuse(addressOf(request));
    if (full) return this.#putOff(request, new FanwireError(full.reason, full.message));
    return this.#admit(request);
  }

  async #admit(request: HttpRequest): Promise<HttpReply> {
    const { addressOf, connections, newId } = this.#options;
    const remoteAddress = addressOf(request);
    let userId: string | undefined;
    connections.caps.opened(remoteAddress);
    try {
      const wish = readWish(request);
      const claims = await connections.authenticate(wish.credential);
      this.#countUser(claims.userId);
      userId = claims.userId;
      const own = wish.autoJoin ? connections.joinable(userId, sse) : [];
      const topics = [...new Set([...own, ...wish.topics])];
      this.#checkCount(wish.topics, topics);
      const position = new StreamPosition(topics, readId(wish.lastEventId));
      const { maxRateHz } = wish;
      const stream = new EventStream(connections, newId(), {
        claims,
        remoteAddress,
        topics,
        position,
        maxRateHz,
      });
      await this.#checkAccess(stream, wish.topics);
      await this.#open(topics);
      return { status: 200, headers: { ...eventHeaders, ...crossOrigin(request) }, stream };
    } catch (failure) {
      connections.caps.ended(remoteAddress, userId);
      return this.#failed(request, failure);
    }
  }

  /** A user who has too many may have fewer soon, as when an old connection has not been found dead yet. */
  #countUser(userId: string): void {
    try {
      this.#options.connections.authenticated(userId);
    } catch (failure) {
      throw failure instanceof FanwireError ? new Passing(failure) : failure;
    }
  }

  #checkCount(wished: readonly string[], topics: readonly string[]): void {
    const most = this.#options.limits.maxSseTopics;
    if (wished.length > most) {
      throw new FanwireError("too-many", `An event stream has at most ${most} topics.`);
    }
    if (topics.length === 0) throw new FanwireError("bad-topic", "There is no `topic` in the query.");
  }

  async #checkAccess(stream: EventStream, topics: readonly string[]): Promise<void> {
    const { hub, access } = this.#options;
    for (const topic of topics) {
      const namespace = hub.namespace(topic);
      checkFormat(sse, namespace);
      if (await access.mayRead(stream, topic, namespace)) continue;
      throw new FanwireError("forbidden", `The token does not grant subscribe on ${topic}.`);
    }
  }

  /** Where Redis is known to be away, a client is told so instead of waiting. */
  async #open(topics: readonly string[]): Promise<void> {
    const { hub } = this.#options;
    const opened = Promise.all(topics.map((topic) => hub.open(topic)));
    const away = () => new FanwireError("unavailable", "The bridge between nodes is away.");
    await (hub.bridgeIsAlive ? opened : withDeadline(opened, awayPauseMs, away));
  }

  #failed(request: HttpRequest, failure: unknown): HttpReply {
    if (failure instanceof Passing) return this.#putOff(request, failure.cause);
    if (!(failure instanceof FanwireError)) {
      this.#options.log.error("handler-failed", { error: failure });
      return this.#putOff(request, new FanwireError("internal", "The server failed to do this."));
    }
    if (failure.retryable) return this.#putOff(request, failure);
    return this.#refuse(request, refusal(failure.code, failure.message));
  }

  /** `isForeign`: a page that may not connect may not read either why. */
  #refuse(request: HttpRequest, refused: CodedRefusal, isForeign = false): HttpReply {
    const { reason, message: _, ...reply } = refused;
    this.#options.connections.counts.refused[reason] += 1;
    const challenge = reason === "unauthorized" ? { "www-authenticate": "Bearer" } : {};
    const headers = { ...reply.headers, ...challenge, "cache-control": "no-store" };
    return { ...reply, headers: isForeign ? headers : { ...headers, ...crossOrigin(request) } };
  }

  /** A browser never comes back after anything but a 200: what may be had later is put off by a stream that ends. */
  #putOff(request: HttpRequest, failure: FanwireError): HttpReply {
    const { connections, random } = this.#options;
    connections.counts.refused[failure.code] += 1;
    const body = retryLine(Math.round(random() * returnMs)) + sse.encode(errorFrame(failure));
    return { status: 200, headers: { ...eventHeaders, ...crossOrigin(request) }, body };
  }
}

/** Refused now, and perhaps not the next time. */
class Passing extends Error {
  override readonly cause: FanwireError;

  constructor(cause: FanwireError) {
    super(cause.message);
    this.cause = cause;
  }
}

const eventHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-cache, no-store, no-transform",
  // nginx would gather events otherwise.
  "x-accel-buffering": "no",
};

/** For a page of another origin. By now it is known to be an allowed one, and its cookie counts. */
function crossOrigin(request: HttpRequest): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === undefined) return { vary: "origin" };
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-credentials": "true",
    vary: "origin",
  };
}

/** What a page that reads the stream by `fetch` asks first, because it sends headers of its own. */
function preflight(request: HttpRequest): HttpReply {
  const headers = {
    ...crossOrigin(request),
    "access-control-allow-methods": "GET",
    "access-control-allow-headers": "authorization, cache-control, last-event-id",
    "access-control-max-age": "600",
  };
  return { status: 204, headers };
}

function readWish(request: HttpRequest): Wish {
  const query = new URLSearchParams(request.query);
  const rate = query.get("maxRateHz");
  if (rate !== null && !(Number(rate) >= 1)) {
    throw new FanwireError("bad-frame", "`maxRateHz` is a number from 1.");
  }
  return {
    topics: [...new Set(query.getAll("topic").map(checkTopicName))],
    // Of a stream that the browser opens again the header is the newer one.
    lastEventId: request.headers.get("last-event-id") ?? query.get("lastEventId") ?? "",
    autoJoin: query.get("join") !== "none",
    maxRateHz: rate === null ? undefined : Number(rate),
    credential: findCredential(request, [], query),
  };
}
