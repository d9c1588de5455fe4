// The engine contract's part on readers that are slow, paused or dead.
import { expect, test } from "bun:test";
import type { EngineName, Step } from "../support/engine-host.ts";
import type { Message } from "../support/websocket.ts";
import { type HostInUse, limits } from "./engine.ts";

const numbers = (messages: Message[]) => messages.map((message) => Number.parseInt(String(message), 10));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);
const sized = (label: string, length: number) => ({ label, length });
const roundBytes = 64 * 1024;

export function pressureContract(host: HostInUse, engine: EngineName): void {
  test("a send to a reader is sent, one to a full socket queued, and drain tells when it is through", async () => {
    const client = await host().connect();
    expect(await host().run(["send", client.n, "x"], ["bufferedBytes", client.n])).toEqual(["sent", 0]);
    await client.next();
    client.pause();
    // In one turn, because the kernel may take more at any time: even a paused reader's does, for a while.
    const [count, outcome] = await host().run(["fill", client.n, 100_000, 1_024], ["send", client.n, "last"]);
    expect(outcome).toBe("queued");
    client.resume();
    let drain = await host().event("drain", client.n);
    while (drain.bufferedBytes !== 0) drain = await host().event("drain", client.n);
    const messages = await client.settled();
    expect(messages.pop()).toBe("last");
    expect(numbers(messages)).toEqual(upTo(count as number));
    expect(
      host()
        .pending(client.n)
        .filter(({ event }) => event !== "drain"),
    ).toEqual([]);
  });

  test("a send over the limit is dropped, closes the socket, and closed comes after the call", async () => {
    const client = await host().connect();
    client.pause();
    const [outcomes] = await host().run(["sendMany", client.n, 0, 100_000, 1_000]);
    const { sent, queued, dropped } = outcomes as { sent: number; queued: number; dropped: number };
    expect(dropped).toBe(1);
    expect(queued * 1_000).toBeGreaterThan(limits.maxBufferedBytes - roundBytes);
    expect(queued * 1_000).toBeLessThan(limits.maxBufferedBytes + roundBytes);
    expect(await host().run(["send", client.n, "x"], ["bufferedBytes", client.n])).toEqual(["dropped", 0]);
    expect(await host().event("closed", client.n)).toMatchObject({ code: 1006 });
    client.resume();
    const { messages, closing } = await client.rest();
    expect(closing.code).toBe(1006);
    expect(numbers(messages)).toEqual(upTo(messages.length));
    expect(messages.length).toBeLessThanOrEqual(sent + queued);
  });

  test("exactly the send that finds the socket over the limit is the one dropped", async () => {
    const client = await host().connect();
    client.pause();
    const pair: Step[] = [
      ["bufferedBytes", client.n],
      ["send", client.n, sized("x", 10_000)],
    ];
    const pairs = Array.from({ length: 30 }, () => pair).flat();
    const results = await host().run(["fill", client.n, 100_000, 1_024], ...pairs);
    const drop = results.indexOf("dropped");
    expect(drop).toBeGreaterThan(0);
    expect(results[drop - 1]).toBeGreaterThan(limits.maxBufferedBytes);
    expect(results[drop - 3]).toBeLessThanOrEqual(limits.maxBufferedBytes);
    expect(results[drop - 2]).toBe("queued");
    expect(await host().event("closed", client.n)).toMatchObject({ code: 1006 });
    client.destroy();
  });

  test("a drop inside a handler's turn does not call closed inside it", async () => {
    const client = await host().connect();
    client.pause();
    const steps = [["sendMany", client.n, 0, 100_000, 1_000] as const];
    await host().during("message", client.n, steps, () => client.send("go"));
    expect(await host().event("closed", client.n)).toMatchObject({ code: 1006, nested: false });
  });

  for (const length of [200, 2_000, 20_000]) {
    test(`a reader who cannot take publications of ${length} bytes is closed, and got no hole before`, async () => {
      const client = await host().connect({ deadlineMs: 20_000 });
      await host().run(["subscribe", client.n, "flood"]);
      client.pause();
      let from = 0;
      while (host().pending(client.n).length === 0) {
        const count = Math.ceil(roundBytes / length);
        const publish: Step = ["publishMany", "flood", from, count, length];
        await host().run(publish);
        const [buffered] = await host().run(["bufferedBytes", client.n]);
        expect(buffered).toBeLessThan(limits.maxBufferedBytes * 1.25 + 2 * roundBytes);
        from += count;
        expect(from * length).toBeLessThan(100_000_000);
      }
      expect(await host().event("closed", client.n)).toMatchObject({ code: 1006 });
      client.resume();
      const { messages } = await client.rest();
      expect(messages.length).toBeGreaterThan(0);
      expect(numbers(messages)).toEqual(upTo(messages.length));
    });

    test(`a slow reader flooded in one turn with ${length} bytes each has no hole either`, async () => {
      // It reads while it is flooded, so that the buffer shrinks again after something was dropped.
      const client = await host().connect({ deadlineMs: 20_000 });
      await host().run(["subscribe", client.n, "deluge"]);
      const count = Math.ceil(60_000_000 / length);
      await host().run(["publishMany", "deluge", 0, count, length]);
      await host().run(["publishMany", "deluge", count, 100, length]);
      const messages = await client.settled().catch(async () => (await client.rest()).messages);
      expect(numbers(messages)).toEqual(upTo(messages.length));
    });
  }

  test("a slow reader's end leaves the other subscribers whole", async () => {
    const [slow, busy] = [await host().connect(), await host().connect()];
    await host().run(["subscribe", slow.n, "shared"], ["subscribe", busy.n, "shared"]);
    slow.pause();
    const received: Message[] = [];
    let from = 0;
    while (host().pending(slow.n).length === 0) {
      await host().run(["publishMany", "shared", from, 32, 2_000]);
      from += 32;
      received.push(...(await busy.settled()));
      expect(from * 2_000).toBeLessThan(100_000_000);
    }
    expect(numbers(received)).toEqual(upTo(from));
    expect(await host().event("closed", slow.n)).toMatchObject({ code: 1006 });
    slow.destroy();
  });

  test("a peer that answers pings is heard at pong, and pushing to one that does not fakes nothing", async () => {
    const [live, dead] = [await host().connect(), await host().connect({ answersPings: false })];
    await host().run(["subscribe", live.n, "pushed"], ["subscribe", dead.n, "pushed"]);
    for (let round = 0; round < 3; round++) {
      await host().run(["ping", live.n], ["ping", dead.n], ["publish", "pushed", "x"], ["send", dead.n, "y"]);
      await host().event("pong", live.n);
      await dead.nextPing();
    }
    expect(host().pending(dead.n)).toEqual([]);
    expect(await dead.settled()).toHaveLength(6);
    expect(await live.settled()).toHaveLength(3);
  });

  test("a peer that only receives, and much, stays connected", async () => {
    const client = await host().connect();
    await host().run(["subscribe", client.n, "busy"]);
    for (let round = 0; round < 20; round++) {
      await host().run(["publishMany", "busy", round * 100, 100, 1_000]);
      await client.nextMany(100);
    }
    expect(await host().run(["send", client.n, "still here"])).toEqual(["sent"]);
    expect(
      host()
        .pending(client.n)
        .filter(({ event }) => event !== "drain"),
    ).toEqual([]);
  });

  test("terminate cuts a peer that does not read, at once", async () => {
    const client = await host().connect({ answersPings: false });
    client.pause();
    await host().run(["fill", client.n, 100_000, 1_024]);
    const results = await host().run(
      ["ping", client.n],
      ["terminate", client.n],
      ["send", client.n, "x"],
      ["bufferedBytes", client.n],
    );
    expect(results.slice(2)).toEqual(["dropped", 0]);
    expect(await host().event("closed", client.n)).toMatchObject({ code: 1006 });
    client.resume();
    expect((await client.closed()).code).toBe(1006);
  });

  test("close behind queued data delivers all of it first, then the code", async () => {
    const client = await host().connect();
    client.pause();
    const close: Step = ["close", client.n, 4002, "slow-consumer"];
    const [count] = await host().run(["fill", client.n, 100_000, 1_024], close);
    expect(await host().event("closed", client.n)).toMatchObject({ code: 4002, reason: "slow-consumer" });
    client.resume();
    const { messages, closing } = await client.rest();
    expect(closing).toEqual({ code: 4002, reason: "slow-consumer" });
    expect(numbers(messages)).toEqual(upTo(count as number));
  });

  test("a close over the limit ends the connection, with everything and the code on Bun, by a cut on uWebSockets.js", async () => {
    const client = await host().connect();
    client.pause();
    // One turn's publications of less than 16 KiB wait outside the buffer, and bring it over the limit when they leave.
    const [count] = (await host().run(
      ["fill", client.n, limits.maxBufferedBytes - roundBytes, 1_024],
      ["subscribe", client.n, "burst"],
      ["publishMany", "burst", 0, 31, 15_000],
    )) as [number];
    await host().run(["close", client.n, 4002, "slow-consumer"]);
    const { code } = await host().event("closed", client.n);
    client.resume();
    const { messages, closing } = await client.rest();
    expect([code, closing.code]).toEqual(engine === "bun" ? [4002, 4002] : [1006, 1006]);
    const whole = [...upTo(count), ...upTo(31)];
    expect(numbers(messages)).toEqual(engine === "bun" ? whole : whole.slice(0, messages.length));
  });
}
