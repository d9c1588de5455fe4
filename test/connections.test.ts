// The node's connections on a model hub: who leaves before having been let in was never there.

import { expect, test } from "bun:test";
import { Connections } from "../src/connections/connections.ts";
import { Session } from "../src/connections/session.ts";
import type { Socket } from "../src/engine/engine.ts";
import { json } from "../src/wire/json.ts";
import { log } from "./support/in-process.ts";
import { ModelNode } from "./support/model-node.ts";

test("a client that is not welcomed yet is told of no closing, and its end is no hook's business", async () => {
  const node = new ModelNode(10);
  node.bridge.isSlow = true;
  const events: string[] = [];
  const connections = new Connections({
    nodeId: "node",
    limits: node.limits,
    hub: node.hub,
    requests: undefined as never,
    addressOf: ({ remoteAddress }) => remoteAddress,
    admission: { isLoopbackOnly: true, allowedOrigins: [] },
    verify: undefined,
    application: {
      onConnect: () => events.push("connect"),
      onDisconnect: () => events.push("disconnect"),
    },
    log,
    now: () => 0,
    newId: () => "id",
    random: () => 0.5,
  });
  const session = new Session(connections, "session", json, undefined, true);
  const socket = {
    data: session,
    remoteAddress: "127.0.0.1",
    bufferedBytes: () => 0,
    send: (text: string) => events.push(JSON.parse(text).type),
    close: () => queueMicrotask(() => connections.closed(socket, 1012)),
  } as unknown as Socket<Session>;
  connections.open(socket);
  await new Promise(setImmediate);
  expect(session.isAuthenticated).toBe(true);
  await connections.closeAll(1_000);
  expect(connections.count).toBe(0);
  expect(events).toEqual([]);
});
