// The engine contract's part on handshakes, plain requests and ports.
import { expect, test } from "bun:test";
import { connect as connectTcp, createServer } from "node:net";
import { EngineHost, type EngineName } from "../support/engine-host.ts";
import { HttpConnection, head } from "../support/http.ts";
import { refusal, within } from "../support/websocket.ts";
import { type HostInUse, limits } from "./engine.ts";

/** Sends a request and reads to the end of the connection, or to the end of the answer's head. */
function exchange(port: number, lines: string[], to: "end" | "head" = "end"): Promise<string> {
  const answer = new Promise<string>((resolve, reject) => {
    let text = "";
    const socket = connectTcp(port, "127.0.0.1", () => socket.write(`${lines.join("\r\n")}\r\n\r\n`));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (to === "head" && text.includes("\r\n\r\n")) socket.destroy();
    });
    socket.on("error", reject).on("close", () => resolve(text));
  });
  return within(5_000, answer, () => `the answer to ${lines[0]}`);
}

export function httpContract(host: HostInUse, engine: EngineName): void {
  const ask = (path: string) => head("GET", path);
  const url = (path: string) => `http://127.0.0.1:${host().port}${path}`;

  test("the subprotocol is echoed exactly as decided, whatever was offered", async () => {
    const offers = [["a"], ["a", "b"], ["b", "a", "c"]];
    for (const protocols of offers) {
      const client = await host().connect({ protocols, path: "/?protocol=b" });
      expect(client.protocol).toBe("b");
      const plain = await host().connect({ protocols });
      expect(plain.protocol).toBeUndefined();
    }
    expect((await host().connect()).protocol).toBeUndefined();
  });

  test("no extension is accepted", async () => {
    const headers = [["Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"]] as const;
    const client = await host().connect({ headers });
    expect(client.answer.headers.get("sec-websocket-extensions")).toBeUndefined();
  });

  test("the request is known whole at the upgrade: path and query as sent, headers joined and in lower case", async () => {
    const headers = [
      ["X-Mixed-Case", "one"],
      ["x-mixed-case", "two"],
      ["Cookie", "a=1"],
      ["Cookie", "b=2"],
      ["Origin", "https://example.test"],
    ] as const;
    const client = await host().connect({ path: "/ro%20om/%C3%BC?q=%20+x&token=a.b-c_d", headers });
    const request = client.opened.request as { headers: [string, string][] } & Record<string, unknown>;
    expect(request).toMatchObject({
      method: "GET",
      path: "/ro%20om/%C3%BC",
      query: `n=${client.n}&q=%20+x&token=a.b-c_d`,
      remoteAddress: "127.0.0.1",
    });
    const sent = new Map(request.headers);
    expect(sent.get("x-mixed-case")).toBe("one, two");
    expect(sent.get("cookie")).toBe("a=1; b=2");
    expect(sent.get("origin")).toBe("https://example.test");
    expect([...sent.keys()].filter((name) => name !== name.toLowerCase())).toEqual([]);
    expect(await host().run(["remoteAddress", client.n])).toEqual(["127.0.0.1"]);
  });

  test("a refusal carries status, headers and body, and opens nothing", async () => {
    const refused = await refusal(host().port, { path: "/refuse" });
    expect(refused.status).toBe(403);
    expect(refused.headers.get("x-why")).toBe("not-you");
    expect(refused.body).toBe("go away");
  });

  test("a throw inside upgrade is answered 500", async () => {
    expect((await refusal(host().port, { path: "/throw" })).status).toBe(500);
    expect(await host().failure()).toContain("upgrade");
  });

  test("what is not quite a handshake is a plain request", async () => {
    const handshake = ["Host: x", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    for (const lines of [
      ["GET /now HTTP/1.1", ...handshake, key],
      ["GET /now HTTP/1.1", ...handshake, "Upgrade: websocket"],
      ["GET /now HTTP/1.1", ...handshake, "Upgrade: websocket", "Sec-WebSocket-Key: short"],
      ["GET /now HTTP/1.1", ...handshake, "Upgrade: h2c", key],
    ]) {
      expect(await exchange(host().port, lines, "head")).toStartWith("HTTP/1.1 200");
    }
  });

  test("requests are answered at once or later, with status, headers and body", async () => {
    const now = await fetch(url("/now"));
    expect([now.status, now.headers.get("x-when"), await now.text()]).toEqual([200, "now", "now"]);
    const later = await fetch(url("/later"));
    expect([later.status, later.headers.get("x-when")]).toEqual([201, "later"]);
    expect(new Uint8Array(await later.arrayBuffer())).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("HEAD is answered like GET, without the body", async () => {
    for (const path of ["/now", "/later"]) {
      const lines = [`HEAD ${path} HTTP/1.1`, "Host: x", "Connection: close"];
      const [head, body] = (await exchange(host().port, lines)).split("\r\n\r\n");
      expect(head).toMatch(/^HTTP\/1\.1 20[01]/);
      expect(head!.toLowerCase()).toContain("content-length: 3");
      expect(body).toBe("");
    }
  });

  test("a throw or a rejection inside http is answered 500", async () => {
    expect((await fetch(url("/throw"))).status).toBe(500);
    expect((await fetch(url("/reject"))).status).toBe(500);
    expect([await host().failure(), await host().failure()]).toEqual(["http", "http, later"]);
    expect((await fetch(url("/now"))).status).toBe(200);
  });

  test("a client that leaves before a late answer does no harm", async () => {
    for (let i = 0; i < 5; i++) {
      const abort = new AbortController();
      const answer = fetch(url("/later"), { signal: abort.signal }).catch(() => "aborted");
      await new Promise((resolve) => setTimeout(resolve, 2));
      abort.abort();
      expect(await answer).toBe("aborted");
    }
    expect((await fetch(url("/later"))).status).toBe(201);
  });

  test("who asks again before a late answer is cut at once instead of waiting, and harms nobody else", async () => {
    const other = await HttpConnection.open(host().port);
    for (const pieces of [[ask("/never") + ask("/now")], ["/never", "/now"].map(ask)]) {
      const connection = await HttpConnection.open(host().port);
      for (const piece of pieces) {
        connection.write(piece);
        await connection.flushed();
        // A round trip elsewhere: by then the piece was read.
        other.write(ask("/now"));
        expect((await other.answer())?.status).toBe(200);
      }
      expect(await connection.closed()).toBe("");
    }
    other.destroy();
  });

  test("a request with a body is answered, its body unread", async () => {
    const answer = await fetch(url("/echo?x=1"), { method: "POST", body: "x".repeat(10_000) });
    expect(await answer.json()).toMatchObject({ method: "POST", path: "/echo", query: "x=1" });
    expect((await fetch(url("/now"))).status).toBe(200);
  });

  test("a taken port is refused to a second engine, in the same process and in another", async () => {
    expect(await host().run(["listenSecond", "127.0.0.1", host().port])).toEqual(["EADDRINUSE"]);
    const other = await EngineHost.start(engine, limits);
    expect(await other.run(["listenSecond", "127.0.0.1", host().port])).toEqual(["EADDRINUSE"]);
    await other.stop();
  });

  test("a port taken by something else is refused too", async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
    const { port } = holder.address() as { port: number };
    expect(await host().run(["listenSecond", "127.0.0.1", port])).toEqual(["EADDRINUSE"]);
    await new Promise((resolve) => holder.close(resolve));
  });

  test("a host that is not ours is refused", async () => {
    for (const port of [0, host().port]) {
      expect(await host().run(["listenSecond", "203.0.113.7", port])).toEqual(["EADDRNOTAVAIL"]);
    }
  });

  test("after close everybody is cut, and the port is free at once", async () => {
    const other = await EngineHost.start(engine, limits);
    const [idle, paused] = [await other.connect(), await other.connect()];
    paused.pause();
    await other.run(["sendMany", paused.n, 0, 500, 1_000]);
    const pending = fetch(`http://127.0.0.1:${other.port}/later`).catch(() => undefined);
    await other.run(["closeEngine"]);
    expect([1001, 1006]).toContain((await other.event("closed", idle.n)).code as number);
    expect([1001, 1006]).toContain((await other.event("closed", paused.n)).code as number);
    expect([1001, 1006]).toContain((await idle.closed()).code);
    expect(await other.run(["listenSecond", "127.0.0.1", other.port])).toEqual([other.port]);
    await pending;
    await other.stop();
  });

  test("two engines in one process have their own topics", async () => {
    const other = await EngineHost.start(engine, limits);
    const [port] = await other.run(["listenSecond", "127.0.0.1", 0]);
    expect(port).not.toBe(other.port);
    const first = await other.connect();
    const second = await other.connect({ port: port as number });
    await other.run(["subscribe", first.n, "t"], ["subscribe", second.n, "t"], ["publish", "t", "first's"]);
    expect(await first.settled()).toEqual(["first's"]);
    expect(await second.settled()).toEqual([]);
    await other.run(["closeSecond"]);
    await second.closed();
    expect(await first.settled()).toEqual([]);
    await other.stop();
  });
}
