// The scale model: fitted at one and two nodes it must find the truth behind exact points, and say how far off it is elsewhere.

import { expect, test } from "bun:test";
import { fitScale, type Observation, predictions, project } from "../bench/report/scale-model.ts";
import { nodesCpu, observe } from "../bench/report/sections/scale.ts";
import { syntheticSuite } from "./support/synthetic-suite.ts";

const truth = (nodes: number, subscribers: number) => 30 + 12 * (nodes - 1) + 6.5 * subscribers;
const grid = (counts: readonly number[], sizes: readonly number[], of = truth): Observation[] =>
  counts.flatMap((nodes) =>
    sizes.map((subscribers) => ({ nodes, subscribers, value: of(nodes, subscribers) })),
  );

test("finds fixed cost, cost per node and cost per subscriber behind exact points", () => {
  const model = fitScale(grid([1, 2], [1, 100, 10_000]))!;
  expect(model.fixed).toBeCloseTo(30, 5);
  expect(model.perNode).toBeCloseTo(12, 5);
  expect(model.perSubscriber).toBeCloseTo(6.5, 8);
});

test("predicts three and four nodes, and does not look at them", () => {
  const bent = (nodes: number, subscribers: number) => truth(nodes, subscribers) * (nodes > 2 ? 1.25 : 1);
  const measured = grid([1, 2, 3, 4], [10, 500], bent);
  const found = predictions(fitScale(measured)!, measured);
  const tested = found.filter(({ isFitted }) => !isFitted);
  expect(tested).toHaveLength(4);
  for (const { error } of tested) expect(error).toBeCloseTo(1 / 1.25 - 1, 6);
  for (const { error } of found.filter(({ isFitted }) => isFitted))
    expect(Math.abs(error)).toBeLessThan(1e-9);
});

test("with one number of subscribers their share is in the fixed cost", () => {
  const model = fitScale(grid([1, 2], [100]))!;
  expect(model.perSubscriber).toBe(0);
  expect(model.fixed).toBeCloseTo(30 + 650, 6);
  expect(model.perNode).toBeCloseTo(12, 6);
});

test("is no model at all without a second node, or when nodes and subscribers only change together", () => {
  expect(fitScale(grid([1, 3, 4], [10, 100]))).toBeUndefined();
  expect(fitScale([])).toBeUndefined();
  expect(fitScale([...grid([1], [10]), ...grid([2], [20])])).toBeUndefined();
});

test("projects until Redis, which everything passes, is the limit", () => {
  const nodes = { fixed: 100, perNode: 10, perSubscriber: 5 };
  const redis = { fixed: 4, perNode: 2, perSubscriber: 0 };
  const [one, eight, many] = project(nodes, redis, 10, [1, 8, 400]);
  expect(one).toEqual({ nodes: 1, deliveriesPerSecond: (0.7e6 / 150) * 10, limit: "nodes" });
  expect(eight?.limit).toBe("nodes");
  expect(eight!.deliveriesPerSecond).toBeCloseTo((0.7e6 / (220 / 8)) * 10, 6);
  expect(many).toEqual({ nodes: 400, deliveriesPerSecond: (0.7e6 / (4 + 2 * 399)) * 10, limit: "redis" });
});

test("takes what nodes use at rest off a publication's cost, by the median of the rounds, for each size and number of nodes", () => {
  const settings = { targets: ["fanwire-bun"], scenarios: ["scale"] as const, rounds: 3 };
  const { runs } = syntheticSuite(settings);
  const restless = runs.map((run) => ({
    ...run,
    cpuNs: { ...run.cpuNs, node: run.cpuNs.node + 7e6 * (run.wallNs / 1e9) },
    idleCpuNsPerSecond: run.idleCpuNsPerSecond + 7e6,
  }));
  const observed = observe(restless, nodesCpu);
  expect(observed).toHaveLength(8);
  for (const [place, { value }] of observe(runs, nodesCpu).entries()) {
    expect(observed[place]!.value).toBeCloseTo(value, 6);
  }
});
