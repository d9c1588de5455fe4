// Takes each protective mechanism out of a copy of the project, and counts the seeds of the simulation until one notices:
// `npm run soak -- mutants [name…]`. A mechanism that can be missing unnoticed fails the run.

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { writeResult } from "./result.ts";
import { runSeeds } from "./seed-process.ts";

interface Mutant {
  readonly mechanism: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

const mutants: readonly Mutant[] = [
  {
    mechanism: "position check",
    file: "src/bridge/redis/follower.ts",
    from: "if (epoch !== this.#epoch || first > next) return false;",
    to: "if (epoch !== this.#epoch) return false; if (first > next) return true;",
  },
  {
    mechanism: "check after subscribe",
    file: "src/bridge/redis/following.ts",
    from: "if (joined.follower) joined.follower.check();",
    to: "if (joined.follower?.hasJoined) continue; if (joined.follower) joined.follower.check();",
  },
  {
    mechanism: "epoch rule (Redis)",
    file: "test/support/model-redis-topics.ts",
    from: "if (known.replid !== replid) {",
    to: "if (known.replid !== replid && keys.length === 0) {",
  },
  {
    mechanism: "epoch rule (node)",
    file: "src/bridge/redis/follower.ts",
    from: "if (answer.epoch === this.#epoch) return this.#continue(answer, asked);",
    to: "this.#epoch = answer.epoch; if (this.#epoch) return this.#continue(answer, asked);",
  },
  {
    mechanism: "rejoin of slow sockets",
    file: "src/hub/feeder.ts",
    from: '        this.#endResync(subscription, "caught-up");\n        this.#goLive(subscription);',
    to: "",
  },
  {
    mechanism: "idle check",
    file: "src/bridge/redis/following.ts",
    from: "      this.counts.checks += 1;\n      joined.follower!.check();",
    to: "",
  },
  {
    mechanism: "probe",
    file: "src/bridge/redis/link.ts",
    from: "if (this.#missedProbes >= timing.maxMissedProbes) {",
    to: "if (this.#missedProbes >= Number.POSITIVE_INFINITY + timing.maxMissedProbes) {",
  },
  {
    mechanism: "instance-id filter",
    file: "src/bridge/redis/following.ts",
    from: "if (envelope.instance === instance || joined.settle) return;",
    to: "if (joined.settle) return;",
  },
  {
    mechanism: "idempotency keys",
    file: "src/bridge/redis/outbox.ts",
    from: "queue.add({ publication, packed, idempotencyKey, deadlineMs,",
    to: "queue.add({ publication, packed, idempotencyKey: idempotencyKey && undefined, deadlineMs,",
  },
  {
    mechanism: "batch number",
    file: "src/bridge/redis/shard.ts",
    from: "store.append({ topic, number, fence, publications }",
    to: "store.append({ topic, number: number + fence * 1_000_000, fence, publications }",
  },
  {
    mechanism: "waiting for what a client knows already",
    file: "src/hub/recovery.ts",
    from: "return since.epoch !== epoch || since.offset > offset;",
    to: "return since.epoch === epoch && since.offset > offset && offset < 0;",
  },
  {
    mechanism: "where a lost cursor continues",
    file: "src/hub/stream-log.ts",
    from: "offset: this.#began - this.#shift }",
    to: "offset: 0 }",
  },
  {
    mechanism: "epoch in a position",
    file: "src/hub/stream-log.ts",
    from: "if (position.epoch !== this.#epoch || position.offset > this.#offset) return undefined;",
    to: "if (position.offset > this.#offset) return undefined;",
  },
  {
    mechanism: "fence of publications (Redis)",
    file: "test/support/model-redis-topics.ts",
    from: "  if (data.string(lease) !== fence) return { reply: [0] };\n",
    to: "",
  },
  {
    mechanism: "fence of presence (Redis)",
    file: "test/support/model-redis-presence.ts",
    from: "data.string(lease) !== ",
    to: "false && data.string(lease) !== ",
  },
  {
    mechanism: "lease of presence",
    file: "src/bridge/redis/link.ts",
    from: "timing.leaseMs)",
    to: "1000 * timing.leaseMs)",
  },
  {
    mechanism: "end of a topic's linger",
    file: "src/hub/hub.ts",
    from: "    this.#lingering.delete(topic);\n    subscriber.subscriptions.add(subscription);",
    to: "    subscriber.subscriptions.add(subscription);",
  },
  {
    mechanism: "what an answer and the channel both bring",
    file: "src/bridge/redis/follower.ts",
    from: "const news = answer.publications.filter(({ offset }) => offset > this.#offset);",
    to: "const news = answer.publications;",
  },
  {
    mechanism: "reset of an event stream",
    file: "src/connections/event-stream.ts",
    from: "} else if (this.#position.of(topic) && !recovered) {",
    to: '} else if (topic === "") {',
  },
  {
    mechanism: "id of an event",
    file: "src/connections/event-stream.ts",
    from: "if (frame.offset !== undefined) this.#position.moveTo(frame.topic, frame.offset);",
    to: "if (frame.offset === -1) this.#position.moveTo(frame.topic, frame.offset);",
  },
  {
    mechanism: "doubt of a hole that is not seen yet",
    file: "src/bridge/redis/follower.ts",
    from: 'return this.#isDoubtful() || this.#end(this.position, "history", answer);',
    to: 'return this.#end(this.position, "history", answer);',
  },
];

const mostSeeds = 3000;
const longestMinutes = 5;

/** How a mechanism's absence showed. */
interface Found {
  readonly mechanism: string;
  /** Until the first failure; absent where nothing noticed. */
  readonly seeds?: number;
  readonly complaint?: string;
}

/** Answers the exit code: 0 where every mechanism was missed. */
export async function soakMutants(names: readonly string[]): Promise<number> {
  const startedAt = new Date();
  const chosen = mutants.filter(({ mechanism }) => names.length === 0 || names.includes(mechanism));
  const found: Found[] = [];
  for (const mutant of chosen) {
    const one = await seedsUntilFailure(mutant);
    found.push(one);
    const told = one.seeds ?? `not noticed in ${mostSeeds} seeds`;
    console.log(`| ${mutant.mechanism} | ${told} | ${one.complaint ?? ""} |`);
  }
  if (names.length === 0) writeResult("mutants", startedAt, { mostSeeds, found });
  return found.length > 0 && found.every(({ seeds }) => seeds !== undefined) ? 0 : 1;
}

async function seedsUntilFailure({ mechanism, file, from, to }: Mutant): Promise<Found> {
  const copy = mkdtempSync(join(tmpdir(), "fanwire-mutant-"));
  try {
    for (const part of ["src", "test", "package.json", "tsconfig.json"]) {
      cpSync(part, join(copy, part), { recursive: true });
    }
    symlinkSync(resolve("node_modules"), join(copy, "node_modules"));
    const path = join(copy, file);
    const source = readFileSync(path, "utf8");
    if (!source.includes(from)) throw new Error(`${mechanism} is not where it was`);
    writeFileSync(
      path,
      source.replaceAll(from, () => to),
    );
    const share = { from: 1, every: 1, seeds: mostSeeds, minutes: longestMinutes, failures: 1 };
    const { seeds, failures } = await runSeeds(share, undefined, copy);
    const [failure] = failures;
    return failure ? { mechanism, seeds, complaint: failure.complaints[0]! } : { mechanism };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}
