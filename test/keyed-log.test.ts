import { describe, expect, test } from "bun:test";
import type { PositionedPublication } from "../src/bridge/bridge.ts";
import { KeyedLog } from "../src/hub/keyed-log.ts";
import { SharedFrame } from "../src/wire/format.ts";
import { messageOf } from "../src/wire/message.ts";

const topic = "ticker:1";
const rule = { maxKeys: 10, removalTtlMs: 60_000 };

function append(log: KeyedLog, key: string, offset: number): void {
  const publication: PositionedPublication = { data: offset, timestamp: 0, key, offset };
  log.append({ frame: new SharedFrame(messageOf(topic, publication)), bytes: 1, publication }, publication);
}

/** The offsets that whoever is at a cursor is sent. */
function offsetsFrom(log: KeyedLog, cursor: number): number[] {
  const offsets: number[] = [];
  let at = cursor;
  for (;;) {
    const located = log.locate(at);
    if (located.at !== "item") return offsets;
    offsets.push(located.item.publication!.offset);
    at = located.next;
  }
}

describe("a log of latest values whose bridge missed some", () => {
  test("takes what rises over a hole, and gives it to whoever was before the hole or would be in it", () => {
    const log = new KeyedLog(topic, { epoch: "e", offset: 3 }, [], rule);
    const before = log.next;
    append(log, "a", 4);
    append(log, "b", 9);
    append(log, "a", 12);
    expect(log.position).toEqual({ epoch: "e", offset: 12 });
    expect(offsetsFrom(log, before)).toEqual([9, 12]);
    expect(offsetsFrom(log, log.cursorAfter({ epoch: "e", offset: 6 })!)).toEqual([9, 12]);
    expect(offsetsFrom(log, log.cursorAfter({ epoch: "e", offset: 10 })!)).toEqual([12]);
    expect(offsetsFrom(log, log.next)).toEqual([]);
  });

  test("refuses what does not rise", () => {
    const log = new KeyedLog(topic, { epoch: "e", offset: 3 }, [], rule);
    append(log, "a", 5);
    expect(() => append(log, "a", 5)).toThrow("cannot follow");
    expect(() => append(log, "a", 4)).toThrow("cannot follow");
  });
});

describe("a log of latest values in a new epoch", () => {
  test("continues for whoever was told of it elsewhere, also where every value is newer than what they saw", () => {
    const log = new KeyedLog(topic, { epoch: "e", offset: 3 }, [], rule);
    const before = log.next;
    log.reset({ epoch: "f", offset: 12 }, [{ data: 1, timestamp: 0, key: "a", offset: 12 }]);
    expect(offsetsFrom(log, log.cursorAfter({ epoch: "f", offset: 7 })!)).toEqual([12]);
    const at = log.locate(before);
    expect(at.at === "item" && at.item.frame.frame).toMatchObject({ type: "reset", epoch: "f" });
    expect(offsetsFrom(log, log.start)).toEqual([12]);
  });
});
