// What becomes of the client's requests when connections end, the server refuses, or nobody answers. In virtual time, over held sockets.

import { describe, expect, test } from "bun:test";
import { FanwireClientError, type SubscribeOptions } from "../src/client/client.ts";
import { Stage } from "./support/client-stage.ts";

/** How a promise ended: its value, or the code it was rejected with. `open` while it has not. */
function outcome(promise: Promise<unknown>): { now: unknown } {
  const told: { now: unknown } = { now: "open" };
  promise.then(
    (value) => {
      told.now = value;
    },
    (error) => {
      told.now = error instanceof FanwireClientError ? error.code : error;
    },
  );
  return told;
}

const quiet: SubscribeOptions = { onMessage: () => undefined };

function connected(options = {}): Stage {
  const stage = new Stage(options);
  stage.welcome();
  return stage;
}

describe("a publication", () => {
  test("waits for a connection, goes in order, behind the topics that are listened to", async () => {
    const stage = new Stage();
    const data = { text: "as it was" };
    const made = outcome(stage.client.publish("room:1", data));
    data.text = "changed since";
    stage.client.publish("room:1", 2).catch(() => undefined);
    stage.client.subscribe("room:1", quiet);
    stage.welcome();
    expect(stage.sent.map(({ type, data }) => [type, data])).toEqual([
      ["subscribe", undefined],
      ["publish", { text: "as it was" }],
      ["publish", 2],
    ]);
    stage.socket.tell({ type: "ok", id: stage.sent[1]!.id, epoch: "e", offset: 7 });
    await stage.clock.advance(0);
    expect(made.now).toEqual({ epoch: "e", offset: 7 });
  });

  test("whose answer was lost is repeated under its key, before those behind it", async () => {
    const stage = connected();
    const first = outcome(stage.client.publish("room:1", 1));
    stage.client.publish("room:1", 2).catch(() => undefined);
    stage.socket.end(1006);
    stage.client.publish("room:1", 3).catch(() => undefined);
    await stage.back();
    const frames = stage.framesOf("publish");
    expect(frames.map(({ data }) => data)).toEqual([1, 2, 1, 2, 3]);
    expect(frames[2]).toEqual(frames[0]!);
    expect(new Set(frames.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3);
    stage.socket.tell({ type: "ok", id: frames[2]!.id, epoch: "e", offset: 1 });
    await stage.clock.advance(0);
    expect(first.now).toEqual({ epoch: "e", offset: 1 });
  });

  test("that another user would repeat is not: the server could not tell", async () => {
    const stage = connected();
    const sent = outcome(stage.client.publish("room:1", 1));
    stage.socket.end(1006);
    const waiting = outcome(stage.client.publish("room:1", 2));
    await stage.back({ userId: "guest-2" });
    await stage.clock.advance(0);
    expect([sent.now, waiting.now]).toEqual(["outcome-unknown", "open"]);
    expect(stage.framesOf("publish").map(({ data }) => data)).toEqual([1, 2]);
  });

  test.each(["rate-limited", "unavailable", "outcome-unknown", "timeout", "draining", "internal"])(
    "refused `%s` is tried again after a pause, under its key",
    async (code) => {
      const stage = connected();
      const made = outcome(stage.client.publish("room:1", 1));
      stage.refuse("publish", code, true);
      expect(stage.framesOf("publish")).toHaveLength(1);
      await stage.clock.advance(1_000);
      const [one, two] = stage.framesOf("publish");
      expect(two).toEqual(one!);
      stage.answer("publish", { epoch: "e", offset: 1 });
      await stage.clock.advance(0);
      expect(made.now).toEqual({ epoch: "e", offset: 1 });
    },
  );

  test("keeps its place when several are refused for now", async () => {
    const stage = connected();
    for (const data of [1, 2, 3]) stage.client.publish("room:1", data).catch(() => undefined);
    const ids = stage.framesOf("publish").map(({ id }) => id);
    for (const id of ids.reverse())
      stage.socket.tell({ type: "error", id, code: "unavailable", message: "", retryable: true });
    await stage.clock.advance(8_000);
    expect(stage.framesOf("publish").map(({ data }) => data)).toEqual([1, 2, 3, 1, 2, 3]);
  });

  test("refused for good is rejected with the server's code", async () => {
    const stage = connected();
    const refused = outcome(stage.client.publish("room:1", 1));
    stage.refuse("publish", "forbidden");
    await stage.clock.advance(0);
    expect(refused.now).toBe("forbidden");
  });

  test("ends within its time: `timeout` if never sent, `outcome-unknown` if it was, else what it was refused with", async () => {
    const stage = new Stage({ publishTimeoutMs: 3_000 });
    const never = outcome(stage.client.publish("room:1", 1));
    await stage.clock.advance(3_000);
    expect(never.now).toBe("timeout");
    stage.welcome();
    expect(stage.sent).toEqual([]);
    const unanswered = outcome(stage.client.publish("room:1", 2));
    await stage.clock.advance(3_000);
    expect(unanswered.now).toBe("outcome-unknown");
    const refused = outcome(stage.client.publish("room:1", 3));
    stage.refuse("publish", "unavailable", true);
    stage.socket.end(1013);
    await stage.clock.advance(3_000);
    expect(refused.now).toBe("unavailable");
    stage.socket.end(1006);
  });

  test("too many that wait are refused, and those that wait are not lost", async () => {
    const stage = new Stage({ maxPending: 3 });
    const all = [1, 2, 3, 4].map((data) => outcome(stage.client.publish("room:1", data)));
    await stage.clock.advance(0);
    expect(all.map(({ now }) => now)).toEqual(["open", "open", "open", "too-many"]);
    stage.welcome();
    expect(stage.framesOf("publish")).toHaveLength(3);
  });

  test("that was under way when the connection was lost goes before those that had to wait for it", async () => {
    const stage = connected();
    for (let i = 0; i < 103; i += 1) stage.client.publish("room:1", i).catch(() => undefined);
    stage.socket.end(1006);
    await stage.back();
    const again = stage.framesOf("publish").slice(100);
    expect(again.map(({ data }) => data)).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  test("a long queue is sent a window at a time", async () => {
    const stage = new Stage();
    for (let i = 0; i < 250; i += 1) stage.client.publish("room:1", i).catch(() => undefined);
    stage.welcome();
    expect(stage.framesOf("publish")).toHaveLength(100);
    for (const { id } of stage.framesOf("publish").slice(0, 30))
      stage.socket.tell({ type: "ok", id, epoch: "e", offset: 1 });
    expect(stage.framesOf("publish").map(({ data }) => data)).toEqual(
      Array.from({ length: 130 }, (_, i) => i),
    );
  });

  test("over the server's size is not repeated, and the others are", async () => {
    const stage = connected();
    const small = outcome(stage.client.publish("room:1", "small"));
    const large = outcome(stage.client.publish("room:1", "x".repeat(70_000)));
    stage.socket.end(1009, "too-large");
    await stage.clock.advance(0);
    expect([small.now, large.now]).toEqual(["open", "too-large"]);
    await stage.back();
    expect(stage.framesOf("publish").at(-1)).toMatchObject({ data: "small" });
  });

  test("that is large and ends three connections without a word is given up; a small one is not", async () => {
    const stage = connected();
    const small = outcome(stage.client.publish("room:1", "small"));
    const large = outcome(stage.client.publish("room:1", "x".repeat(70_000)));
    for (let i = 0; i < 3; i += 1) {
      expect(large.now).toBe("open");
      stage.socket.end(1006);
      await stage.back();
    }
    expect([small.now, large.now]).toEqual(["open", "outcome-unknown"]);
  });

  test("that cannot be encoded is refused at once", async () => {
    const stage = connected();
    const bad = outcome(stage.client.publish("room:1", 10n));
    await stage.clock.advance(0);
    expect([bad.now, stage.sent]).toEqual(["bad-data", []]);
  });
});

describe("in a volatile topic", () => {
  test("a publication goes without a key once that is known, and is not repeated", async () => {
    const stage = connected();
    const made = outcome(stage.client.publish("game:1", 1));
    stage.refuse("publish", "mode-mismatch");
    expect(stage.framesOf("publish").map((frame) => "idempotencyKey" in frame)).toEqual([true, false]);
    stage.answer("publish");
    await stage.clock.advance(0);
    expect(made.now).toBeUndefined();
    const second = outcome(stage.client.publish("game:2", 2));
    expect(stage.framesOf("publish").at(-1)).not.toHaveProperty("idempotencyKey");
    stage.socket.end(1006);
    await stage.back();
    expect([second.now, stage.framesOf("publish").length]).toEqual(["outcome-unknown", 3]);
  });

  test("what is listened to teaches the mode", () => {
    const stage = new Stage();
    stage.client.subscribe("game:1", quiet);
    stage.welcome();
    stage.answer("subscribe", { topic: "game:1", mode: "volatile" });
    stage.client.publish("game:2", 2).catch(() => undefined);
    expect(stage.framesOf("publish")[0]).not.toHaveProperty("idempotencyKey");
  });

  test("`send` asks for no answer, and drops what there is no way for", async () => {
    const stage = new Stage({ maxBufferedBytes: 1_000 });
    expect(stage.client.send("game:1", 1)).toBe(false);
    stage.welcome();
    expect(stage.client.send("game:1", 2, { echo: false, event: "moved" })).toBe(true);
    stage.socket.bufferedAmount = 1_001;
    expect(stage.client.send("game:1", 3)).toBe(false);
    expect(stage.sent).toEqual([{ type: "publish", topic: "game:1", data: 2, echo: false, event: "moved" }]);
    stage.socket.tell({ type: "error", code: "forbidden", message: "No.", retryable: false });
    expect(stage.errors).toMatchObject([{ code: "forbidden", message: "No." }]);
  });
});

describe("a question", () => {
  test("waits for a connection and is asked again on the next one, except a call, which may have been heard", async () => {
    const stage = new Stage();
    const [page, who, call] = [
      outcome(stage.client.history("room:1", { limit: 2 })),
      outcome(stage.client.presence("room:1")),
      outcome(stage.client.call("dice:roll", { sides: 6 })),
    ];
    stage.welcome();
    expect(stage.sent.map(({ type }) => type)).toEqual(["history", "presence", "call"]);
    stage.socket.end(1006);
    await stage.back();
    expect(stage.sent.slice(3).map(({ type }) => type)).toEqual(["history", "presence"]);
    stage.answer("history", { epoch: "e", offset: 2, publications: [], more: false });
    stage.answer("presence", { count: 0, members: [] });
    await stage.clock.advance(0);
    expect(page.now).toMatchObject({ epoch: "e", offset: 2, publications: [], more: false });
    expect([who.now, call.now]).toMatchObject([{ count: 0, members: [] }, "outcome-unknown"]);
  });

  test("without an answer ends within its time", async () => {
    const stage = connected({ requestTimeoutMs: 2_000 });
    const [page, call] = [outcome(stage.client.history("room:1")), outcome(stage.client.call("slow"))];
    await stage.clock.advance(2_000);
    expect([page.now, call.now]).toEqual(["timeout", "outcome-unknown"]);
    // The answer that comes after all is nobody's, and no error either.
    stage.answer("history", { epoch: "e", offset: 2, publications: [], more: false });
    stage.refuse("call", "call-failed");
    expect(stage.errors).toEqual([]);
  });

  test("to the application is answered with its data, or its code, whatever that means elsewhere", async () => {
    const stage = connected();
    const answered = outcome(stage.client.call("dice:roll"));
    stage.answer("call", { data: 6 });
    const refused = outcome(stage.client.call("dice:roll"));
    stage.refuse("call", "unavailable", true);
    await stage.clock.advance(60_000);
    expect([answered.now, refused.now]).toEqual([6, "unavailable"]);
  });
});

describe("a closed client", () => {
  test("rejects what waits, tells sent publications apart, and takes nothing new", async () => {
    const stage = connected();
    const sent = outcome(stage.client.publish("room:1", 1));
    stage.socket.end(1006);
    const waiting = outcome(stage.client.publish("room:1", 2));
    stage.client.close();
    const after = outcome(stage.client.publish("room:1", 3));
    const call = outcome(stage.client.call("x"));
    await stage.clock.advance(0);
    expect([sent, waiting, after, call].map(({ now }) => now)).toEqual([
      "outcome-unknown",
      "closed",
      "closed",
      "closed",
    ]);
  });
});
