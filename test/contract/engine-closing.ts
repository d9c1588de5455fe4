// The engine contract's part on ends: close codes both ways, faults, and everything that is called too late.
import { expect, test } from "bun:test";
import type { EngineName } from "../support/engine-host.ts";
import { encodeFrame, opcodes } from "../support/websocket.ts";
import { type HostInUse, limits } from "./engine.ts";

export function closingContract(host: HostInUse, engine: EngineName): void {
  test("the server's code and reason reach the peer and closed, once", async () => {
    const client = await host().connect();
    await host().run(["close", client.n, 4001, "token-expired"], ["close", client.n, 4002, "again"]);
    expect(await client.closed()).toEqual({ code: 4001, reason: "token-expired" });
    expect(await host().event("closed", client.n)).toMatchObject({ code: 4001, reason: "token-expired" });
    await host().run();
    expect(host().pending(client.n)).toEqual([]);
  });

  test("the peer's code and reason reach closed, and its close frame is answered", async () => {
    const client = await host().connect();
    client.close(4777, "größe");
    expect(await client.closed()).toEqual({ code: 4777, reason: "größe" });
    expect(await host().event("closed", client.n)).toMatchObject({ code: 4777, reason: "größe" });
  });

  test("a peer that closes without a code, or drops the connection, is closed with 1005 or 1006", async () => {
    const [silent, dropped] = [await host().connect(), await host().connect()];
    silent.sendFrame({ opcode: opcodes.close });
    expect([1000, 1005]).toContain((await host().event("closed", silent.n)).code as number);
    dropped.destroy();
    expect(await host().event("closed", dropped.n)).toMatchObject({ code: 1006 });
  });

  test("close in the turn of publications and sends delivers them first", async () => {
    const client = await host().connect();
    await host().run(
      ["subscribe", client.n, "last words"],
      ["publish", "last words", "1"],
      ["send", client.n, "2"],
      ["publish", "last words", "3"],
      ["close", client.n, 1012, "draining"],
      ["publish", "last words", "4"],
      ["send", client.n, "5"],
    );
    expect(await client.rest()).toEqual({
      messages: ["1", "2", "3"],
      closing: { code: 1012, reason: "draining" },
    });
    expect(await host().run(["subscriberCount", "last words"])).toEqual([0]);
  });

  test("closed is called after the turn that closed, not inside it", async () => {
    const client = await host().connect();
    const during = host().during(
      "message",
      client.n,
      [
        ["close", client.n, 4000, "disconnected"],
        ["send", client.n, "x"],
      ],
      () => client.send("go"),
    );
    expect(await during).toEqual([null, "dropped"]);
    expect(await host().event("closed", client.n)).toMatchObject({ code: 4000, nested: false });
  });

  test("inside open a connection can be refused with a code", async () => {
    const n = (await host().connect()).n + 1;
    let connecting: ReturnType<ReturnType<HostInUse>["connect"]> | undefined;
    await host().during("open", n, [["close", n, 1008, "unauthorized"]], () => {
      connecting = host().connect();
    });
    expect(await (await connecting!).closed()).toEqual({ code: 1008, reason: "unauthorized" });
    expect(await host().event("closed", n)).toMatchObject({ code: 1008, reason: "unauthorized" });
  });

  test("every method is harmless after the end, also inside closed", async () => {
    const client = await host().connect();
    const late = [
      ["send", client.n, "x"],
      ["subscribe", client.n, "late"],
      ["unsubscribe", client.n, "late"],
      ["bufferedBytes", client.n],
      ["ping", client.n],
      ["cork", client.n, [["send", client.n, "x"]]],
      ["close", client.n, 1000, ""],
      ["terminate", client.n],
      ["publish", "late", "x", client.n],
      ["subscriberCount", "late"],
      ["remoteAddress", client.n],
    ] as const;
    const expected = ["dropped", null, null, 0, null, ["dropped"], null, null, null, 0, "127.0.0.1"];
    await host().run(["subscribe", client.n, "late"]);
    expect(await host().during("closed", client.n, [...late], () => client.destroy())).toEqual(expected);
    expect(await host().run(...late)).toEqual(expected);
    await host().event("closed", client.n);
    expect(host().pending(client.n)).toEqual([]);
  });

  test("use after close within the same turn is harmless", async () => {
    const client = await host().connect();
    const results = await host().run(
      ["terminate", client.n],
      ["send", client.n, "x"],
      ["subscribe", client.n, "same turn"],
      ["subscriberCount", "same turn"],
      ["close", client.n, 4000, "x"],
    );
    expect(results).toEqual([null, "dropped", null, 0, null]);
    expect(await host().event("closed", client.n)).toMatchObject({ code: 1006, reason: "" });
    expect((await client.closed()).code).toBe(1006);
  });

  for (const event of ["message", "pong", "drain"] as const) {
    test(`a throw inside ${event} closes its own connection with 1011 and harms no other`, async () => {
      const [thrower, other] = [await host().connect(), await host().connect()];
      await host().run(["subscribe", thrower.n, "safe"], ["subscribe", other.n, "safe"]);
      if (event === "drain") {
        thrower.pause();
        await host().run(["fill", thrower.n, 200_000, 1_024]);
      }
      const causes = {
        message: () => thrower.send("go"),
        pong: () => thrower.sendFrame({ opcode: opcodes.pong }),
        drain: () => thrower.resume(),
      };
      await host().during(event, thrower.n, [["throw", event]], causes[event]);
      expect(await host().event("closed", thrower.n)).toMatchObject({ code: 1011 });
      expect(await host().failure()).toBe(event);
      expect((await thrower.closed()).code).toBe(1011);
      await host().run(["publish", "safe", "after"]);
      expect(await other.settled()).toEqual(["after"]);
    });
  }

  test("a throw inside open closes with 1011, and one inside closed or cork does no harm", async () => {
    const broken = await host().connect({ path: "/throw-on-open" });
    expect((await broken.closed()).code).toBe(1011);
    expect(await host().event("closed", broken.n)).toMatchObject({ code: 1011 });
    expect(await host().failure()).toContain("open");
    const client = await host().connect();
    await host().during("message", client.n, [["cork", client.n, [["throw", "cork"]]]], () =>
      client.send("go"),
    );
    expect((await client.closed()).code).toBe(1011);
    const other = await host().connect();
    await host().during("closed", other.n, [["throw", "closed"]], () => other.destroy());
    expect([await host().failure(), await host().failure()]).toEqual(["cork", "closed"]);
    const last = await host().connect();
    expect(await last.settled()).toEqual([]);
  });

  test("a message of maxPayloadBytes passes, one byte more closes its connection and nothing else", async () => {
    const [large, other] = [await host().connect(), await host().connect()];
    large.send(Buffer.alloc(limits.maxPayloadBytes, "x").toString());
    await host().event("message", large.n);
    large.send(Buffer.alloc(limits.maxPayloadBytes + 1, "x").toString());
    expect((await large.closed()).code).toBe(engine === "bun" ? 1009 : 1006);
    expect(await host().event("closed", large.n)).toMatchObject({ code: 1006 });
    expect(await other.settled()).toEqual([]);
  });

  test("a message that grows too large by fragments closes its connection", async () => {
    const client = await host().connect();
    const part = "x".repeat(limits.maxPayloadBytes / 2);
    client.sendFragments([part, part, part]);
    expect((await client.closed()).code).toBe(engine === "bun" ? 1009 : 1006);
    expect(await host().event("closed", client.n)).toMatchObject({ code: 1006 });
  });

  const illegal: [name: string, bytes: Uint8Array][] = [
    ["a reserved bit", encodeFrame({ opcode: opcodes.text, payload: "x", reserved: 4 })],
    ["an unknown opcode", encodeFrame({ opcode: 5, payload: "x" })],
    ["text that is not UTF-8", encodeFrame({ opcode: opcodes.text, payload: Uint8Array.of(0xc3, 0x28) })],
    ["a ping in fragments", encodeFrame({ opcode: opcodes.ping, payload: "x", fin: false })],
    ["a ping of 126 bytes", encodeFrame({ opcode: opcodes.ping, payload: "x".repeat(126) })],
    ["a length of 2^63", encodeFrame({ opcode: opcodes.text, payload: "x", claimedLength: 2 ** 63 })],
  ];
  for (const [name, bytes] of illegal) {
    test(`${name} closes its connection, reaches no handler and harms no other`, async () => {
      const [hostile, other] = [await host().connect(), await host().connect()];
      hostile.sendRaw(bytes);
      await hostile.closed();
      const { event } = await host().event("closed", hostile.n);
      expect(event).toBe("closed");
      expect(host().pending(hostile.n)).toEqual([]);
      expect(await other.settled()).toEqual([]);
    });
  }
}
