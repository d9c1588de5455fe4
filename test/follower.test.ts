import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Position, PositionedPublication } from "../src/bridge/bridge.ts";
import { type FollowAnswer, Follower, type FollowerEvents } from "../src/bridge/redis/follower.ts";
import { type ModelEnvelope, ModelLog } from "./support/model-log.ts";

const topic = "room:1";
const envelopeBytes = 100;

/** A node that follows one topic of a model log, and writes down where it was told something wrong. */
class Run implements FollowerEvents {
  readonly log: ModelLog;
  readonly follower: Follower;
  readonly complaints: string[] = [];
  readonly delivered: unknown[] = [];
  readonly values = new Map<string, unknown>();
  resets = 0;
  isAsking = false;
  questions = 0;
  #position: Position | undefined;
  #flying: ModelEnvelope[] = [];
  #answer: FollowAnswer | undefined;

  constructor(isLatest: boolean) {
    this.log = new ModelLog(isLatest);
    this.follower = new Follower(topic, isLatest, this);
  }

  get position(): Position | undefined {
    return this.#position;
  }

  publish(count: number): void {
    this.#flying.push(this.log.append(count));
  }

  lose(index: number): void {
    this.#flying.splice(index % (this.#flying.length || 1), 1);
    this.#confirmed();
  }

  /** One that need not be the oldest arrives; with `again` it stays and comes once more. */
  arrive(index: number, again: boolean): void {
    const at = index % (this.#flying.length || 1);
    const envelope = this.#flying[at];
    if (!envelope) return;
    if (!again) this.#flying.splice(at, 1);
    this.follower.received(envelope.epoch, envelope.first, envelope.publications, envelopeBytes);
    this.#confirmed();
  }

  /** The node's own publication: its reply comes before the subscription brings it. */
  overhear(): void {
    const { epoch, first, publications } = this.log.append(1);
    this.#flying.push({ epoch, first, publications });
    this.follower.overheard(epoch, first, () => publications);
  }

  gaps = 0;
  /** Envelopes on their way when the follower doubted an answer. */
  #doubted: Set<ModelEnvelope> | undefined;

  confirm(): void {
    this.#doubted = new Set(this.#flying);
    this.#confirmed();
  }

  #confirmed(): void {
    if (!this.#doubted || this.#flying.some((envelope) => this.#doubted!.has(envelope))) return;
    this.#doubted = undefined;
    this.follower.confirmed();
  }

  gap(): void {
    this.gaps += 1;
  }

  ask(): void {
    this.isAsking = true;
  }

  /** Redis is asked, if it was to be; it answers later. */
  question(limit: number): void {
    if (!this.isAsking || this.#answer) return;
    this.isAsking = false;
    this.questions += 1;
    this.#answer = this.log.follow(this.follower.asking(), limit);
  }

  answer(): void {
    const answer = this.#answer;
    if (!answer) return;
    this.#answer = undefined;
    this.follower.answered(answer);
  }

  fail(): void {
    if (!this.#answer) return;
    this.#answer = undefined;
    this.follower.failed();
    this.follower.check();
  }

  /** Everything still on its way arrives, and questions are answered until there are none. */
  settle(limit = 7): void {
    while (this.#flying.length > 0) this.arrive(0, false);
    this.answer();
    this.follower.check();
    for (let round = 0; round < 1000 && (this.isAsking || this.#answer); round++) {
      this.answer();
      this.question(limit);
    }
  }

  joined(follower: Follower, values: readonly PositionedPublication[] = []): void {
    if (this.#position) this.complaints.push("joined twice");
    this.#position = follower.position;
    this.#load(values);
  }

  reset(follower: Follower, _: string, values: readonly PositionedPublication[] = []): void {
    this.resets += 1;
    if (!this.#position) this.complaints.push("reset before joined");
    this.#position = follower.position;
    this.#load(values);
  }

  deliver(follower: Follower, publications: readonly PositionedPublication[]): void {
    for (const { offset, data, key, removed } of publications) {
      const { epoch, offset: before } = this.#position!;
      const follows = follower.isLatest ? offset > before : offset === before + 1;
      if (!follows) this.complaints.push(`${epoch}:${offset} after ${before}`);
      if (this.log.truth.get(`${epoch}:${offset}`) !== data)
        this.complaints.push(`${epoch}:${offset} is ${data}`);
      this.#position = { epoch, offset };
      this.delivered.push(data);
      if (key !== undefined) this.#put(key, removed ? undefined : data);
    }
  }

  #load(values: readonly PositionedPublication[]): void {
    this.values.clear();
    for (const { key, data, removed } of values) this.#put(key!, removed ? undefined : data);
  }

  #put(key: string, data: unknown): void {
    if (data === undefined) this.values.delete(key);
    else this.values.set(key, data);
  }
}

const index = fc.nat(20);
const count = fc.integer({ min: 1, max: 12 });
type Step = (run: Run) => void;
const ordinary: fc.Arbitrary<Step>[] = [
  count.map((many) => (run: Run) => run.publish(many)),
  count.map((many) => (run: Run) => run.publish(many)),
  index.map((at) => (run: Run) => run.lose(at)),
  fc.tuple(index, fc.boolean()).map(
    ([at, again]) =>
      (run: Run) =>
        run.arrive(at, again),
  ),
  fc.constant((run: Run) => run.arrive(0, false)),
  fc.constant((run: Run) => run.overhear()),
  fc.constantFrom(1, 3, 50).map((limit) => (run: Run) => run.question(limit)),
  fc.constant((run: Run) => run.answer()),
  fc.constant((run: Run) => run.fail()),
  fc.constant((run: Run) => run.follower.check()),
];
const trims = count.map((many) => (run: Run) => run.log.trim(many));
const restarts = fc.nat(15).map((lost) => (run: Run) => run.log.restart(lost));
const emptied = fc.constant((run: Run) => run.log.empty());
const script = (...steps: fc.Arbitrary<Step>[]) =>
  fc.array(fc.oneof(...steps), { maxLength: 120, size: "max" });

function play(isLatest: boolean, steps: readonly Step[]): Run {
  const run = new Run(isLatest);
  run.follower.check();
  for (const step of steps) step(run);
  run.settle();
  expect(run.complaints).toEqual([]);
  expect(run.position).toEqual(run.log.position);
  expect(run.follower.isBehind).toBe(false);
  if (isLatest) expect(run.values).toEqual(new Map(run.log.values));
  return run;
}

const runs = Number(process.env.FANWIRE_TEST_RUNS ?? 1000);

describe.each([false, true])("a follower (latest: %p)", (isLatest) => {
  test("says no reset, whatever is lost, doubled and late, while history has it all", () => {
    fc.assert(
      fc.property(script(...ordinary), (steps) => expect(play(isLatest, steps).resets).toBe(0)),
      { numRuns: runs },
    );
  });

  test("never leaves a hole unsaid, and ends at the head, whatever history loses", () => {
    fc.assert(
      fc.property(script(...ordinary, trims, restarts, emptied), (steps) => void play(isLatest, steps)),
      { numRuns: runs },
    );
  });

  test("says one reset for each epoch, if it saw the epoch, and no other", () => {
    fc.assert(
      fc.property(script(...ordinary, restarts, emptied), (steps) => {
        const run = play(isLatest, steps);
        expect(run.resets).toBeLessThanOrEqual(run.log.changes);
        const seen = run.resets;
        run.log.restart(3);
        run.settle();
        expect(run.resets).toBe(seen + 1);
      }),
      { numRuns: runs },
    );
  });

  test("says no reset, however little history keeps, where everything comes by the subscription", () => {
    const steps = [
      count.map((many) => (run: Run) => run.publish(many)),
      fc.constant((run: Run) => run.overhear()),
      fc.constant((run: Run) => run.arrive(0, false)),
      fc.constant((run: Run) => run.question(3)),
      fc.constant((run: Run) => run.answer()),
      fc.constant((run: Run) => run.follower.check()),
      trims,
    ];
    fc.assert(
      fc.property(script(...steps), (steps) => expect(play(isLatest, steps).resets).toBe(0)),
      { numRuns: runs },
    );
  });

  test("asks no more than once where nothing was missed", () => {
    const run = new Run(isLatest);
    run.settle();
    run.publish(3);
    run.settle();
    const { questions } = run;
    run.settle();
    expect(run.questions).toBe(questions + 1);
    expect(run.delivered).toEqual([1, 2, 3]);
  });

  test("keeps a bounded number of publications waiting, and misses none of them", () => {
    const run = new Run(isLatest);
    run.settle();
    run.publish(1);
    run.lose(0);
    for (let batch = 0; batch < 300; batch++) {
      run.publish(10);
      run.arrive(0, false);
      if (batch === 5) run.question(50);
    }
    run.settle(100);
    expect(run.position).toEqual({ epoch: "e1", offset: 3001 });
    expect(run.resets).toBe(0);
    if (!isLatest) expect(run.delivered).toHaveLength(3001);
  });
});

describe("a follower of a stream", () => {
  function followed(published: number): Run {
    const run = new Run(false);
    run.settle();
    run.publish(published);
    run.settle();
    return run;
  }

  test("delivers what an epoch that is over still owed before it says that another began", () => {
    const run = followed(3);
    run.publish(4);
    run.lose(0);
    run.log.restart(0);
    run.publish(2);
    run.settle(2);
    expect(run.delivered).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(run.resets).toBe(1);
  });

  test("begins where the new epoch began when Redis forgot what was seen here", () => {
    const run = followed(10);
    run.log.restart(4);
    run.publish(6);
    run.lose(0);
    run.settle(2);
    expect(run.delivered.slice(10)).toEqual([11, 12, 13, 14, 15, 16]);
    expect(run.resets).toBe(1);
    expect(run.position).toEqual({ epoch: "e2", offset: 12 });
  });

  test("lets go of envelopes of an epoch that Redis does not know", () => {
    const run = followed(2);
    run.follower.received("forged", 1, [{ data: 1, timestamp: 0, offset: 1 }], envelopeBytes);
    run.settle();
    expect(run.follower.isBehind).toBe(false);
    expect(run.resets).toBe(0);
  });

  test("tells who waits for a publication once it was delivered, or nobody asks any more", () => {
    const run = followed(2);
    const told: string[] = [];
    run.publish(1);
    run.lose(0);
    run.publish(1);
    run.arrive(0, false);
    expect(run.follower.isPast("e1", 4)).toBe(false);
    run.follower.whenPast("e1", 4, () => told.push("caught up"));
    run.question(10);
    expect(told).toEqual([]);
    run.answer();
    expect(told).toEqual(["caught up"]);
    expect(run.follower.isPast("e1", 4)).toBe(true);
    run.follower.check();
    run.question(10);
    run.follower.whenPast("e1", 5, () => told.push("failed"));
    run.fail();
    expect(told).toEqual(["caught up", "failed"]);
  });
});
