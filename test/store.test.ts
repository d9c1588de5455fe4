// Reading what Redis replied: a reply that no script of ours can have given is told as such, and never taken for an answer.

import { describe, expect, test } from "bun:test";
import { RedisError, type Reply } from "../src/bridge/connection.ts";
import { packedArray, packPublication, publicationsHead } from "../src/bridge/envelope.ts";
import { type Batch, outgoing, Store } from "../src/bridge/store.ts";
import { InstanceStore } from "../src/bridge/store-instances.ts";
import { StoreKeys } from "../src/bridge/store-keys.ts";
import type { Operation } from "../src/bridge/store-reply.ts";
import { pack } from "../src/wire/msgpack.ts";

const keys = new StoreKeys("p:");
const instances = new InstanceStore(keys, "a");
const store = new Store({
  ...{ keys, instance: "a", positionTtlMs: 1000, idempotencyTtlMs: 1000 },
  newEpoch: () => "epoch",
});
const history = { size: 100, ttlMs: 1000, maxBytes: 1000 };
const batch: Batch = {
  ...{ topic: "room:1", number: 1, fence: 1 },
  publications: [outgoing({ data: 1, timestamp: 1 }), outgoing({ data: 2, timestamp: 1 })],
};
const text = (words: string) => Buffer.from(words);

function entry(first: number, ...data: readonly unknown[]): Uint8Array {
  const body = packedArray(data.map((each) => packPublication({ data: each, timestamp: 1 })));
  return Buffer.concat([publicationsHead("a"), pack("epoch"), pack(first), body]);
}

describe("a reply", () => {
  const append = store.append(batch, { mode: "stream", history }, 5);
  const follow = store.followStream("room:1", { epoch: "e", offset: 1 }, 9);
  const followLatest = store.followLatest("t:1", undefined, { maxKeys: 1, removalTtlMs: 1 }, 5);
  const page = store.history("room:1", 0, 9, history, 5);

  const nonsense: readonly (Reply | undefined)[] = [
    undefined,
    null,
    7,
    text("x"),
    [],
    [null],
    [1],
    [[]],
    [text("e"), -1],
  ];
  const odd: readonly [string, Operation<unknown>, readonly (Reply | undefined)[]][] = [
    [
      "append",
      append,
      [
        ...[
          [1, text("e"), 1, 1, text("")],
          [1, text("e"), 1, 2, text("+")],
          [1, text("e"), 1, 2, text("+ !")],
        ],
        ...[
          [1, text("e"), 1, 1, text("+ ?")],
          [1, text("e"), 1, 1, text("+ =e")],
          [1, text("e"), 1.5, 2, text("")],
        ],
      ],
    ],
    [
      "follow",
      follow,
      [
        [text("e"), 1, 0, text("")],
        [text("e"), 1, 0, null, []],
        [text("a b"), 1, 0, text(""), []],
        [text("e"), 1, 0, text(""), [7]],
      ],
    ],
    [
      "follow of latest",
      followLatest,
      [
        [text("e"), 1, 0, text(""), 0, 0],
        [text("e"), 1, 0, text(""), 0, 0, [text("x"), text("y")]],
      ],
    ],
    [
      "history",
      page,
      [
        [text("e"), 1],
        [text(""), 1, []],
        [text("e"), 2 ** 53, []],
      ],
    ],
    ["id", instances.claimId("x"), [text("not a name")]],
    ["registry", instances.readRegistry(), [[text("a"), 7]]],
  ];

  test.each(odd)("to %s that makes no sense is an error of its own", (_, operation, replies) => {
    for (const reply of replies) {
      expect(() => operation.parse(reply)).toThrow(expect.objectContaining({ code: "MALFORMED" }));
    }
  });

  test("of nonsense is refused by whatever reads lists", () => {
    for (const operation of [append, follow, followLatest, page]) {
      for (const reply of nonsense) {
        expect(() => operation.parse(reply)).toThrow(expect.objectContaining({ code: "MALFORMED" }));
      }
    }
  });

  test("of refusal is thrown as it is", () => {
    const refusal = new RedisError("READONLY You can't write against a read only replica.");
    const operations = [
      append,
      follow,
      followLatest,
      page,
      instances.fence(1, 1),
      store.disconnect("u", undefined),
    ];
    for (const operation of operations) expect(() => operation.parse(refusal)).toThrow(refusal);
    expect(refusal.code).toBe("READONLY");
  });

  test("says what became of each publication", () => {
    const outcomes = [{ epoch: "e-0", offset: 9 }, "accepted"] as const;
    const reply = [1, text("e"), 4, 1, text("=e-0:9 +")];
    expect(append.parse(reply)).toEqual({ epoch: "e", first: 4, count: 1, outcomes });
    expect(append.parse([0])).toBe("fenced");
  });

  test("whose entries cannot be read, or have holes, gives what is left without a hole", () => {
    const told = (...entries: Uint8Array[]) =>
      page.parse([text("e"), 9, entries]).publications.map(({ offset }) => offset);
    expect(told(entry(1, 1, 2), entry(3, 3))).toEqual([1, 2, 3]);
    expect(told(entry(1, 1, 2), text("nonsense"), entry(5, 5), entry(6, 6))).toEqual([5, 6]);
    expect(told(entry(5, 5), entry(4, 4))).toEqual([4]);
    expect(told(entry(9, 9, "beyond the position"))).toEqual([9]);
    expect(told(text("nonsense"))).toEqual([]);
  });

  test("of values that cannot be read gives the others", () => {
    const value = packPublication({ data: 1, timestamp: 1, key: "k" });
    const reply: Reply = [text("e"), 5, 0, text(""), 0, 1, [1, text("x"), 3, value, 4, pack([1, 2])]];
    expect(followLatest.parse(reply).values).toEqual([{ data: 1, timestamp: 1, key: "k", offset: 3 }]);
  });
});

test("a channel is a topic's where it has the prefix and the kind", () => {
  expect(keys.topicOf(keys.channel("room:t:1"))).toBe("room:t:1");
  for (const channel of [keys.control, keys.probe("t:x"), "t:room:1", "q:t:x"]) {
    expect(keys.topicOf(channel)).toBeUndefined();
  }
});
