// Takes each protective mechanism out of a copy of the project, and counts the seeds of the simulation until one notices:
// `npm run soak -- mutants [name…]`. A mechanism that can be missing unnoticed fails the run.

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

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
];

const mostSeeds = 3000;

export async function soakMutants(names: readonly string[]): Promise<number> {
  const chosen = mutants.filter(({ mechanism }) => names.length === 0 || names.includes(mechanism));
  let survivors = 0;
  for (const mutant of chosen) {
    const { seeds, complaint } = await seedsUntilFailure(mutant);
    if (seeds === undefined) survivors += 1;
    const told = seeds === undefined ? `not noticed in ${mostSeeds} seeds` : `${seeds}`;
    console.log(`| ${mutant.mechanism} | ${told} | ${complaint} |`);
  }
  return survivors > 0 || chosen.length === 0 ? 1 : 0;
}

async function seedsUntilFailure(mutant: Mutant): Promise<{ seeds: number | undefined; complaint: string }> {
  const copy = mkdtempSync(join(tmpdir(), "fanwire-mutant-"));
  try {
    for (const part of ["src", "test", "package.json", "tsconfig.json"]) {
      cpSync(part, join(copy, part), { recursive: true });
    }
    symlinkSync(resolve("node_modules"), join(copy, "node_modules"));
    const path = join(copy, mutant.file);
    const source = readFileSync(path, "utf8");
    if (source.split(mutant.from).length !== 2) throw new Error(`${mutant.mechanism} is not where it was`);
    writeFileSync(
      path,
      source.replace(mutant.from, () => mutant.to),
    );
    const words = ["simulation", "--seeds", `${mostSeeds}`, "--failures", "1"];
    const said = await outputOf(process.execPath, ["test/soak/run.ts", ...words], copy);
    const count = /^(\d+) seeds from .*: (\d+) failed$/m.exec(said);
    if (!count) throw new Error(`${mutant.mechanism}: the simulation did not run: ${said.slice(0, 500)}`);
    if (count[2] === "0") return { seeds: undefined, complaint: "" };
    return { seeds: Number(count[1]), complaint: /^ {2}(.*)$/m.exec(said)?.[1] ?? "" };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

function outputOf(program: string, args: readonly string[], cwd: string): Promise<string> {
  const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  return new Promise((done) => child.on("close", () => done(said)));
}
