// The engine contract's part on answers that go on.
import { afterEach, expect, test } from "bun:test";
import { StreamReader } from "../support/http-stream.ts";
import { type HostInUse, limits } from "./engine.ts";

const numbers = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "" && line !== "hello")
    .map((line) => Number.parseInt(line, 10));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

export function streamContract(host: HostInUse): void {
  let count = 0;
  const readers: StreamReader[] = [];
  const begin = async (path = "/stream") => {
    const n = 10_000 + ++count;
    const reader = await StreamReader.open(host().port, `${path}?n=${n}`);
    readers.push(reader);
    return Object.assign(reader, { n });
  };
  const open = async (path = "/stream") => {
    const reader = await begin(path);
    await host().event("stream-open", reader.n);
    return reader;
  };
  afterEach(() => {
    for (const reader of readers.splice(0)) reader.destroy();
  });

  test("the head comes at once with what is sent first, also where the answer was waited for", async () => {
    for (const path of ["/stream", "/stream-later"]) {
      const reader = await open(path);
      const { status, headers } = await reader.head();
      expect([status, headers.get("content-type"), headers.get("x-n")]).toEqual([
        200,
        "text/event-stream",
        String(reader.n),
      ]);
      expect(await reader.take("\n")).toBe("hello\n");
    }
  });

  test("what is sent arrives in order, whatever its size, in one turn and in many", async () => {
    const reader = await open();
    const words = ["a\n", "ü€😀\n", `${"b".repeat(40_000)}\n`, "c\n", `${"d".repeat(200_000)}\n`, "e\n"];
    await host().run(...words.map((word) => ["streamSend", reader.n, word] as const));
    for (const word of words) await host().run(["streamSend", reader.n, word]);
    await host().run(["streamEnd", reader.n]);
    expect(await reader.rest()).toBe(`hello\n${words.join("")}${words.join("")}`);
  });

  test("what is sent in the turn of a WebSocket's message arrives too", async () => {
    const [reader, client] = [await open(), await host().connect()];
    const steps = [
      ["streamSend", reader.n, "from a message\n"] as const,
      ["send", client.n, "to the socket"] as const,
    ];
    await host().during("message", client.n, [...steps], () => client.send("go"));
    await reader.take("from a message\n");
    expect(await client.next()).toBe("to the socket");
  });

  test("an answer is ended whole, and closed comes once, after the call", async () => {
    const reader = await open();
    const results = await host().run(
      ["streamSend", reader.n, "last\n"],
      ["streamEnd", reader.n],
      ["streamSend", reader.n, "late\n"],
    );
    expect(results[2]).toBe("dropped");
    expect(await reader.rest()).toBe("hello\nlast\n");
    expect(reader.hasEnded).toBe(true);
    expect(await host().event("stream-closed", reader.n)).toMatchObject({ nested: false });
    await host().run(["streamEnd", reader.n], ["streamTerminate", reader.n]);
    expect(await host().run(["streamSend", reader.n, "x"], ["streamBuffered", reader.n])).toEqual([
      "dropped",
      0,
    ]);
    expect(
      host()
        .pending(reader.n)
        .filter(({ event }) => event === "stream-closed"),
    ).toEqual([]);
  });

  test("a client that leaves is noticed, and its stream takes nothing any more", async () => {
    const reader = await open();
    reader.destroy();
    await host().event("stream-closed", reader.n);
    expect(await host().run(["streamSend", reader.n, "x"], ["streamBuffered", reader.n])).toEqual([
      "dropped",
      0,
    ]);
  });

  test("a client that leaves before its answer is there is only said to be gone", async () => {
    const reader = await begin("/stream-later");
    reader.destroy();
    await host().event("stream-closed", reader.n);
    expect(host().pending(reader.n)).toEqual([]);
  });

  test("terminate cuts the answer where it is", async () => {
    const reader = await open();
    await reader.take("hello\n");
    await host().run(["streamTerminate", reader.n]);
    await host().event("stream-closed", reader.n);
    await reader.closed();
    expect(reader.hasEnded).toBe(false);
  });

  test("a slow client's bytes are counted and kept in order, and drain tells when they are through", async () => {
    const reader = await open();
    reader.pause();
    let sent = 0;
    let buffered = 0;
    while (buffered < limits.maxBufferedBytes / 2) {
      await host().run(["streamMany", reader.n, sent, 16, 2_000]);
      sent += 16;
      buffered = (await host().run(["streamBuffered", reader.n]))[0] as number;
      expect(sent).toBeLessThan(20_000);
    }
    expect(buffered).toBeLessThanOrEqual(limits.maxBufferedBytes);
    expect(await host().run(["streamSend", reader.n, "after\n"])).toEqual(["queued"]);
    reader.resume();
    while ((await host().run(["streamBuffered", reader.n]))[0] !== 0)
      await host().event("stream-drain", reader.n);
    await host().run(["streamSend", reader.n, "then\n"]);
    const text = await reader.take("after\nthen\n");
    expect(numbers(text.slice(0, -"after\nthen\n".length))).toEqual(upTo(sent));
  });

  test("the last of what a slow client was sent leaves when it reads, with nothing new behind it", async () => {
    const reader = await open();
    reader.pause();
    let sent = 0;
    // One chunk in a turn, until the first of which something is held back: behind it nothing waits.
    while ((await host().run(["streamBuffered", reader.n]))[0] === 0) {
      await host().run(["streamMany", reader.n, sent, 32, 1_000]);
      sent += 32;
      expect(sent).toBeLessThan(50_000);
    }
    reader.resume();
    expect(numbers(await reader.take(`${sent - 1}`.padEnd(999, ".")))).toEqual(upTo(sent));
  });

  test("a stream over the limit is cut, and what came before has no hole", async () => {
    const reader = await open();
    reader.pause();
    let sent = 0;
    for (;;) {
      const [outcomes] = await host().run(["streamMany", reader.n, sent, 32, 2_000]);
      const { dropped } = outcomes as { dropped: number };
      if (dropped > 0) break;
      sent += 32;
      const [buffered] = await host().run(["streamBuffered", reader.n]);
      expect(buffered).toBeLessThan(limits.maxBufferedBytes + 2 * 65_536);
      expect(sent).toBeLessThan(50_000);
    }
    await host().event("stream-closed", reader.n);
    reader.resume();
    await reader.closed();
    const seen = numbers(reader.text.slice(0, reader.text.lastIndexOf("\n") + 1));
    expect(seen).toEqual(upTo(seen.length));
  });

  test("an end behind queued bytes delivers all of them first", async () => {
    const reader = await open();
    reader.pause();
    let sent = 0;
    while (((await host().run(["streamBuffered", reader.n]))[0] as number) < 100_000) {
      await host().run(["streamMany", reader.n, sent, 16, 2_000]);
      sent += 16;
    }
    await host().run(["streamEnd", reader.n]);
    reader.resume();
    expect(numbers(await reader.rest())).toEqual(upTo(sent));
    expect(reader.hasEnded).toBe(true);
    await host().event("stream-closed", reader.n);
  });

  test("a handler that throws ends its own stream and no other", async () => {
    const other = await open();
    const reader = await open("/stream-throw");
    expect(await host().failure()).toBe("stream");
    await host().event("stream-closed", reader.n);
    await reader.closed();
    await host().run(["streamSend", other.n, "still here\n"]);
    await other.take("still here\n");
  });

  test("hundreds of streams are told apart, and each one's end is noticed", async () => {
    const many = await Promise.all(Array.from({ length: 300 }, () => open()));
    await host().run(...many.map(({ n }) => ["streamSend", n, `for ${n}\n`] as const));
    for (const reader of many)
      expect(await reader.take(`for ${reader.n}\n`)).toBe(`hello\nfor ${reader.n}\n`);
    for (const reader of many) reader.destroy();
    for (const { n } of many) await host().event("stream-closed", n);
  });

  test("a second request behind a stream cuts the connection instead of waiting", async () => {
    const reader = await open();
    reader.write("GET /now HTTP/1.1\r\nHost: x\r\n\r\n");
    await host().event("stream-closed", reader.n);
    await reader.closed();
  });
}
