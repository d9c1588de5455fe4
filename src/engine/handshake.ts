// What makes a request a WebSocket handshake, and the answer to one that failed; knows nothing of either engine.
import type { HttpReply, HttpRequest } from "./engine.ts";

/** A base64 key of 16 bytes, as RFC 6455 wants it: the engines ask for this length and look no further. */
const keyLength = 24;

/** One rule for both engines, so that the same bytes are a handshake on both or a plain request on both. */
export function isWebSocketHandshake(request: HttpRequest): boolean {
  return (
    request.method === "GET" &&
    request.headers.get("upgrade")?.toLowerCase() === "websocket" &&
    request.headers.get("sec-websocket-key")?.length === keyLength
  );
}

/** What a client hears when a handler threw: nothing of the error itself. */
export const internalError: HttpReply = { status: 500 };
