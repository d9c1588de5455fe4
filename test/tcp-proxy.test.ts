// The proxy that other tests break networks with: it must itself do what it says.

import { afterEach, expect, test } from "bun:test";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { TcpProxy } from "./support/tcp-proxy.ts";

const open: (Socket | Server)[] = [];
const proxies: TcpProxy[] = [];
afterEach(async () => {
  await Promise.all(proxies.splice(0).map((proxy) => proxy[Symbol.asyncDispose]()));
  for (const one of open.splice(0)) {
    if ("destroy" in one) one.destroy();
    else one.close();
  }
});

/** A proxy to a server that answers everything with the same. */
async function toEcho(): Promise<TcpProxy> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(server);
  const proxy = await TcpProxy.to((server.address() as AddressInfo).port);
  proxies.push(proxy);
  return proxy;
}

class Client {
  readonly socket: Socket;
  received = "";
  readonly closed: Promise<{ readonly code: string | undefined }>;
  #look: (() => void) | undefined;

  private constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    open.push(this.socket);
    let code: string | undefined;
    this.socket.on("error", (error: NodeJS.ErrnoException) => {
      code = error.code;
    });
    this.closed = new Promise((resolve) => this.socket.once("close", () => resolve({ code })));
    this.socket.on("data", (data) => {
      this.received += data;
      this.#look?.();
    });
  }

  static async to(proxy: TcpProxy): Promise<Client> {
    const client = new Client(proxy.port);
    await once(client.socket, "connect");
    return client;
  }

  /** Sends it and resolves once as much has come back. */
  echo(text: string): Promise<void> {
    const due = this.received.length + text.length;
    const echoed = new Promise<void>((resolve) => {
      this.#look = () => {
        if (this.received.length >= due) resolve();
      };
    });
    this.socket.write(text);
    return echoed;
  }
}

test("what is sent arrives unchanged, both ways, and so does the end of it", async () => {
  const proxy = await toEcho();
  const client = await Client.to(proxy);
  const text = Array.from({ length: 300_000 }, (_, index) => `${index};`).join("");
  await client.echo(text);
  expect(client.received === text).toBe(true);
  client.socket.end();
  expect(await client.closed).toEqual({ code: undefined });
  await proxy.ended();
  expect(proxy.count).toBe(0);
});

test("a cut with RST is an error at both ends, one with FIN an end, and nothing comes through until it heals", async () => {
  const proxy = await toEcho();
  for (const how of ["rst", "fin"] as const) {
    const client = await Client.to(proxy);
    await client.echo("a");
    await proxy.cut(how);
    expect(await client.closed).toEqual({ code: how === "rst" ? "ECONNRESET" : undefined });
    const refused = await Client.to(proxy);
    await refused.closed;
    proxy.heal();
    await (await Client.to(proxy)).echo("b");
  }
});

test("what was dropped may come again at once", async () => {
  const proxy = await toEcho();
  const client = await Client.to(proxy);
  await client.echo("a");
  const again = proxy.connected();
  await proxy.drop();
  await client.closed;
  await (await Client.to(proxy)).echo("b");
  await again;
  expect(proxy.accepted).toBe(2);
});

test("a stall accepts and carries nothing, and what it held back arrives when it heals", async () => {
  const proxy = await toEcho();
  const client = await Client.to(proxy);
  await client.echo("before");
  const accepted = proxy.connected();
  proxy.stall();
  const late = await Client.to(proxy);
  await accepted;
  const echoes = Promise.all([client.echo("held"), late.echo("back")]);
  await Bun.sleep(50);
  expect([client.received, late.received]).toEqual(["before", ""]);
  proxy.heal();
  await echoes;
  expect([client.received, late.received]).toEqual(["beforeheld", "back"]);
});

test("a stalled connection can be cut", async () => {
  const proxy = await toEcho();
  const client = await Client.to(proxy);
  await client.echo("a");
  proxy.stall();
  await proxy.cut();
  expect(await client.closed).toEqual({ code: "ECONNRESET" });
});

test("a delay holds for everything and adds up for nothing", async () => {
  const proxy = await toEcho();
  const client = await Client.to(proxy);
  proxy.slow({ delayMs: 60 });
  const from = performance.now();
  await client.echo("x".repeat(500_000));
  // There and back: twice the delay, and not a delay per chunk, of which there are thirty.
  expect(performance.now() - from).toBeGreaterThan(115);
  expect(performance.now() - from).toBeLessThan(1500);
  proxy.heal();
  const times: number[] = [];
  for (let count = 0; count < 10; count++) {
    const healed = performance.now();
    await client.echo("y");
    times.push(performance.now() - healed);
  }
  expect(Math.min(...times)).toBeLessThan(115);
});

test("a bandwidth holds", async () => {
  const proxy = await toEcho();
  const client = await Client.to(proxy);
  proxy.slow({ bytesPerSecond: 200_000 });
  const from = performance.now();
  await client.echo("x".repeat(40_000));
  expect(performance.now() - from).toBeGreaterThan(195);
});
