// The plans and how they are run: what the full one has for every row, how long it says it takes, and that a target which fails
// ends nothing but its own step.

import { describe, expect, test } from "bun:test";
import { leftMs, planMs, startMs, stepMs } from "../bench/suite/estimate.ts";
import { startWorker } from "../bench/suite/load/worker.ts";
import { planOf } from "../bench/suite/plans.ts";
import type { FailedStep, Run } from "../bench/suite/result.ts";
import { estimateOf, runPlan, turnsOf } from "../bench/suite/runner.ts";
import type { Step } from "../bench/suite/steps/step.ts";
import { oneNode, type Target } from "../bench/suite/target.ts";
import { targets as all } from "../bench/suite/targets/all.ts";
import { createWorkload } from "../bench/suite/workloads/all.ts";

const targets = all.filter(({ isVariant }) => isVariant !== true);

test("the quick plan takes less than five minutes, and the smoke run less than half of that, by their own estimates", () => {
  expect(estimateOf(planOf("quick"), targets)).toBeLessThan(300_000);
  expect(estimateOf(planOf("smoke"), targets)).toBeLessThan(150_000);
});

describe("the full plan", () => {
  const plan = planOf("full");

  test("takes less than an hour, by its own estimate", () => {
    expect(estimateOf(plan, targets)).toBeLessThan(55 * 60_000);
  });

  test("has each scenario of README's rows on fanwire's engines and on the peers that they are held against", () => {
    const rows = ["cpu", "capacity", "latency", "cross", "memory", "storm", "kill", "disconnects"];
    const wanted = ["fanwire-bun", "fanwire-uws", "guide", "socket.io", "centrifugo"];
    for (const target of targets.filter(({ name }) => wanted.includes(name))) {
      const own = turnsOf(plan, target, 2).flat();
      expect([...new Set(own.map(({ scenario }) => scenario))].sort()).toEqual([...rows].sort() as never);
    }
    expect(new Set(targets.map(({ name }) => name))).toContain("socket.io-uws");
  });

  test("lets a hundred publications of the rooms lie beyond p99.9", () => {
    const long = plan.steps.find(({ scenario, name }) => scenario === "latency" && name === "rooms");
    const { schedule } = (long as Step).workload;
    const beyond = (schedule(1, 2400, 14_000).topic.length * ((long as Step).rounds as number)) / 1000;
    expect(beyond).toBeGreaterThan(99);
  });
});

test("an estimate adds up starts and steps, and what is left follows the pace", () => {
  const step = { deployment: oneNode, estimateMs: stepMs(100, 500, 1000) } as Step;
  const turns = () => [[step, step], [step]];
  const once = 2 * startMs(oneNode) + 3 * (step.estimateMs + 40);
  expect(planMs({ rounds: 3, idleMs: 40 }, targets.slice(0, 2), turns)).toBe(6 * once);
  expect(leftMs(300_000, 100_000, 200_000)).toBe(400_000);
  expect(leftMs(300_000, 1000, 20_000)).toBe(299_000);
});

describe("a run", () => {
  const workload = createWorkload({ kind: "fanout", mode: "volatile", connections: 1, bytes: 64, burst: 1 });
  const runOf = (name: string) =>
    ({
      scenario: "cpu",
      target: { name },
      achieved: { deliveriesPerSecond: 1 },
      flags: [],
    }) as unknown as Run;
  const stepOf = (name: string, run: () => readonly Run[]): Step => ({
    ...{ scenario: "cpu", name, deployment: oneNode, workload, estimateMs: 1 },
    run: async () => run(),
  });

  function targetOf(name: string, starts: string[], fails = false): Target {
    return {
      ...{ name, kind: "peer", protocol: "bare" },
      unavailable: async () => undefined,
      supports: () => true,
      async start() {
        starts.push(name);
        if (fails) throw new Error("does not start");
        const nothing = async () => undefined;
        return { ports: [], processes: [], settings: {}, versions: {}, killNode: nothing, stop: nothing };
      },
    };
  }

  async function outcomeOf(steps: readonly Step[], ...own: readonly Target[]) {
    const failures: FailedStep[] = [];
    const lines: string[] = [];
    const runs: string[] = [];
    const plan = { rounds: 1, idleMs: 0, steps };
    const settings = { plan, targets: own, seed: 1, say: (line: string) => void lines.push(line) };
    for await (const run of runPlan({ ...settings, failed: (one) => void failures.push(one) })) {
      runs.push(run.target.name);
    }
    return { failures, lines, runs };
  }

  test("goes on after a step that fails, with fresh processes, and says so", async () => {
    const starts: string[] = [];
    const bad = stepOf("bad", () => {
      throw new Error("broken");
    });
    const steps = [stepOf("first", () => [runOf("first")]), bad, stepOf("last", () => [runOf("last")])];
    const { failures, lines, runs } = await outcomeOf(steps, targetOf("one", starts));
    expect(runs).toEqual(["first", "last"]);
    expect(starts).toEqual(["one", "one"]);
    expect(failures).toEqual([{ target: "one", scenario: "cpu", step: "bad", round: 0, reason: "broken" }]);
    expect(lines.some((line) => line.includes("bad: FAILED, the run goes on: broken"))).toBe(true);
  });

  test("goes on with the next target where one does not start", async () => {
    const starts: string[] = [];
    const steps = [stepOf("only", () => [runOf("only")])];
    const both = [targetOf("dead", starts, true), targetOf("alive", starts)];
    const { failures, runs } = await outcomeOf(steps, ...both);
    expect(runs).toEqual(["only"]);
    expect(failures.map(({ target, reason }) => [target, reason])).toEqual([["dead", "does not start"]]);
  });
});

test("a process of the generator that does not answer in time is ended, and no later answer is taken for another's", async () => {
  const worker = startWorker("receivers.ts");
  // Its first answer takes as long as a runtime takes to start, which is longer than this.
  const late = worker.ask({ do: "close" }, 1);
  await expect(late).rejects.toThrow('receivers.ts has not answered "close" within 1 ms');
  await expect(worker.ask({ do: "close" }, 10_000)).rejects.toThrow("has not answered");
  await worker.stop();
});
