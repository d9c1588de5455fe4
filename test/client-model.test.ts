// The client against a model of a server, in virtual time, over a network with every fault: what subscribers are told is checked against what was published.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  type Client,
  createClient,
  FanwireClientError,
  type Message,
  type Reset,
} from "../src/client/client.ts";
import { fakeWebSocket } from "./support/fake-socket.ts";
import { ModelServer, ModelTopic } from "./support/model-server.ts";
import { Random } from "./support/random.ts";
import { VirtualClock } from "./support/virtual-clock.ts";

/** What one subscriber was told, checked as it comes. */
class Listener {
  readonly complaints: string[] = [];
  readonly values = new Map<string, unknown>();
  resets = 0;
  #epoch: string | undefined;
  #offset = 0;
  readonly #seen = new Map<string, number>();
  readonly #mode: "stream" | "latest";

  constructor(client: Client, topic: string, mode: "stream" | "latest") {
    this.#mode = mode;
    client.subscribe(topic, {
      onMessage: (message) => this.#message(message),
      onReset: (reset) => this.#reset(reset),
      onSubscribed: ({ recovered, position }) => {
        if (this.#epoch === undefined) this.#begin(position!);
        else if (position!.epoch !== this.#epoch) this.complaints.push("another epoch without a reset");
        else if (recovered && position!.offset < this.#offset) this.complaints.push("recovered backwards");
      },
      onError: ({ code }) => this.complaints.push(code),
    });
  }

  #begin({ epoch, offset }: { epoch: string; offset: number }): void {
    this.#epoch = epoch;
    this.#offset = offset;
  }

  #reset(reset: Reset): void {
    this.resets += 1;
    this.#begin(reset);
    this.#seen.clear();
    this.values.clear();
  }

  #message({ offset = 0, key, removed, data }: Message): void {
    if (this.#mode === "stream") {
      if (offset !== this.#offset + 1) this.complaints.push(`${offset} after ${this.#offset}`);
      this.#offset = offset;
      return;
    }
    const before = this.#seen.get(key!);
    if (before !== undefined && offset <= before) this.complaints.push(`${key}: ${offset} after ${before}`);
    this.#seen.set(key!, offset);
    if (removed) this.values.delete(key!);
    else this.values.set(key!, data);
  }

  get offset(): number {
    return this.#offset;
  }
}

const act = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ what: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ what: fc.constant("write" as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ what: fc.constant("cut" as const) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constantFrom("silence", "trim", "roll", "away", "back") }) },
);
const plan = fc.record({
  seed: fc.integer({ min: 0, max: 2 ** 31 }),
  lossRate: fc.constantFrom(0, 0.1, 0.3),
  doubleRate: fc.constantFrom(0, 0.3),
  refusalRate: fc.constantFrom(0, 0.1),
  steps: fc.array(fc.tuple(act, fc.integer({ min: 0, max: 4_000 })), { maxLength: 40 }),
});
type Plan = typeof plan extends fc.Arbitrary<infer Value> ? Value : never;

async function live({ seed, lossRate, doubleRate, refusalRate, steps }: Plan) {
  const random = new Random(seed);
  const clock = new VirtualClock();
  const topics = new Map([
    ["room:1", new ModelTopic("stream")],
    ["ticker:1", new ModelTopic("latest")],
  ]);
  const server = new ModelServer(clock, random, topics);
  Object.assign(server, { lossRate, doubleRate, refusalRate });
  const client = createClient("ws://model/ws", {
    clock,
    random: () => random.below(2 ** 30) / 2 ** 30,
    WebSocket: fakeWebSocket((socket) => server.dial(socket)),
  });
  const room = new Listener(client, "room:1", "stream");
  const ticker = new Listener(client, "ticker:1", "latest");
  const written: { readonly data: string; readonly outcome: Promise<string> }[] = [];
  const made: unknown[] = [];
  const publish = topics.get("room:1")!;
  const original = publish.publish.bind(publish);
  publish.publish = (data, ...rest) => {
    const before = publish.offset;
    const offset = original(data, ...rest);
    if (publish.offset !== before) made.push(data);
    return offset;
  };
  const does = {
    publish: (count = 1) => {
      for (let i = 0; i < count; i += 1) {
        server.publish("room:1", "from elsewhere");
        const isRemoval = random.below(4) === 0;
        server.publish(
          "ticker:1",
          isRemoval ? null : random.below(1_000),
          `k${random.below(4)}`,
          isRemoval || undefined,
        );
      }
    },
    write: (count = 1) => {
      for (let i = 0; i < count; i += 1) {
        const data = `mine ${written.length}`;
        const outcome = client.publish("room:1", data).then(
          () => "made",
          (error) => (error instanceof FanwireClientError ? error.code : String(error)),
        );
        written.push({ data, outcome });
      }
    },
    cut: () => server.cut(),
    silence: () => server.silence(),
    trim: () => for_(topics, (topic) => topic.trim()),
    roll: () => for_(topics, (_, name) => server.roll(name)),
    away: () => {
      server.isAway = true;
      server.cut();
    },
    back: () => {
      server.isAway = false;
    },
  };
  for (const [step, pauseMs] of steps) {
    does[step.what as keyof typeof does]("count" in step ? step.count : 1);
    await clock.advance(pauseMs);
  }
  Object.assign(server, { lossRate: 0, doubleRate: 0, refusalRate: 0, isAway: false });
  await clock.advance(120_000);
  does.publish();
  await clock.advance(5_000);
  const outcomes = await Promise.all(written.map(({ outcome }) => outcome));
  client.close();
  await clock.advance(0);
  return { room, ticker, topics, outcomes, written, made };
}

function for_(
  topics: ReadonlyMap<string, ModelTopic>,
  work: (topic: ModelTopic, name: string) => void,
): void {
  for (const [name, topic] of topics) work(topic, name);
}

describe("over a network with every fault", () => {
  test("a stream is told whole, once and in order, or that it is not", async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (given) => {
        const { room, topics } = await live(given);
        expect(room.complaints).toEqual([]);
        expect(room.offset).toBe(topics.get("room:1")!.offset);
      }),
      { numRuns: 300 },
    );
  });

  test("nothing is called lost while history reaches", async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (given) => {
        const steps = given.steps.filter(([{ what }]) => what !== "trim" && what !== "roll");
        const { room, ticker } = await live({ ...given, steps });
        expect([room.resets, ticker.resets]).toEqual([0, 0]);
      }),
      { numRuns: 150 },
    );
  });

  test("of `latest` topics the newest values are known in the end, and none ever goes back", async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (given) => {
        const lossRate = 0; // What is lost of a stream shows by its offset; here the server owes the newest.
        const { ticker, topics } = await live({ ...given, lossRate });
        const there = topics.get("ticker:1")!.log.filter(({ removed }) => !removed);
        expect(ticker.complaints).toEqual([]);
        expect(Object.fromEntries(ticker.values)).toEqual(
          Object.fromEntries(there.map(({ key, data }) => [key, data])),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("what is written is published once, or the writer is told that it may not have been", async () => {
    await fc.assert(
      fc.asyncProperty(plan, async (given) => {
        const { outcomes, written, made } = await live(given);
        for (const [i, { data }] of written.entries()) {
          const count = made.filter((other) => other === data).length;
          const allowed = { made: [1], timeout: [0], unavailable: [0, 1], "outcome-unknown": [0, 1] }[
            outcomes[i]!
          ];
          expect([data, outcomes[i], allowed?.includes(count)]).toEqual([data, outcomes[i], true]);
        }
      }),
      { numRuns: 300 },
    );
  });
});
