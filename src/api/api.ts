// The server API at /api: who may use it, and each request from its bytes to an answer; knows no topics and no sessions.

import type { EngineHandlers, HttpRequest } from "../engine/engine.ts";
import { FanwireError } from "../errors.ts";
import type { WireFormat } from "../wire/format.ts";
import { json } from "../wire/json.ts";
import { answerFormat, bodyFormat, decodeBody, encodeAnswer } from "./content.ts";
import { createKeyCheck } from "./keys.ts";
import { asFanwireError, errorBody, headersOf, Refusal, statusOf } from "./refusal.ts";
import { createRouter, type Match } from "./router.ts";
import { createRoutes, type RoutesOptions, type Run } from "./routes.ts";

export interface ApiOptions extends RoutesOptions {
  readonly keys: readonly string[];
  readonly isDraining: () => boolean;
}

/** Answers a request, as an engine asks for it. */
export type Endpoint = EngineHandlers<unknown>["http"];

/** What an answer 401 asks for. */
export const challenge = 'Bearer realm="fanwire"';

export function isApiPath(path: string): boolean {
  return path === "/api" || path.startsWith("/api/");
}

const nothing = new Uint8Array(0);

/** Answers whatever is asked under /api. Never throws and never rejects. */
export function createApi(options: ApiOptions): Endpoint {
  const { keys, isDraining, log } = options;
  const isKnown = createKeyCheck(keys);
  const match = createRouter(createRoutes(options));
  return async (request, readBody) => {
    let format = json;
    try {
      // Before anything else, so that nobody without a key learns what there is or has a body read.
      if (!isKnown(request.headers.get("authorization"))) throw unauthorized();
      const found = match(request);
      if (isDraining()) throw new FanwireError("draining", "This node is closing.");
      const hasBody = found.route.method === "POST";
      const given = hasBody ? bodyFormat(request.headers) : json;
      format = answerFormat(request.headers, given);
      const bytes = hasBody ? await readBody() : nothing;
      const answer = await run(found, request, bytes, given, format);
      return encodeAnswer(200, answer, format);
    } catch (failure) {
      const error = asFanwireError(failure, log);
      return encodeAnswer(statusOf(error), errorBody(error), format, headersOf(error));
    }
  };
}

function run(
  { route, parameters }: Match<Run>,
  { headers, query }: HttpRequest,
  bytes: Uint8Array,
  given: WireFormat,
  wanted: WireFormat,
): object | Promise<object> {
  return route.run({
    parameters,
    query: new URLSearchParams(query),
    body: decodeBody(bytes, given),
    bodyBytes: bytes.length,
    bodyFormat: given,
    answerFormat: wanted,
    idempotencyKey: headers.get("idempotency-key"),
  });
}

function unauthorized(): Refusal {
  const headers = { "www-authenticate": challenge };
  return new Refusal(401, "Authorization must be Bearer and an API key.", headers, "unauthorized");
}
