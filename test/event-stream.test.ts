// One event stream over a connection that is not real: its ids, its heartbeat, its patience, and the words of its end.

import { expect, test } from "bun:test";
import { EventStream } from "../src/connections/event-stream.ts";
import { readId, StreamPosition } from "../src/connections/stream-position.ts";
import type { CloseReason } from "../src/errors.ts";
import { FanwireError } from "../src/errors.ts";
import { SharedFrame } from "../src/wire/format.ts";

const topics = ["room:1", "book:1", "game:1"];
const at = (offset: number) => ({ epoch: "e", offset });

function begin(known: Readonly<Record<string, number>> = {}, expiresAt?: number) {
  const before = new StreamPosition(topics, new Map());
  for (const [topic, offset] of Object.entries(known)) before.set(topic, at(offset));
  const ended: [number, CloseReason | undefined][] = [];
  const sent: string[] = [];
  const connection = {
    bufferedBytes: 0,
    hasEnded: false,
    now: 1_000_000,
    onBegin: (_: EventStream): void => undefined,
  };
  const host = {
    limits: { sseHeartbeatMs: 15_000, slowConsumerTimeoutMs: 60_000 },
    now: () => connection.now,
    random: () => 0.5,
    counts: { errors: { unavailable: 0 } as never },
    begun: (stream: EventStream) => connection.onBegin(stream),
    drained: () => undefined,
    ended: (_: EventStream, code: number, reason: CloseReason | undefined) => void ended.push([code, reason]),
  };
  const stream = new EventStream(host, "session", {
    claims: { userId: "ann", subscribe: [], publish: [], ...(expiresAt !== undefined && { expiresAt }) },
    remoteAddress: "127.0.0.1",
    topics,
    position: new StreamPosition(topics, readId(before.id)),
    maxRateHz: undefined,
  });
  const open = () => {
    stream.open({
      send: (text) => {
        sent.push(text);
        return "sent";
      },
      bufferedBytes: () => connection.bufferedBytes,
      cork: (work) => work(),
      end: () => {
        connection.hasEnded = true;
      },
      terminate: () => undefined,
    });
  };
  return { stream, open, sent, ended, connection };
}

const message = (topic: string, offset?: number) => {
  return new SharedFrame({
    type: "message",
    topic,
    data: 1,
    timestamp: 1,
    ...(offset !== undefined && { offset }),
  });
};
/** What a text's id says of a topic, as another node would read it. */
const place = (text: string, topic: string) => {
  const id = /^id: (.*)$/m.exec(text)?.[1] ?? "";
  return new StreamPosition(topics, readId(id)).of(topic);
};

test("the first block is an id with what the client came with and what it was joined to, however many topics answer", () => {
  const { stream, open, sent, connection } = begin({ "room:1": 7 });
  connection.onBegin = () => {
    stream.joined("room:1", { mode: "stream", position: at(7), recovered: true });
    stream.joined("game:1", { mode: "volatile" });
  };
  open();
  expect(sent).toHaveLength(1);
  expect(sent[0]).toMatch(/^id: \S+\n\n$/);
  expect(place(sent[0]!, "room:1")).toEqual(at(7));
  stream.joined("book:1", { mode: "stream", position: at(3), recovered: false });
  expect(place(sent[1]!, "book:1")).toEqual(at(3));
  expect(sent[1]).toMatch(/^id: \S+\n\n$/);
});

test("an event's id says that the client has it, and a volatile one changes nothing", () => {
  const { stream, open, sent } = begin({ "room:1": 7, "book:1": 3 });
  open();
  stream.deliver(message("room:1", 8));
  stream.deliver(message("game:1"));
  for (const text of sent.slice(1))
    expect([place(text, "room:1"), place(text, "book:1")]).toEqual([at(8), at(3)]);
  expect(sent[1]).toMatch(/^id: \S+\ndata: \{"type":"message".*\}\n\n$/);
});

test("what cannot be continued is told by a reset, with the snapshot where there is one; a new client needs none", () => {
  const { stream, open, sent } = begin({ "room:1": 7 });
  open();
  stream.joined("room:1", { mode: "stream", position: at(90), recovered: false });
  expect(sent[1]).toContain('data: {"type":"reset","topic":"room:1","epoch":"e","offset":90}');
  expect(place(sent[1]!, "room:1")).toEqual(at(90));
  const snapshot = { ...at(4), data: "state" };
  stream.joined("book:1", { mode: "stream", position: at(6), recovered: false, snapshot });
  expect(sent[2]).toContain('"offset":4,"snapshot":{"epoch":"e","offset":4,"data":"state"}}');
  expect(place(sent[2]!, "book:1")).toEqual(at(4));
});

test("a silent stream is sent a comment, one that is not silent none", () => {
  const { stream, open, sent, connection } = begin();
  open();
  connection.now += 14_999;
  stream.tick(0);
  expect(sent).toHaveLength(1);
  connection.now += 1;
  stream.tick(0);
  stream.tick(0);
  expect(sent.slice(1)).toEqual([":\n\n"]);
  connection.now += 10_000;
  stream.deliver(message("game:1"));
  connection.now += 10_000;
  stream.tick(0);
  expect(sent).toHaveLength(3);
});

test("a client that takes nothing of what waits is ended, one that takes something is not", () => {
  const { stream, open, sent, connection } = begin();
  open();
  connection.bufferedBytes = 100;
  stream.tick(0);
  connection.now += 40_000;
  stream.drain();
  stream.tick(0);
  connection.now += 59_999;
  stream.tick(0);
  expect([sent.length, connection.hasEnded]).toEqual([1, false]);
  connection.now += 1;
  stream.tick(0);
  expect(connection.hasEnded).toBe(true);
  expect(sent[1]).toBe(
    'retry: 0\ndata: {"type":"closing","code":4002,"reason":"slow-consumer","retryAfterMs":0}\n\n',
  );
});

test("a token that runs out ends the stream, with the tolerance for clocks", () => {
  const { stream, open, sent, connection, ended } = begin({}, 1_010_000);
  open();
  connection.now = 1_014_999;
  stream.tick(5000);
  expect(connection.hasEnded).toBe(false);
  connection.now = 1_015_000;
  stream.tick(5000);
  expect(sent[1]).toStartWith("retry: 500\n");
  stream.deliver(message("room:1", 1));
  expect(sent).toHaveLength(2);
  stream.closed();
  expect(ended).toEqual([[4001, "token-expired"]]);
});

test("an announced end is said once, each client having a time of its own to come back; who is sent away has a long one", () => {
  const { stream, open, sent } = begin();
  open();
  stream.announce(3000);
  stream.close("draining");
  expect(sent.slice(1)).toEqual([
    'retry: 1500\ndata: {"type":"closing","code":1012,"reason":"draining","retryAfterMs":3000}\n\n',
  ]);
  const other = begin();
  other.open();
  other.stream.close("disconnected", "banned");
  expect(other.sent[1]).toContain("retry: 3600000\n");
  expect(other.sent[1]).toContain('"code":4000,"reason":"banned"');
});

test("a failure after the beginning is told as an event, and the end after it", () => {
  const { stream, open, sent, connection } = begin();
  open();
  stream.fail(new FanwireError("unavailable", "Redis is away."));
  expect(sent[1]).toContain(
    'data: {"type":"error","code":"unavailable","message":"Redis is away.","retryable":true}',
  );
  expect(sent[2]).toContain('"code":1013,"reason":"overloaded"');
  expect(connection.hasEnded).toBe(true);
});

test("a client that left before its answer began is ended without a word", () => {
  const { stream, ended, sent } = begin();
  stream.tick(0);
  stream.closed();
  stream.close("draining");
  expect([sent, ended]).toEqual([[], [[1005, undefined]]]);
});
