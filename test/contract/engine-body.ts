// The engine contract's part on request bodies: whole, within a size and a time, or a reason why not.
import { describe, expect, test } from "bun:test";
import { EngineHost, type EngineName } from "../support/engine-host.ts";
import { chunk, HttpConnection, head, posted } from "../support/http.ts";
import { type HostInUse, limits } from "./engine.ts";

const chunked = "Transfer-Encoding: chunked";

/** Bytes that tell where they are, so that a chunk in the wrong place or used twice shows. */
function pattern(length: number): string {
  let text = "";
  for (let i = 0; text.length < length; i++) text += `${i},`;
  return text.slice(0, length);
}

export function bodyContract(host: HostInUse, engine: EngineName): void {
  const open = () => HttpConnection.open(host().port);
  const most = limits.maxBodyBytes;

  /** Writes the pieces, each in a segment of its own, and reads one answer. */
  async function exchange(...pieces: (string | Uint8Array)[]) {
    const connection = await open();
    for (const piece of pieces) {
      connection.write(piece);
      await connection.flushed();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const answer = await connection.answer();
    connection.destroy();
    return [answer?.status, answer?.body.toString()];
  }

  describe("are read whole", () => {
    test("with a length, chunked, in pieces, and empty", async () => {
      const text = pattern(5_000);
      expect(await exchange(posted("/body", text))).toEqual([200, text]);
      const [first, second, third] = [text.slice(0, 1), text.slice(1, 2_000), text.slice(2_000)];
      const announced = head("POST", "/body", "Content-Length: 5000");
      expect(await exchange(announced, first, second, third)).toEqual([200, text]);
      const pieces = [chunk(first), chunk(second), chunk(third), chunk("")];
      expect(await exchange(head("POST", "/body", chunked), ...pieces)).toEqual([200, text]);
      expect(await exchange(head("POST", "/body", chunked) + pieces.join(""))).toEqual([200, text]);
      expect(await exchange(posted("/body", ""))).toEqual([200, ""]);
      expect(await exchange(head("POST", "/body"))).toEqual([200, ""]);
      expect(await exchange(head("POST", "/body", chunked), chunk(""))).toEqual([200, ""]);
    });

    test("byte for byte, whatever the bytes", async () => {
      const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
      const connection = await open();
      connection.write(posted("/body", bytes));
      expect(new Uint8Array((await connection.answer())!.body)).toEqual(bytes);
      connection.destroy();
    });

    test("many at once, none mixed up with another", async () => {
      const connections = await Promise.all(Array.from({ length: 50 }, open));
      const texts = connections.map((_, i) => `${i}:`.padEnd(200 + 150 * i, String(i % 10)));
      for (const [i, text] of texts.entries()) {
        connections[i]!.write(head("POST", "/body", `Content-Length: ${text.length}`));
      }
      for (const half of [0, 1]) {
        for (const [i, text] of texts.entries()) {
          const middle = text.length / 2;
          connections[i]!.write(half === 0 ? text.slice(0, middle) : text.slice(middle));
          await connections[i]!.flushed();
        }
      }
      for (const [i, text] of texts.entries()) {
        expect((await connections[i]!.answer())?.body.toString()).toBe(text);
        connections[i]!.destroy();
      }
    });

    test("pipelined in one segment and one after another, answered in order", async () => {
      const connection = await open();
      const texts = ["one", "", pattern(3_000), "four"];
      connection.write(Buffer.concat(texts.map((text) => posted("/body", text))));
      for (const text of texts) expect((await connection.answer())?.body.toString()).toBe(text);
      for (const text of texts) {
        connection.write(head("POST", "/body", chunked) + (text && chunk(text)) + chunk(""));
        expect((await connection.answer())?.body.toString()).toBe(text);
      }
      connection.destroy();
    });
  });

  test("are had once, and only within the call", async () => {
    expect(await exchange(posted("/bodies", "four"))).toEqual([200, "4 gone gone"]);
    expect((await exchange(posted("/body-too-late", "x")))[0]).toBe(500);
    expect(await host().failure()).toContain("read once");
  });

  test("that nobody asks for are thrown away, and the connection goes on", async () => {
    const connection = await open();
    connection.write(posted("/now", pattern(50 * most)));
    connection.write(posted("/body", "next"));
    expect((await connection.answer())?.body.toString()).toBe("now");
    expect((await connection.answer())?.body.toString()).toBe("next");
    connection.destroy();
  });

  test("that are asked for and not waited for do no harm", async () => {
    const connection = await open();
    connection.write(head("POST", "/body-ignored", "Content-Length: 100"));
    expect((await connection.answer())?.body.toString()).toBe("ignored");
    await connection.closed();
    expect(await exchange(posted("/body", "still here"))).toEqual([200, "still here"]);
  });

  test("of the largest size are read, with one byte more they are refused", async () => {
    const [fits, over] = [pattern(most), pattern(most + 1)];
    expect(await exchange(posted("/body", fits))).toEqual([200, fits]);
    expect(await exchange(head("POST", "/body", chunked), chunk(fits), chunk(""))).toEqual([200, fits]);
    const refused = [413, "too-large"];
    expect(await exchange(posted("/body", over))).toEqual(refused);
    expect(await exchange(head("POST", "/body", chunked), chunk(over), chunk(""))).toEqual(refused);
    const pieces = [chunk(fits), chunk("x"), chunk("")];
    expect(await exchange(head("POST", "/body", chunked), ...pieces)).toEqual(refused);
  });

  test("that announce far too much are refused before they are sent, and the connection ends", async () => {
    for (const length of [2 * most + 1, 4_000_000_000, Number.MAX_SAFE_INTEGER]) {
      const connection = await open();
      connection.write(head("POST", "/body", `Content-Length: ${length}`));
      const answer = await connection.answer();
      expect([answer?.status, answer?.body.toString()]).toEqual([413, "too-large"]);
      await connection.closed();
    }
  });

  test("that are somewhat too large are refused when they have come whole: who writes first, reads the answer", async () => {
    const length = 2 * most;
    for (const start of [
      head("POST", "/body", `Content-Length: ${length}`),
      head("POST", "/body", chunked),
    ]) {
      const isChunked = start.includes(chunked);
      const connection = await open();
      connection.write(start);
      connection.write(isChunked ? chunk(pattern(length - 1)) : pattern(length - 1));
      const answer = connection.answer();
      const early = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 50, "none"))]);
      expect(early).toBe("none");
      connection.write(isChunked ? chunk("x") + chunk("") : "x");
      expect((await answer)?.status).toBe(413);
      await connection.closed();
    }
  });

  test("that never end are cut when they are far too large", async () => {
    const connection = await open();
    connection.write(head("POST", "/body", chunked));
    let sent = 0;
    const isOver = connection.closed().then(() => true);
    while (!(await Promise.race([isOver, Promise.resolve(false)])) && sent < 100 * most) {
      connection.write(chunk(pattern(1_000)));
      sent += 1_000;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await isOver).toBe(true);
    expect(sent).toBeLessThan(100 * most);
  });

  test("whose client leaves in the middle are aborted", async () => {
    for (const pieces of [
      [head("POST", "/body", "Content-Length: 5000"), "x"],
      [head("POST", "/body", chunked), chunk("x")],
    ]) {
      const connection = await open();
      for (const piece of pieces) connection.write(piece);
      await connection.flushed();
      await new Promise((resolve) => setTimeout(resolve, 20));
      connection.destroy();
      expect(await nextFault(host(), "aborted")).toBe("aborted");
    }
    expect(await exchange(posted("/body", "still here"))).toEqual([200, "still here"]);
  });

  test("that dawdle are refused at the deadline, with an answer, and the connection ends", async () => {
    const other = await EngineHost.start(engine, { ...limits, bodyTimeoutMs: 150 });
    for (const start of [
      [head("POST", "/body", "Content-Length: 1000"), "x"],
      [head("POST", "/body", chunked), chunk("x")],
    ]) {
      const connection = await HttpConnection.open(other.port);
      for (const piece of start) connection.write(piece);
      const answer = await connection.answer();
      expect([answer?.status, answer?.body.toString()]).toEqual([408, "too-slow"]);
      await connection.closed();
    }
    await other.stop();
  });
}

/** What the engine next reports of a body, of those faults that this test is about. */
async function nextFault(host: EngineHost, wanted: string): Promise<unknown> {
  for (;;) {
    const fault = await host.fault();
    if (fault === wanted) return fault;
  }
}
