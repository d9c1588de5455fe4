// The server API in this process, and what cannot be seen from outside: what a batch's turn holds, and faults of our own.

import { describe, expect, test } from "bun:test";
import { createApi, type Endpoint } from "../src/api/api.ts";
import { createKeyCheck } from "../src/api/keys.ts";
import { RequestsUnderWay } from "../src/api/under-way.ts";
import type { Bridge, Position, Publication } from "../src/bridge/bridge.ts";
import { resolveOptions } from "../src/config/config.ts";
import { FanwireError } from "../src/errors.ts";
import type { Hub } from "../src/hub/hub.ts";
import { createLog } from "../src/log.ts";
import { Publications } from "../src/requests/publications.ts";
import { createServer } from "../src/server.ts";
import { apiContract } from "./contract/api.ts";
import { apiKey } from "./support/api-client.ts";

const lines: string[] = [];
const log = createLog("error", (line) => void lines.push(line));

apiContract("in this process", async (options) => {
  const server = await createServer({ ...options, port: 0, log: createLog("silent", () => undefined) });
  const { port, adminPort } = server.address;
  return { port, adminPort, drain: () => void server.close(), stop: () => server.close() };
});

/** The API over a bridge that answers when and what a test wants. */
function withBridge(
  publish: (publication: Publication) => Promise<Position>,
  watch = (endpoint: Endpoint) => endpoint,
) {
  const { namespaces, limits } = resolveOptions({});
  const hub = { namespace: () => namespaces.get("room")! } as unknown as Hub;
  const bridge = {
    publish: (_: string, publication: Publication) => publish(publication),
  } as unknown as Bridge;
  const endpoint = createApi({
    keys: [apiKey],
    hub,
    bridge,
    publications: new Publications({ hub, bridge, limits, now: () => 0 }),
    limits,
    log,
    stats: () => ({}),
    isDraining: () => false,
  });
  const api = watch(endpoint);
  return async (path: string, body: unknown) => {
    const headers = new Map([["authorization", `Bearer ${apiKey}`]]);
    const request = { method: "POST", path, query: "", headers, remoteAddress: "" };
    const reply = await api(request, async () => Buffer.from(JSON.stringify(body)));
    return { status: reply.status, headers: reply.headers, body: JSON.parse(String(reply.body)) };
  };
}

describe("behind the API", () => {
  test("a batch's publications are all with the bridge before the first of them is answered", async () => {
    const accepted: unknown[] = [];
    const settle: (() => void)[] = [];
    const post = withBridge(({ data }) => {
      accepted.push(data);
      return new Promise((resolve) => settle.push(() => resolve({ epoch: "e", offset: Number(data) })));
    });
    const publications = [1, 2, 3].map((data) => ({ topic: "room:1", data }));
    const answer = post("/api/publish/batch", { publications });
    while (settle.length === 0) await Promise.resolve();
    expect(accepted).toEqual([1, 2, 3]);
    // The bridge's order of answering is its own.
    for (const each of settle.reverse()) each();
    expect((await answer).body).toEqual({ results: [1, 2, 3].map((offset) => ({ epoch: "e", offset })) });
  });

  test("what the bridge says is told with its status, and when to come again", async () => {
    const refused = withBridge(async () => {
      throw new FanwireError("unavailable", "The bridge is away.");
    });
    const answer = await refused("/api/publish", { topic: "room:1", data: 1 });
    expect([answer.status, answer.headers?.["retry-after"]]).toEqual([503, "2"]);
    expect(answer.body).toEqual({ error: { code: "unavailable", message: "The bridge is away." } });
    const many = await refused("/api/publish/batch", { publications: [{ topic: "room:1", data: 1 }] });
    expect([many.status, many.body.results[0].error.code]).toEqual([200, "unavailable"]);
  });

  test("a fault of our own is logged, and nothing of it is told", async () => {
    const faulty = withBridge(async () => {
      throw new TypeError("the password is hunter2");
    });
    const answer = await faulty("/api/publish", { topic: "room:1", data: 1 });
    expect([answer.status, answer.body.error.code]).toEqual([500, "internal"]);
    const many = await faulty("/api/publish/batch", { publications: [{ topic: "room:1", data: 1 }] });
    expect(many.body.results[0].error.code).toBe("internal");
    expect(JSON.stringify([answer.body, many.body])).not.toContain("hunter2");
    expect(lines.filter((line) => line.includes("hunter2"))).toHaveLength(2);
  });

  test("what is under way is waited for until it is answered, and not beyond the deadline", async () => {
    const underWay = new RequestsUnderWay();
    const settle: ((position: Position) => void)[] = [];
    const post = withBridge(
      () => new Promise((resolve) => settle.push(resolve)),
      (endpoint) => underWay.watch(endpoint),
    );
    await underWay.finished(60_000);
    const [first, second] = [0, 1].map(() => post("/api/publish", { topic: "room:1", data: 1 }));
    while (settle.length < 2) await Promise.resolve();
    await underWay.finished(1);
    let isFinished = false;
    const finished = underWay.finished(60_000).then(() => {
      isFinished = true;
    });
    settle[0]!({ epoch: "e", offset: 1 });
    expect((await first)!.status).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(isFinished).toBe(false);
    // What comes later is not waited for.
    void post("/api/publish", { topic: "room:1", data: 1 });
    settle[1]!({ epoch: "e", offset: 2 });
    expect((await second)!.status).toBe(200);
    await finished;
  });

  test("a key is known as a whole or not at all", () => {
    const isKnown = createKeyCheck(["first-of-two-keys", "second-of-two-keys"]);
    for (const key of ["first-of-two-keys", "second-of-two-keys"])
      expect(isKnown(`Bearer ${key}`)).toBe(true);
    const wrong = [
      "Bearer first-of-two-key",
      "Bearer first-of-two-keyss",
      "first-of-two-keys",
      "Bearer ",
      "",
    ];
    for (const each of [...wrong, undefined]) expect(isKnown(each)).toBe(false);
    expect(createKeyCheck([])("Bearer undefined")).toBe(false);
  });
});
