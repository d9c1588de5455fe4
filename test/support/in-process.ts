// A node inside the test's own process, as an application has one; its log is kept, and it ends with its test.

import { afterEach, expect } from "bun:test";
import { createServer, type Log, type Server, type ServerInput } from "../../src/server.ts";
import { dropPeers, Peer } from "./peer.ts";
import { tokenFor } from "./token.ts";

export interface Line {
  readonly event: string;
  readonly [field: string]: unknown;
}

const servers: Server[] = [];
/** What the test's servers have logged. */
export const lines: Line[] = [];

const write = (event: string, fields: object = {}) => void lines.push({ event, ...fields });
export const log: Log = { debug: write, info: write, warn: write, error: write };

/** To be called once per file: ends each test's servers and forgets what they logged. */
export function endServersAfterEach(): void {
  afterEach(async () => {
    dropPeers();
    await Promise.all(servers.splice(0).map((server) => server.close()));
    lines.length = 0;
  });
}

export async function start(input: ServerInput = {}): Promise<Server> {
  const server = await createServer({ port: 0, log, ...input });
  servers.push(server);
  return server;
}

export function connect(server: Server, userId?: string) {
  return Peer.connect(server.address.port, userId === undefined ? {} : { token: tokenFor(userId) });
}

export async function rejection(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  const error = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(Error);
  return error;
}

/** A promise that a test settles. */
export function deferred<T>() {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
