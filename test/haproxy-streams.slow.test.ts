// Event streams through HAProxy, to nodes that are played: at once, resumed anywhere, and never refused for good.

import { afterEach, expect, test } from "bun:test";
import type { ServerResponse } from "node:http";
import { Haproxy } from "./support/haproxy.ts";
import { PlayedNode } from "./support/played-node.ts";

const timeoutMs = 30_000;
const open: { [Symbol.asyncDispose](): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each[Symbol.asyncDispose]();
});

/** A played node that streams by what a test wants. */
class StreamingNode extends PlayedNode {
  readonly streams: ServerResponse[] = [];
  /** What a stream is refused with. */
  refusal: number | undefined;
  asked = 0;

  private constructor() {
    super((response) => this.#stream(response));
  }

  static async start(): Promise<StreamingNode> {
    const node = new StreamingNode();
    open.push(node);
    await node.listen();
    return node;
  }

  #stream(response: ServerResponse): void {
    this.asked += 1;
    if (this.refusal !== undefined) {
      response.writeHead(this.refusal, { "content-type": "application/json" }).end('{"error":{}}');
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("id: 0\n\n");
    this.streams.push(response);
  }
}

async function behind(...nodes: readonly StreamingNode[]): Promise<Haproxy> {
  const haproxy = await Haproxy.start(nodes.map(({ port }) => port));
  open.unshift(haproxy);
  for (const [index] of nodes.entries()) await haproxy.sees(index + 1, "UP", "streams");
  return haproxy;
}

const ask = ({ port }: Haproxy) => fetch(`http://127.0.0.1:${port}/sse?topic=room:1`);

/** What says to a browser that it shall come back: anything but 200 would be the end. */
async function isToldToReturn(response: Response): Promise<void> {
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  expect(await response.text()).toBe("retry: 3000\n\n");
}

test(
  "each event arrives at once",
  async () => {
    const node = await StreamingNode.start();
    const response = await ask(await behind(node));
    const reader = response.body!.getReader();
    await reader.read();
    const delays: number[] = [];
    for (let n = 1; n <= 20; n++) {
      const startMs = performance.now();
      node.streams[0]!.write(`id: ${n}\ndata: {}\n\n`);
      const { value } = await reader.read();
      delays.push(performance.now() - startMs);
      expect(Buffer.from(value!).toString()).toBe(`id: ${n}\ndata: {}\n\n`);
    }
    // What waits for more to send waits for 40 ms and longer, each time. Half of them are a machine's bad luck at most.
    expect(delays.sort((one, other) => one - other)[10]).toBeLessThan(30);
    await reader.cancel();
  },
  timeoutMs,
);

test(
  "one that its node refuses with 503 is another node's",
  async () => {
    const [one, other] = [await StreamingNode.start(), await StreamingNode.start()];
    const haproxy = await behind(one, other);
    for (const [refusing, serving] of [
      [one, other],
      [other, one],
    ] as const) {
      refusing.refusal = 503;
      serving.refusal = undefined;
      const response = await ask(haproxy);
      expect(response.status).toBe(200);
      expect(serving.streams.length).toBe(1);
      await response.body!.cancel();
    }
    expect(one.asked + other.asked).toBe(3);
  },
  timeoutMs,
);

test(
  "one that every node refuses with 503 is told to come back",
  async () => {
    const nodes = [await StreamingNode.start(), await StreamingNode.start()];
    const haproxy = await behind(...nodes);
    for (const node of nodes) node.refusal = 503;
    await isToldToReturn(await ask(haproxy));
    // Other answers are the node's own to give.
    for (const node of nodes) node.refusal = 401;
    expect((await ask(haproxy)).status).toBe(401);
  },
  timeoutMs,
);

test(
  "where no node is ready one that lives is asked, and where none lives it is told to come back",
  async () => {
    const nodes = [await StreamingNode.start(), await StreamingNode.start()];
    const haproxy = await behind(...nodes);
    for (const node of nodes) node.state = "draining";
    for (const id of [1, 2]) await haproxy.sees(id, "NOLB");
    const response = await ask(haproxy);
    expect([response.status, nodes[0]!.streams.length + nodes[1]!.streams.length]).toEqual([200, 1]);
    await response.body!.cancel();
    for (const node of nodes) await node[Symbol.asyncDispose]();
    for (const id of [1, 2]) await haproxy.sees(id, "DOWN", "streams_degraded");
    await isToldToReturn(await ask(haproxy));
  },
  timeoutMs,
);
