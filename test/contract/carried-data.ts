// What holds for data in whichever encoding it came: nobody can tell that it was neither decoded nor encoded again.

import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Publication } from "../../src/bridge/bridge.ts";
import { decodeEnvelope, packPublication, packRelay } from "../../src/bridge/envelope.ts";
import type { CarriedData } from "../../src/wire/carried-data.ts";
import { json } from "../../src/wire/json.ts";
import { messageOf } from "../../src/wire/message.ts";
import { msgpack } from "../../src/wire/msgpack.ts";
import { sse } from "../../src/wire/sse.ts";

export interface CarriedDataSubject {
  /** Data that is read without being decoded. */
  readonly data: fc.Arbitrary<unknown>;
  /** As it is once a publish with it was read. */
  readonly carried: (data: unknown) => CarriedData;
  /** Whether MessagePack is made of its value, and has the very bytes that it has otherwise. */
  readonly isPackedAnew: boolean;
}

const anyText = fc.oneof(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }));

const fieldsOf = (data: fc.Arbitrary<unknown>) =>
  fc.record(
    {
      data,
      timestamp: fc.oneof(fc.nat(2 ** 45), fc.integer({ min: 1.7e12, max: 1.8e12 })),
      event: anyText,
      key: fc.oneof(fc.string({ minLength: 20, maxLength: 400 }), fc.string()),
      removed: fc.constant(true as const),
      userId: anyText,
      offset: fc.oneof(fc.nat(300), fc.nat(2 ** 52)),
    },
    { requiredKeys: ["data", "timestamp"] },
  );

const topics = fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: "grapheme", minLength: 1 }));

export function carriedDataContract({ data, carried, isPackedAnew }: CarriedDataSubject): void {
  test("is sent to subscribers, and to other nodes, as if it had been decoded and encoded", () => {
    fc.assert(
      fc.property(fieldsOf(data), topics, (given, topic) => {
        // As JSON has it: -0 is 0.
        const plain: Publication = { ...given, data: JSON.parse(JSON.stringify(given.data)) };
        const kept: Publication = { ...plain, data: carried(plain.data) };
        const [message, same] = [messageOf(topic, kept), messageOf(topic, plain)];
        expect(json.encode(message)).toBe(json.encode(same));
        expect(sse.encode(message)).toBe(sse.encode(same));
        expect(msgpack.decode(msgpack.encode(message))).toEqual(same as never);
        if (isPackedAnew) expect(msgpack.encode(message)).toEqual(msgpack.encode(same));
        expect(packPublication(kept)).toEqual(packPublication(plain));
        const { offset: _, ...relayed } = plain as Publication & { offset?: number };
        const envelope = decodeEnvelope(packRelay("a", [packPublication(kept)]));
        expect(envelope).toEqual({ kind: "relay", instance: "a", publications: [relayed] });
      }),
      { numRuns: 200 },
    );
  });

  test("stands in answers as its value, in both formats", () => {
    const answer = (data: unknown) => ({
      type: "ok",
      id: 1,
      publications: [{ data, timestamp: 1, offset: 2 }],
    });
    const data = { list: [1, "é", { deep: null }] };
    expect(msgpack.encode(answer(carried(data)))).toEqual(msgpack.encode(answer(data)));
    expect(json.encode(answer(carried(data)))).toBe(json.encode(answer(data)));
  });
}
