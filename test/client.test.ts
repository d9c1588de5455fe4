// The client against real nodes on both engines: what it recovers, renews, repeats and gives up, over real sockets that break.

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Client, type ClientOptions, type ClientState, createClient } from "../src/client/client.ts";
import { msgpack } from "../src/client/msgpack.ts";
import { fresh, served } from "./support/served.ts";
import { TcpProxy } from "./support/tcp-proxy.ts";
import { everything, secondsFromNow, secret, tokenFor } from "./support/token.ts";

setDefaultTimeout(30_000);

const key = "sixteen-or-more-letters";
const clients: Client[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

function open(port: number, options: ClientOptions = {}): Client {
  const client = createClient(`ws://127.0.0.1:${port}/ws`, { token: () => tokenFor("ann"), ...options });
  clients.push(client);
  return client;
}

/** Resolves to the first state of this name from now on, or the one there is. */
function reaches<Name extends ClientState["state"]>(client: Client, name: Name) {
  return new Promise<Extract<ClientState, { state: Name }>>((resolve) => {
    const look = (state: ClientState) => {
      if (state.state === name) resolve(state as never);
    };
    client.on("state", look);
    look(client.state);
  });
}

/** Everything that is told of a topic, to be waited for. */
function listen(client: Client, topic: string) {
  const told = { data: [] as unknown[], recovered: [] as boolean[], resets: 0 };
  const waiting = new Set<() => void>();
  const look = () => {
    for (const check of waiting) check();
  };
  client.subscribe(topic, {
    onMessage: ({ data }) => {
      told.data.push(data);
      look();
    },
    onReset: () => {
      told.resets += 1;
      look();
    },
    onSubscribed: ({ recovered }) => {
      told.recovered.push(recovered);
      look();
    },
  });
  const until = (isSo: () => boolean) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (!isSo()) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return Object.assign(told, { until, subscribed: () => until(() => told.recovered.length > 0) });
}

describe.each(["bun", "uws"] as const)("the client and a node on %s", (engine) => {
  const server = served(engine, {
    jwtSecret: secret,
    apiKeys: [key],
    namespaces: { blob: { mode: "stream", binary: true } },
  });

  test("what is published while a client is cut off reaches it once and in order", async () => {
    await using proxy = await TcpProxy.to(server.port);
    const [stays, away] = [open(server.port), open(proxy.port)];
    const topic = fresh("room");
    const heard = listen(away, topic);
    await heard.subscribed();
    await stays.publish(topic, 0);
    await heard.until(() => heard.data.length === 1);
    for (let round = 0; round < 3; round += 1) {
      await proxy.cut(round % 2 === 0 ? "rst" : "fin");
      for (let i = 0; i < 20; i += 1) await stays.publish(topic, heard.data.length + i);
      const count = heard.data.length + 20;
      proxy.heal();
      away.connect();
      await heard.until(() => heard.data.length === count);
    }
    expect(heard.data).toEqual(Array.from({ length: 61 }, (_, i) => i));
    expect([heard.recovered, heard.resets]).toEqual([[false, true, true, true], 0]);
  });

  test("what is written while the connection breaks again and again is published once", async () => {
    await using proxy = await TcpProxy.to(server.port);
    const [reader, writer] = [open(server.port, { token: tokenFor("ben") }), open(proxy.port)];
    const topic = fresh("room");
    const heard = listen(reader, topic);
    await heard.subscribed();
    const made: Promise<unknown>[] = [];
    for (let i = 0; i < 200; i += 1) {
      made.push(writer.publish(topic, i));
      if (i % 40 === 20) {
        await proxy.drop();
        writer.connect();
        await reaches(writer, "connected");
      }
    }
    const positions = await Promise.all(made);
    await heard.until(() => heard.data.length >= 200);
    expect(heard.data).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(positions.map((position) => (position as { offset: number }).offset)).toEqual(
      heard.data.map((i) => Number(i) + 1),
    );
  });

  test("five hundred topics are listened to again in one burst, each from where it was", async () => {
    await using proxy = await TcpProxy.to(server.port);
    const [stays, away] = [open(server.port), open(proxy.port)];
    const topics = Array.from({ length: 500 }, () => fresh("room"));
    const heard = topics.map((topic) => listen(away, topic));
    await Promise.all(heard.map(({ subscribed }) => subscribed()));
    await proxy.cut();
    await Promise.all(topics.map((topic) => stays.publish(topic, topic)));
    proxy.heal();
    away.connect();
    await Promise.all(heard.map(({ until, data }) => until(() => data.length === 1)));
    expect(heard.map(({ data, resets }) => [...data, resets])).toEqual(topics.map((topic) => [topic, 0]));
  });

  test("a token is renewed before it expires, and the connection stays", async () => {
    const reasons: string[] = [];
    const client = open(server.port, {
      token: (reason) => {
        reasons.push(reason);
        return tokenFor("ann", { exp: secondsFromNow(reason === "connect" ? 3 : 3_600) });
      },
    });
    const renewed = new Promise<number>((resolve) => {
      client.on("traffic", ({ direction, frame }) => {
        if (direction === "in" && frame.type === "ok" && "expiresAt" in frame)
          resolve(Number(frame.expiresAt));
      });
    });
    expect(await renewed).toBeGreaterThan(Date.now() + 3_000_000);
    expect([client.state.state, reasons]).toEqual(["connected", ["connect", "refresh"]]);
  });

  test("a token that grants less ends what it no longer grants", async () => {
    const grants = { subscribe: ["room:kept"], publish: [] };
    const client = open(server.port, {
      token: (reason) => {
        const exp = secondsFromNow(reason === "connect" ? 3 : 3_600);
        return tokenFor("ann", { exp, fanwire: reason === "connect" ? everything : grants });
      },
    });
    const [lost, kept] = [fresh("room"), "room:kept"];
    const heard = listen(client, kept);
    const refused = new Promise((resolve) => {
      client.subscribe(lost, { onMessage: () => undefined, onError: ({ code }) => resolve(code) });
    });
    expect(await refused).toBe("forbidden");
    expect(heard.recovered.length).toBe(1);
  });

  test("a client that the API disconnects stays away", async () => {
    const client = open(server.port, { token: tokenFor("eve") });
    await reaches(client, "connected");
    const response = await fetch(`http://127.0.0.1:${server.port}/api/users/eve/disconnect`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
    });
    expect(response.status).toBe(200);
    expect(await reaches(client, "closed")).toEqual({ state: "closed", code: 4000, reason: "disconnected" });
  });

  test("a publication over the frame's limit ends, and the ones around it are made", async () => {
    const client = open(server.port);
    const topic = fresh("room");
    const before = client.publish(topic, "before");
    const tooLarge = client.publish(topic, "x".repeat(100_000)).catch(({ code }) => code);
    const after = client.publish(topic, "after");
    expect(["too-large", "outcome-unknown"]).toContain(await tooLarge);
    await Promise.all([before, after]);
    const { publications } = await client.history(topic);
    expect(publications.map(({ data }) => data)).toEqual(["before", "after"]);
  });

  test("the newest values come first, and after a loss those that changed", async () => {
    await using proxy = await TcpProxy.to(server.port);
    const [stays, away] = [open(server.port), open(proxy.port)];
    const topic = fresh("ticker");
    for (const key of ["a", "b"]) await stays.publish(topic, `${key}1`, { key });
    const heard = listen(away, topic);
    await heard.until(() => heard.data.length === 2);
    await proxy.cut();
    await stays.publish(topic, "b2", { key: "b" });
    await stays.publish(topic, null, { key: "a", removed: true });
    proxy.heal();
    away.connect();
    await heard.until(() => heard.data.length === 4);
    expect([heard.data, heard.recovered, heard.resets]).toEqual([["a1", "b1", "b2", null], [false, true], 0]);
  });

  test("binary data travels in MessagePack", async () => {
    const client = open(server.port, { format: msgpack });
    const topic = fresh("blob");
    const heard = listen(client, topic);
    await heard.subscribed();
    await client.publish(topic, new Uint8Array([1, 2, 255]));
    await heard.until(() => heard.data.length === 1);
    expect(new Uint8Array(heard.data[0] as Uint8Array)).toEqual(new Uint8Array([1, 2, 255]));
  });

  test("what is sent to a user reaches their own topic", async () => {
    const client = open(server.port, { token: tokenFor("dan") });
    const told = new Promise((resolve) => {
      client.subscribeUser({
        onMessage: ({ topic, data }) => resolve([topic, data]),
        onSubscribed: () => client.publish("user:dan", "hello").catch(resolve),
      });
    });
    expect(await told).toEqual(["user:dan", "hello"]);
  });
});
