// The text of a key set, from a file or from a URL: bounded in size, and by a deadline; knows nothing of keys.

import { createReadStream } from "node:fs";

/** Reads the document anew. Rejects with an Error whose message says why, without anything secret. */
export type ReadDocument = () => Promise<string>;

export function fromFile(path: string, maxBytes: number): ReadDocument {
  return async () => {
    try {
      // One byte more than is allowed shows that there are too many.
      return await collect(createReadStream(path, { end: maxBytes }), maxBytes);
    } catch (error) {
      throw asReason(error);
    }
  };
}

/** Redirects are not followed: an answer from elsewhere would decide who may come in. */
export function fromUrl(url: string, maxBytes: number, timeoutMs: number): ReadDocument {
  return async () => {
    const controller = new AbortController();
    const late = new Promise<never>((_, reject) => {
      controller.signal.addEventListener("abort", () => reject(new Error(`no answer in ${timeoutMs} ms`)));
    });
    const timer = setTimeout(() => controller.abort(), timeoutMs);
    try {
      // The race, because not every part of a fetch heeds the signal in every runtime.
      return await Promise.race([download(url, maxBytes, controller.signal), late]);
    } catch (error) {
      throw asReason(error);
    } finally {
      clearTimeout(timer);
      // Lets go of a connection whose answer was refused, half read. Nobody waits for `late` any more.
      late.catch(() => undefined);
      controller.abort();
    }
  };
}

async function download(url: string, maxBytes: number, signal: AbortSignal): Promise<string> {
  const headers = { accept: "application/jwk-set+json, application/json" };
  const response = await fetch(url, { headers, redirect: "manual", signal });
  if (response.status !== 200) throw new Error(`answered with status ${response.status}`);
  return collect((response.body ?? []) as AsyncIterable<Uint8Array>, maxBytes);
}

async function collect(chunks: AsyncIterable<Uint8Array>, maxBytes: number): Promise<string> {
  const collected: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`is larger than ${maxBytes} bytes`);
    collected.push(chunk);
  }
  return Buffer.concat(collected).toString();
}

/** The system's own word for it, such as ECONNREFUSED, which Node.js hides in the cause. */
function asReason(error: unknown): Error {
  const { code, cause, message } = error as Error & { code?: unknown; cause?: { code?: unknown } };
  const word = cause?.code ?? code;
  return typeof word === "string" ? new Error(word, { cause: error }) : new Error(message, { cause: error });
}
