// One hostile request to the server API: its bytes, what may come back for it, and a look at what does. Knows no other request.

import { apiKey, codeOf, decode, encode } from "./api-client.ts";
import { HttpConnection, head, type RawAnswer } from "./http.ts";
import type { Random } from "./random.ts";

/** Status and code of an answer, `200` where there is none, or `closed` where the connection ends instead. */
export type ApiOutcome = string;

export interface ApiCase {
  readonly what: string;
  readonly bytes: Buffer;
  /** What may come back, once for each request. Nothing is read where nothing may. */
  readonly outcomes: readonly ApiOutcome[];
  /** More than one where requests are pipelined: the later ones may be cut off. */
  readonly requests?: number;
  /** What the client does once it has written: wait, end its side, or reset the connection. */
  readonly ending?: "end" | "reset";
}

/** What the node must have as `maxBodyBytes`, and `apiKey` among its keys. */
export const hostileBodyBytes = 65_536;

/** How the engine may refuse what is not HTTP before anybody is asked. */
export const notHttp = ["400", "404", "405", "411", "413", "431", "501", "505", "closed"];
export const keyHeader = `Authorization: Bearer ${apiKey}`;
const formats = ["json", "msgpack"] as const;

/** Sends a case and tells what came back otherwise than documented. */
export async function askApi(port: number, asked: ApiCase): Promise<string[]> {
  const { what, bytes, outcomes, requests = 1, ending } = asked;
  const connection = await HttpConnection.open(port);
  try {
    connection.write(bytes);
    if (ending === "end") connection.end();
    if (ending === "reset") {
      await connection.flushed();
      connection.reset();
      return [];
    }
    for (let answered = 0; answered < requests; answered++) {
      const answer = await connection.answer();
      const outcome = answer === undefined ? "closed" : outcomeOf(answer);
      if (outcome === "closed" && answered > 0) return [];
      if (!outcomes.includes(outcome)) return [`${what} → ${outcome}, not ${outcomes.join(" or ")}`];
    }
    return [];
  } catch (failure) {
    return [`${what} → ${failure}`];
  } finally {
    connection.destroy();
  }
}

/** Answers of the engine's own have no code. */
function outcomeOf({ status, headers, body }: RawAnswer): ApiOutcome {
  const value = decode(body, headers.get("content-type"));
  return status === 200 || typeof value !== "object" ? `${status}` : `${status} ${codeOf(value)}`;
}

interface Parts {
  readonly method?: string;
  readonly headers?: readonly string[];
  readonly body?: string | Uint8Array;
}

export function request(path: string, { method = "POST", headers = [keyHeader], body }: Parts): Buffer {
  const length = body === undefined ? [] : [`Content-Length: ${Buffer.byteLength(body)}`];
  const start = Buffer.from(head(method, path, ...length, ...headers), "latin1");
  return body === undefined ? start : Buffer.concat([start, Buffer.from(body)]);
}

export function sent(
  what: string,
  bytes: Buffer,
  outcomes: readonly ApiOutcome[],
  more: Partial<ApiCase> = {},
): ApiCase {
  const shown = bytes.toString("latin1").replace(keyHeader, "").replaceAll("\r\n", " ").slice(0, 200);
  return { what: `${what}: ${shown}`, bytes, outcomes, ...more };
}

/** A body in a format of its own choice. */
export function posted(
  random: Random,
  path: string,
  value: unknown,
  headers: readonly string[] = [],
): Buffer {
  const format = random.pick(formats);
  const all = [keyHeader, `Content-Type: application/${format}`, ...headers];
  return request(path, { headers: all, body: encode(value, format) });
}
