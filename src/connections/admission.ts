// Whether a WebSocket handshake may become a session, and with which format and credential; verifies no token.

import type { HttpReply, HttpRequest } from "../engine/engine.ts";
import { type ErrorCode, errorRules } from "../errors.ts";
import type { WireFormat } from "../wire/format.ts";
import { json } from "../wire/json.ts";
import { msgpack } from "../wire/msgpack.ts";
import { hostIsLoopback, originAllowed } from "./origin.ts";

/** What a handshake brought along. */
export interface Handshake {
  readonly format: WireFormat;
  readonly credential: string | undefined;
  readonly autoJoin: boolean;
}

export interface AdmissionRules {
  /** The listener is on loopback, and asks for less than elsewhere: any web page can reach it, so `Host` must be a name of it. */
  readonly isLoopbackOnly: boolean;
  readonly allowedOrigins: readonly string[];
}

export const socketPath = "/ws";
const bearerPrefix = "bearer.";
const retryAfterSeconds = "2";

/** What a handshake is answered with instead, and why. */
export interface Refusal extends HttpReply {
  readonly reason: ErrorCode | "not-found";
}

/** What is refused with a code, and the sentence that goes with it. */
export interface CodedRefusal extends Refusal {
  readonly reason: ErrorCode;
  readonly message: string;
}

/** A refusal that a client can read: the code of the error table with its HTTP status. */
export function refusal(code: ErrorCode, message: string): CodedRefusal {
  const { status } = errorRules[code];
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (status === 503) headers["retry-after"] = retryAfterSeconds;
  return { reason: code, message, status, headers, body: JSON.stringify({ error: { code, message } }) };
}

/** Refuses a request by where it says it comes from and goes to, or answers undefined. */
export function refuseByOrigin(request: HttpRequest, rules: AdmissionRules): CodedRefusal | undefined {
  const host = request.headers.get("host");
  if (rules.isLoopbackOnly && !hostIsLoopback(host)) {
    return refusal("forbidden", "Host must be localhost or a loopback address here.");
  }
  const origin = request.headers.get("origin");
  if (originAllowed({ origin, host }, rules.allowedOrigins)) return undefined;
  return refusal("forbidden", "This Origin is not among the allowed ones.");
}

/** Reads a handshake for `/ws`, or refuses it. */
export function readHandshake(
  request: HttpRequest,
  rules: AdmissionRules,
): { readonly handshake: Handshake; readonly subprotocol?: string } | { readonly refuse: Refusal } {
  if (request.path !== socketPath) return { refuse: notFound() };
  const refused = refuseByOrigin(request, rules);
  if (refused) return { refuse: refused };
  const offered = (request.headers.get("sec-websocket-protocol") ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  const query = new URLSearchParams(request.query);
  const credential = findCredential(request, offered, query);
  const autoJoin = query.get("join") !== "none";
  const protocols = offered.filter((name) => !name.startsWith(bearerPrefix));
  const format = [json, msgpack].find(({ subprotocol }) => protocols.includes(subprotocol));
  if (format) {
    return { handshake: { format, credential, autoJoin }, subprotocol: format.subprotocol };
  }
  if (protocols.length === 0) return { handshake: { format: json, credential, autoJoin } };
  const known = `${json.subprotocol} and ${msgpack.subprotocol}`;
  return { refuse: refusal("bad-frame", `None of the offered subprotocols is spoken here: ${known} are.`) };
}

export function notFound(): Refusal {
  const headers = { "content-type": "text/plain" };
  return { reason: "not-found", status: 404, headers, body: "not found\n" };
}

/** The token, from the first place that has one. A cookie counts only where an (allowed) Origin vouches for the page. */
export function findCredential(
  request: HttpRequest,
  offered: readonly string[],
  query: URLSearchParams,
): string | undefined {
  const authorization = request.headers.get("authorization");
  const bearer = authorization === undefined ? null : /^bearer +(\S+) *$/i.exec(authorization);
  if (bearer) return bearer[1];
  const subprotocol = offered.find((name) => name.startsWith(bearerPrefix));
  if (subprotocol !== undefined) return subprotocol.slice(bearerPrefix.length);
  const parameter = query.get("token");
  if (parameter !== null) return parameter;
  return request.headers.has("origin") ? cookie(request.headers.get("cookie"), "token") : undefined;
}

function cookie(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? "").split(";")) {
    const [key, value] = pair.split("=", 2);
    if (key?.trim() === name) return value?.trim();
  }
  return undefined;
}
