// The library: a node inside an application, which publishes through it, starts it and ends it.

import { describe, expect, test } from "bun:test";
import { ConfigError, createServer, FanwireError, type ServerInput } from "../src/server.ts";
import { connect, endServersAfterEach, lines, log, rejection, start } from "./support/in-process.ts";
import { fresh } from "./support/served.ts";
import { secret } from "./support/token.ts";

endServersAfterEach();

/** A server with a subscriber on a topic of its own. */
async function withSubscriber(namespace: string, input: ServerInput = {}) {
  const server = await start(input);
  const topic = fresh(namespace);
  const peer = await connect(server);
  await peer.request({ type: "subscribe", topic });
  return { server, topic, peer };
}

describe("publishing", () => {
  test("reaches subscribers and resolves to the position in a stream, to nothing elsewhere", async () => {
    const { server, topic, peer } = await withSubscriber("room");
    const position = await server.publish(topic, { text: "hello" }, { event: "said", userId: "bot" });
    expect(position).toEqual({ epoch: expect.any(String), offset: 1 });
    const [message] = await peer.messages(1);
    expect(message).toEqual({
      type: "message",
      topic,
      data: { text: "hello" },
      event: "said",
      userId: "bot",
      timestamp: expect.any(Number),
      offset: 1,
    });
    const game = fresh("game");
    await peer.request({ type: "subscribe", topic: game });
    expect(await server.publish(game, 1)).toBeUndefined();
    expect((await peer.messages(1))[0]).not.toHaveProperty("userId");
  });

  test("to everyone and to a user's devices", async () => {
    const server = await start({ jwtSecret: secret });
    const [ann, annToo, ben] = [
      await connect(server, "ann"),
      await connect(server, "ann"),
      await connect(server, "ben"),
    ];
    expect(await server.broadcast("all of you")).toMatchObject({ offset: 1 });
    expect(await server.sendToUser("ann", "you alone")).toMatchObject({ offset: 1 });
    for (const peer of [ann, annToo]) {
      expect((await peer.messages(2)).map(({ data }) => data)).toEqual(["all of you", "you alone"]);
    }
    expect((await ben.settled()).map(({ data }) => data)).toEqual(["all of you"]);
  });

  test("under an idempotency key happens once", async () => {
    const { server, topic, peer } = await withSubscriber("room");
    const key = { idempotencyKey: "order-7" };
    const positions = await Promise.all([server.publish(topic, 1, key), server.publish(topic, 2, key)]);
    expect(positions[1]).toEqual(positions[0]!);
    expect((await peer.settled()).map(({ data }) => data)).toEqual([1]);
  });

  test("copies the data: what the application does to it later changes no history", async () => {
    const { server, topic, peer } = await withSubscriber("room");
    const data = { list: [1, { deep: true }], gone: undefined };
    await server.publish(topic, data);
    data.list.push(2);
    Object.assign(data.list[1]!, { deep: false });
    const { publications } = await peer.request({ type: "history", topic });
    expect(publications).toMatchObject([{ data: { list: [1, { deep: true }] } }]);
    expect((publications![0]!.data as { list: unknown[] }).list).toHaveLength(2);
  });

  test("refuses what is not data, no topic, or not the topic's to have", async () => {
    const server = await start();
    const loop: unknown[] = [];
    loop.push(loop);
    const bad = [undefined, () => 1, Symbol("s"), 10n, Number.NaN, new Date(), new Map(), Buffer.of(1), loop];
    for (const data of bad)
      expect(await rejection(server.publish("room:1", data))).toHaveProperty("code", "bad-data");
    const refused: [Promise<unknown>, string][] = [
      [server.publish("room", 1), "bad-topic"],
      [server.publish("room:a b", 1), "bad-topic"],
      [server.publish("nowhere:1", 1), "unknown-namespace"],
      [server.publish("game:1", 1, { idempotencyKey: "k" }), "mode-mismatch"],
      [server.sendToUser("a b", 1), "bad-topic"],
    ];
    for (const [publishing, code] of refused) {
      const error = await rejection(publishing);
      expect(error).toBeInstanceOf(FanwireError);
      expect(error.code).toBe(code);
    }
  });
});

describe("a server", () => {
  test("shares nothing with another one in the same process", async () => {
    const [one, two] = [await start(), await start()];
    expect(one.address.port).not.toBe(two.address.port);
    const topic = fresh("room");
    const [here, there] = [await connect(one), await connect(two)];
    for (const peer of [here, there]) await peer.request({ type: "subscribe", topic });
    await one.publish(topic, "here");
    expect((await here.settled()).map(({ data }) => data)).toEqual(["here"]);
    expect(await there.settled()).toEqual([]);
    await one.close();
    expect(await there.request({ type: "ping" })).toMatchObject({ type: "pong" });
  });

  test("closes once however often it is asked, sends its clients away, and frees its port", async () => {
    const server = await start();
    const peer = await connect(server);
    const ends = [server.close(), server.close()];
    expect(await peer.take("closing")).toMatchObject({ code: 1012 });
    expect(await peer.raw.closed()).toEqual({ code: 1012, reason: "draining" });
    expect((await rejection(server.publish("room:1", 1))).code).toBe("draining");
    await Promise.all(ends);
    await server.close();
    expect(lines.filter(({ event }) => event === "closed")).toHaveLength(1);
    const next = await start({ port: server.address.port });
    expect(next.address.port).toBe(server.address.port);
  });

  test("does not start on a port that is taken, and says so by the system's code", async () => {
    const { port } = (await start()).address;
    expect(await rejection(createServer({ port, log }))).toHaveProperty("code", "EADDRINUSE");
  });

  test("does not start with options that cannot be used, and says which", async () => {
    const inputs: [object, string][] = [
      [{ port: -1 }, "port"],
      [{ prot: 9001 }, "prot"],
      [{ limits: { maxConnections: 0 } }, "limits.maxConnections"],
      [{ namespaces: { chat: {} } }, "namespaces.chat.mode"],
      [{ host: "0.0.0.0" }, "host"],
    ];
    for (const [input, name] of inputs) {
      const error = await rejection(createServer({ port: 0, log, ...input } as ServerInput));
      expect(error).toBeInstanceOf(ConfigError);
      expect(error.message).toStartWith(`${name} `);
    }
    expect(lines).toEqual([]);
  });
});
