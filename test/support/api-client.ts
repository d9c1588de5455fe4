// A client of the server API for tests: one request, one answer, in either format.

import { Packr } from "msgpackr";
import type { FormatName } from "./peer.ts";

export const apiKey = "an-api-key-for-tests";
export const otherKey = "another-api-key-for-tests";

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Decoded by its Content-Type; text where that is neither format. */
  readonly body: unknown;
}

export interface Request {
  /** `null` sends none. */
  readonly key?: string | null;
  /** Bytes and strings are sent as they are, anything else in the client's format. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: "number", useToJSON: false });
const types = { json: "application/json", msgpack: "application/msgpack" } as const;

export function encode(value: unknown, format: FormatName): string | Uint8Array {
  return format === "json" ? JSON.stringify(value) : new Uint8Array(packr.pack(value));
}

export class ApiClient {
  readonly #base: string;
  readonly #format: FormatName;

  constructor(port: number, format: FormatName = "json") {
    this.#base = `http://127.0.0.1:${port}`;
    this.#format = format;
  }

  async request(method: string, path: string, request: Request = {}): Promise<ApiAnswer> {
    const { key = apiKey, body } = request;
    const headers: Record<string, string> = { accept: types[this.#format] };
    if (key !== null) headers.authorization = `Bearer ${key}`;
    if (body !== undefined) headers["content-type"] = types[this.#format];
    Object.assign(headers, request.headers);
    const isRaw = typeof body === "string" || body instanceof Uint8Array;
    const init: RequestInit = { method, headers, signal: AbortSignal.timeout(10_000) };
    if (body !== undefined)
      init.body = (isRaw ? body : encode(body, this.#format)) as NonNullable<RequestInit["body"]>;
    const answer = await fetch(this.#base + path, init);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    return {
      status: answer.status,
      headers: answer.headers,
      body: decode(bytes, answer.headers.get("content-type")),
    };
  }

  /** Posts, and expects success. */
  async post(path: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<unknown> {
    return succeeded(await this.request("POST", path, { body, headers }));
  }

  async get(path: string): Promise<unknown> {
    return succeeded(await this.request("GET", path));
  }

  /** Status and code of a request that fails. */
  async failure(
    method: string,
    path: string,
    request: Request = {},
  ): Promise<[status: number, code: unknown]> {
    const { status, body } = await this.request(method, path, request);
    return [status, codeOf(body)];
  }
}

/** The code of an error, after a look at its shape. */
export function codeOf(body: unknown): unknown {
  const { error, ...others } = body as { error?: { code?: unknown; message?: unknown } };
  if (typeof error?.message !== "string" || error.message === "" || Object.keys(others).length > 0) {
    throw new Error(`this is not an error as the API has them: ${JSON.stringify(body)}`);
  }
  return error.code;
}

function succeeded({ status, body }: ApiAnswer): unknown {
  if (status === 200) return body;
  throw new Error(`${status}: ${JSON.stringify(body)}`);
}

/** By its type; text where that is neither format. */
export function decode(bytes: Uint8Array, type: string | null | undefined): unknown {
  if (bytes.length === 0) return undefined;
  if (type === types.msgpack) return packr.unpack(bytes);
  const text = new TextDecoder().decode(bytes);
  return type === types.json ? JSON.parse(text) : text;
}
