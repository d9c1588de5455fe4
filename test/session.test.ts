// A session on a host of its own: what a fault of the server's does to its connection, and to nothing else.

import { expect, test } from "bun:test";
import { resolveOptions } from "../src/config/config.ts";
import { noConnections } from "../src/connections/connection-counts.ts";
import { Session, type SessionHost } from "../src/connections/session.ts";
import type { Socket } from "../src/engine/engine.ts";
import { FanwireError } from "../src/errors.ts";
import { json } from "../src/wire/json.ts";

/** A session on a socket that is full while `isFull`, and what the host hears. */
function open(host: Partial<SessionHost>) {
  const failures: unknown[] = [];
  const closes: number[] = [];
  const state = { isFull: false };
  const session = new Session(
    {
      limits: resolveOptions({}).limits,
      now: () => 0,
      counts: noConnections(),
      authenticate: () => ({ userId: "ann" }) as never,
      authenticated: () => undefined,
      welcome: async () => undefined,
      handle: () => undefined,
      drained: () => undefined,
      ended: () => undefined,
      failed: (failure) => failures.push(failure),
      ...host,
    },
    "session",
    json,
    undefined,
    false,
  );
  const socket = {
    bufferedBytes: () => (state.isFull ? Number.MAX_SAFE_INTEGER : 0),
    close: (code: number) => void closes.push(code),
    send: () => true,
  } as unknown as Socket<Session>;
  return { session, failures, closes, state, opened: session.opened(socket) };
}

test("a fault while frames that waited are taken is reported, and ends that connection only", async () => {
  const fault = new Error("a fault");
  const { session, failures, closes, state, opened } = open({
    handle: () => {
      throw fault;
    },
  });
  await opened;
  state.isFull = true;
  session.received('{"type":"ping"}');
  state.isFull = false;
  session.drained();
  await new Promise(setImmediate);
  expect([failures, closes]).toEqual([[fault], [1011]]);
  expect(session.isOver).toBe(true);
});

test("a fault while a client is let in is reported, and what it was told is not", async () => {
  const fault = new Error("a fault");
  const failing = open({ welcome: () => Promise.reject(fault) });
  await failing.opened;
  expect([failing.failures, failing.closes]).toEqual([[fault], [1013]]);
  const refused = open({
    authenticate: () => Promise.reject(new FanwireError("unavailable", "The keys are away.")),
  });
  await refused.opened;
  expect([refused.failures, refused.closes]).toEqual([[], [1013]]);
});
