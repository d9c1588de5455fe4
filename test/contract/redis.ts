// The contract of connection.ts and of the scripts behind the store, as a suite that a real Redis and the model of one both pass.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { ConnectionLost, RedisError } from "../../src/bridge/connection.ts";
import {
  batchOf,
  type Fixture,
  leaseMs,
  RedisClient,
  type RedisUnderTest,
  startsAt,
  streamRule,
} from "./redis-client.ts";
import { testInstances } from "./redis-instances.ts";
import { testLatest } from "./redis-latest.ts";
import { testStream } from "./redis-stream.ts";

export function testRedis(name: string, create: () => Promise<RedisUnderTest>): void {
  describe(`${name}:`, () => {
    let under: RedisUnderTest;
    let clients: RedisClient[];
    let epochs: number;

    beforeEach(async () => {
      under = await create();
      clients = [];
      epochs = 0;
    });
    afterEach(async () => {
      for (const { connection } of clients) connection.close();
      await under.end();
    });

    async function client(instance = "a"): Promise<RedisClient> {
      const newEpoch = () => `epoch-${++epochs}`;
      const opened = await new RedisClient(instance, newEpoch).open(under);
      clients.push(opened);
      expect(await opened.ask(opened.instances.fence(1, leaseMs))).toBe(true);
      return opened;
    }

    const fixture: Fixture = {
      get under() {
        return under;
      },
      client,
    };
    describe("a connection", () => testConnection(fixture));
    describe("a stream topic", () => testStream(fixture));
    describe("a latest topic", () => testLatest(fixture));
    describe("server instances", () => testInstances(fixture));
  });
}

function testConnection(fixture: Fixture): void {
  const ping = { command: "PING", args: [] } as const;
  const publish = (channel: string, payload: string) =>
    ({ command: "PUBLISH", args: [channel, Buffer.from(payload)] }) as const;
  const told = ({ messages }: RedisClient) =>
    messages.map(({ channel, payload }) => `${channel} ${Buffer.from(payload)}`);

  test("answers each call in its place, a refused one with an error that others do not suffer from", async () => {
    const { connection, store } = await fixture.client();
    const batch = (number: number) => store.append(batchOf("room:1", number, "x"), streamRule, startsAt).call;
    const [first, refused, last] = await connection.run([batch(2), batch(1), ping]);
    expect(Array.isArray(first)).toBe(true);
    expect(refused).toBeInstanceOf(RedisError);
    expect((refused as RedisError).code).toBe("STALE");
    expect(String(last)).toBe("PONG");
  });

  test("hands on the messages of subscribed channels in order, from the acknowledgement to the unsubscription", async () => {
    const [reader, writer] = [await fixture.client("r"), await fixture.client("w")];
    await writer.connection.run([publish("a", "too early")]);
    await reader.connection.subscribe(["a", "b"]);
    await writer.connection.run([publish("a", "1"), publish("b", "2"), publish("c", "other")]);
    await writer.connection.run([publish("a", "3")]);
    await reader.until(() => reader.messages.length >= 3);
    await reader.connection.unsubscribe(["a"]);
    await writer.connection.run([publish("a", "too late"), publish("b", "4")]);
    await reader.until(() => reader.messages.length >= 4);
    expect(told(reader)).toEqual(["a 1", "b 2", "a 3", "b 4"]);
  });

  test("subscribes to more channels than fit a command, whatever their names", async () => {
    const reader = await fixture.client();
    const channels = [...Array.from({ length: 1300 }, (_, index) => `channel ${index}`), "__proto__", "é"];
    await reader.connection.subscribe(channels);
    const asked = ["channel 0", "channel 511", "channel 512", "channel 1299", "__proto__", "é"];
    await reader.connection.run(asked.map((channel) => publish(channel, "x")));
    await reader.until(() => reader.messages.length >= asked.length);
    expect(told(reader)).toEqual(asked.map((channel) => `${channel} x`));
  });

  test("runs commands while it subscribes, and counts what has no reply yet", async () => {
    const { connection } = await fixture.client();
    await connection.subscribe(["a"]);
    const running = [connection.run([ping, ping]), connection.run([ping])];
    expect(connection.outstanding).toBe(3);
    expect((await Promise.all(running)).flat().map(String)).toEqual(["PONG", "PONG", "PONG"]);
    expect(connection.outstanding).toBe(0);
  });

  test("survives that Redis lost its scripts, also with several runs under way", async () => {
    const { connection, store } = await fixture.client();
    await fixture.under.flushScripts();
    const appends = [1, 2, 3].map((topic) =>
      store.append(batchOf(`room:${topic}`, 1, "x"), streamRule, startsAt),
    );
    const calls = appends.map(({ call }) => call);
    const runs = await Promise.all([
      connection.run([calls[0]!, ping, calls[1]!]),
      connection.run([calls[2]!]),
    ]);
    const [[first, pong, second], [third]] = runs as [unknown[], unknown[]];
    expect(String(pong)).toBe("PONG");
    for (const [index, reply] of [first, second, third].entries()) {
      expect(appends[index]!.parse(reply as null)).toMatchObject({ first: 1, count: 1 });
    }
  });

  test("tells once that it ended, fails what waits, and takes nothing more", async () => {
    const node = await fixture.client();
    await fixture.under.killConnections();
    const lost = await node.connection.run([ping]).catch((fault: unknown) => fault);
    expect(lost).toBeInstanceOf(ConnectionLost);
    await node.until(() => node.reasons.length > 0);
    await expect(node.connection.run([ping])).rejects.toBeInstanceOf(ConnectionLost);
    await expect(node.connection.subscribe(["a"])).rejects.toBeInstanceOf(ConnectionLost);
    node.connection.close();
    const later = await fixture.client("later");
    await later.connection.run([ping]);
    expect(node.reasons.length).toBe(1);
    expect(node.connection.outstanding).toBe(0);
  });

  test("ends at once where Redis does not answer", async () => {
    const node = await fixture.client();
    fixture.under.pause();
    const running = node.connection.run([ping]).catch((fault: unknown) => fault);
    const subscribing = node.connection.subscribe(["a"]).catch((fault: unknown) => fault);
    node.connection.close();
    expect(await running).toBeInstanceOf(ConnectionLost);
    expect(await subscribing).toBeInstanceOf(ConnectionLost);
    await node.until(() => node.reasons.length > 0);
    fixture.under.resume();
  });

  test("is not established within its time where Redis does not answer", async () => {
    const { connect, address } = fixture.under;
    const reasons: string[] = [];
    fixture.under.pause();
    const handlers = { message: () => undefined, closed: (reason: string) => reasons.push(reason) };
    const failed = await connect(address, handlers, 50).catch((fault: unknown) => fault);
    fixture.under.resume();
    expect(failed).toBeInstanceOf(ConnectionLost);
    expect(reasons).toEqual([]);
  });
}
