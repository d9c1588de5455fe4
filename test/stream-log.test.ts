import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Position } from "../src/bridge/bridge.ts";
import { StreamLog } from "../src/hub/stream-log.ts";
import { SharedFrame } from "../src/wire/format.ts";

const roomy = { items: 1000, bytes: 1_000_000 };

function publication(log: StreamLog, bytes = 10) {
  const { epoch, offset } = log.position;
  const next = { data: `${epoch}:${offset + 1}`, timestamp: 0, offset: offset + 1 };
  const frame = new SharedFrame({ type: "message", topic: "room:1", ...next });
  log.append({ frame, bytes, publication: next }, next);
}

function reset(log: StreamLog, position: Position) {
  log.reset(position);
}

/** What a subscriber at a cursor is sent, as far as the ring has it. */
function readFrom(log: StreamLog, cursor: number): string[] {
  const seen: string[] = [];
  for (let at = cursor; ; at++) {
    const located = log.locate(at);
    if (located.at !== "item") return seen;
    const { frame } = located.item.frame;
    if (frame.type === "reset") seen.push(`reset ${frame.epoch}:${frame.offset}`);
    if (frame.type === "message") seen.push(String(frame.data));
  }
}

describe("a stream's log", () => {
  test("continues at the position it was opened at", () => {
    const log = new StreamLog("room:1", { epoch: "a", offset: 7 }, roomy);
    publication(log);
    expect(log.position).toEqual({ epoch: "a", offset: 8 });
    expect(readFrom(log, log.cursorAfter({ epoch: "a", offset: 7 })!)).toEqual(["a:8"]);
  });

  test("refuses a publication that does not follow", () => {
    const log = new StreamLog("room:1", { epoch: "a", offset: 7 }, roomy);
    const next = { data: 0, timestamp: 0, offset: 9 };
    const frame = new SharedFrame({ type: "message", topic: "room:1", ...next });
    expect(() => log.append({ frame, bytes: 1, publication: next }, next)).toThrow("cannot follow");
  });

  test("sends an older position to history, as long as it is of the present epoch", () => {
    const log = new StreamLog("room:1", { epoch: "a", offset: 7 }, roomy);
    const cursor = log.cursorAfter({ epoch: "a", offset: 3 })!;
    expect(log.locate(cursor)).toEqual({ at: "history", offset: 3 });
    expect(log.cursorAfter({ epoch: "b", offset: 3 })).toBeUndefined();
    expect(log.cursorAfter({ epoch: "a", offset: 8 })).toBeUndefined();
  });

  test("gives who is behind the rest of the old epoch, the reset, and then the new epoch", () => {
    const log = new StreamLog("room:1", { epoch: "a", offset: 0 }, roomy);
    publication(log);
    const behind = log.next;
    publication(log);
    reset(log, { epoch: "b", offset: 4 });
    publication(log);
    expect(readFrom(log, behind)).toEqual(["a:2", "reset b:4", "b:5"]);
  });

  test("calls a cursor of an old epoch lost once the ring has let go of it, even where offsets overlap", () => {
    const log = new StreamLog("room:1", { epoch: "a", offset: 7 }, { items: 1, bytes: 1000 });
    const behind = log.next;
    reset(log, { epoch: "b", offset: 5 });
    publication(log);
    expect(log.locate(behind)).toEqual({ at: "lost", offset: 5 });
  });

  test("does not recover a position from before the present epoch began here", () => {
    const log = new StreamLog("room:1", { epoch: "a", offset: 7 }, roomy);
    reset(log, { epoch: "b", offset: 5 });
    expect(log.cursorAfter({ epoch: "b", offset: 4 })).toBeUndefined();
    expect(log.cursorAfter({ epoch: "b", offset: 5 })).toBe(log.next);
  });

  test("keeps no item that is larger than the ring", () => {
    const log = new StreamLog("room:1", { epoch: "a", offset: 0 }, { items: 10, bytes: 100 });
    publication(log, 101);
    expect(log.locate(1)).toEqual({ at: "history", offset: 0 });
    publication(log, 100);
    expect(readFrom(log, 2)).toEqual(["a:2"]);
  });
});

/** The log as it would be with endless memory: everything that ever happened, by cursor. */
class Model {
  readonly all: { text: string; epoch: string; offset: number; bytes: number }[] = [];
  position: Position;
  readonly first: number;

  /** The offset at which the present epoch began. */
  get began(): number {
    return this.all.findLast(({ text }) => text.startsWith("reset"))!.offset;
  }

  constructor(position: Position) {
    this.position = position;
    this.first = position.offset + 1;
  }

  kept(bounds: { items: number; bytes: number }): number {
    let bytes = 0;
    let count = 0;
    for (const item of [...this.all].reverse()) {
      bytes += item.bytes;
      if (bytes > bounds.bytes || count === bounds.items) break;
      count++;
    }
    return count;
  }
}

test("a log agrees with one of endless memory wherever it still has an item, and never claims one it does not have", () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant("publish" as const), bytes: fc.integer({ min: 1, max: 60 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("reset" as const), offset: fc.integer({ min: 0, max: 20 }) }),
    },
  );
  const bounds = fc.record({
    items: fc.integer({ min: 1, max: 80 }),
    bytes: fc.integer({ min: 1, max: 500 }),
  });
  fc.assert(
    fc.property(
      fc.nat(20),
      bounds,
      fc.array(step, { maxLength: 300, size: "max" }),
      (offset, ring, steps) => {
        const log = new StreamLog("room:1", { epoch: "e0", offset }, ring);
        const model = new Model({ epoch: "e0", offset });
        let epochs = 0;
        for (const next of steps) {
          if (next.kind === "publish") {
            publication(log, next.bytes);
            model.position = { epoch: model.position.epoch, offset: model.position.offset + 1 };
            const { epoch, offset: at } = model.position;
            model.all.push({ text: `${epoch}:${at}`, epoch, offset: at, bytes: next.bytes });
          } else {
            epochs += 1;
            model.position = { epoch: `e${epochs}`, offset: next.offset };
            reset(log, model.position);
            model.all.push({ text: `reset e${epochs}:${next.offset}`, ...model.position, bytes: 0 });
          }
        }
        expect(log.position).toEqual(model.position);
        expect(log.next).toBe(model.first + model.all.length);
        const oldest = model.all.length - model.kept(ring);
        for (let index = 0; index < model.all.length; index++) {
          const item = model.all[index]!;
          const located = log.locate(model.first + index);
          if (index >= oldest) {
            expect(readFrom(log, model.first + index)).toEqual(
              model.all.slice(index).map(({ text }) => text),
            );
          } else if (item.epoch === model.position.epoch && !item.text.startsWith("reset")) {
            expect(located).toEqual({ at: "history", offset: item.offset - 1 });
            expect(log.cursorAfter({ epoch: item.epoch, offset: item.offset - 1 })).toBe(model.first + index);
          } else {
            expect(located).toEqual({ at: "lost", offset: model.began });
          }
        }
        expect(log.locate(log.next)).toEqual({ at: "head" });
      },
    ),
    { numRuns: 300 },
  );
});
