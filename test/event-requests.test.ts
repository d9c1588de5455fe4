// Requests for event streams on a model hub: what happens to the node while somebody waits for the first byte.

import { expect, test } from "bun:test";
import { Connections } from "../src/connections/connections.ts";
import { EventRequests } from "../src/connections/event-requests.ts";
import type { HttpRequest, ResponseStream } from "../src/engine/engine.ts";
import { Access } from "../src/requests/access.ts";
import { log } from "./support/in-process.ts";
import { ModelNode } from "./support/model-node.ts";

function begin() {
  const node = new ModelNode(10);
  const common = {
    limits: node.limits,
    hub: node.hub,
    addressOf: ({ remoteAddress }: HttpRequest) => remoteAddress,
    admission: { isLoopbackOnly: true, allowedOrigins: [] },
    log,
    newId: () => "id",
    random: () => 0.5,
  };
  const connections = new Connections({
    ...common,
    nodeId: "node",
    requests: undefined as never,
    verify: undefined,
    application: {},
    now: () => 0,
  });
  const requests = new EventRequests({ ...common, connections, access: new Access({}, node.limits) });
  const sent: string[] = [];
  const stream: ResponseStream = {
    send: (text) => {
      sent.push(text);
      return "sent";
    },
    bufferedBytes: () => 0,
    cork: (work) => work(),
    end: () => void sent.push("end"),
    terminate: () => undefined,
  };
  const request: HttpRequest = {
    method: "GET",
    path: "/sse",
    query: "topic=room:1&join=none",
    headers: new Map([["host", "localhost"]]),
    remoteAddress: "127.0.0.1",
  };
  return { node, connections, requests, request, stream, sent };
}

test("who asked before the draining began is told of it when the answer begins", async () => {
  const { node, connections, requests, request, stream, sent } = begin();
  node.bridge.isSlow = true;
  const pending = requests.answer(request);
  await node.settle();
  connections.startDraining();
  await connections.closeAll(1000);
  node.bridge.release();
  const reply = await pending;
  reply.stream!.open(stream);
  expect(sent).toEqual([expect.stringContaining('"code":1012,"reason":"draining"'), "end"]);
  reply.stream!.closed();
  expect([connections.count, connections.caps.remembered]).toEqual([0, 0]);
});

test("a client that leaves before the answer begins leaves nothing behind", async () => {
  const { node, connections, requests, request } = begin();
  const reply = await requests.answer(request);
  expect(connections.caps.remembered).toBe(2);
  reply.stream!.closed();
  expect([connections.count, connections.caps.remembered]).toEqual([0, 0]);
  expect(node.hub.topics.get("room:1")!.members.size).toBe(0);
  expect(connections.counts.open).toEqual([0, 0, 0]);
});

test("a stream that has begun is in its topics until it is over", async () => {
  const { node, connections, requests, request, stream, sent } = begin();
  const reply = await requests.answer(request);
  reply.stream!.open(stream);
  expect(sent).toEqual([expect.stringMatching(/^id: \S+\n\n$/)]);
  expect(connections.counts.open).toEqual([0, 0, 1]);
  node.publishNext("room:1");
  expect(sent[1]).toMatch(/^id: \S+\ndata: .*\n\n$/);
  reply.stream!.closed();
  expect(node.hub.topics.get("room:1")!.members.size).toBe(0);
  expect([connections.counts.open, connections.counts.ended.client]).toEqual([[0, 0, 0], 1]);
});
