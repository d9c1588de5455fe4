// Section: what more nodes cost, measured against a model that has seen only one and two of them, and where the model would lead.

import { median } from "../../measure/stats.ts";
import type { Run, SuiteResult } from "../../suite/result.ts";
import { arms, audience, type Condition, conditionsOf, isInvalid, isSoundFor, leftOut } from "../arms.ts";
import { linear, logarithmic } from "../axis.ts";
import { bars, barsLegend } from "../bars.ts";
import { chartOf, legend, type Series } from "../chart.ts";
import { figureText, fixed, pair, paragraph, picture, type Section, type Table } from "../figure.ts";
import { looksOf } from "../look.ts";
import { type Child, element, type Markup } from "../markup.ts";
import { figureOf, metrics, percentileMs } from "../metrics.ts";
import {
  assumptions,
  fitScale,
  type Observation,
  predict,
  predictions,
  project,
  type ScaleModel,
} from "../scale-model.ts";
import { barOf, roles } from "./cost.ts";

/** Further than what was measured: where the line is a model and nothing else. */
const projected = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

interface Quantity {
  readonly caption: string;
  readonly unit: string;
  readonly digits: number;
  readonly isLatency: boolean;
  readonly of: (run: Run) => number | undefined;
}

const perPublication = ({ publications }: Run, ns: number) =>
  publications === 0 ? undefined : ns / publications / 1000;

export const nodesCpu: Quantity = {
  caption: "CPU of all nodes, over rest",
  unit: "µs per publication",
  digits: 1,
  isLatency: false,
  // What they do at rest is no publication's, and would count as a cost of further nodes.
  of: (run) => perPublication(run, run.cpuNs.node - (run.idleCpuNsPerSecond * run.wallNs) / 1e9),
};
const redisCpu: Quantity = {
  ...nodesCpu,
  caption: "CPU of Redis",
  of: (run) => perPublication(run, run.cpuNs.redis),
};
const lastReceiver: Quantity = {
  caption: "last receiver p50",
  unit: "ms",
  digits: 2,
  isLatency: true,
  of: (run) => percentileMs(run, "lastReceiver", 50),
};

export function scaleSection(suite: SuiteResult): Section | undefined {
  const runs = suite.runs.filter((run) => run.scenario === "scale");
  if (runs.length === 0) return undefined;
  // A target is one here whatever its number of nodes: that number is what is varied.
  const ours = runs.filter(({ target }) => target.kind === "ours" && target.deployment.entry === "direct");
  const targets = [...Map.groupBy(comparable(ours), (run) => `${run.target.name}, ${run.workload.mode}`)];
  return {
    id: "scale",
    title: "What do more nodes cost, and does a model that saw two foretell four?",
    body: [
      paragraph(
        "Fitted to one and two nodes: fixed + a term per further node + a term per subscriber. Three and four nodes, and what was not fitted, test it. ",
        "All nodes and Redis share one core here, so CPU can be measured and the throughput of more machines cannot.",
      ),
      ...targets.map(([name, own]) =>
        pair(...[nodesCpu, redisCpu, lastReceiver].map((one) => tried(name, own, one))),
      ),
      ...targets.map(([name, own]) => projection(name, own)),
      pair(...conditionsOf(runs).map((one) => deployments(one, suite.seed))),
    ],
  };
}

/** Every target in every deployment, an HAProxy before it too. */
function deployments({ name, runs }: Condition, seed: number): Child {
  const all = [...arms(runs)].map(([arm, own]) => ({
    arm,
    own,
    sound: own.filter((run) => !isInvalid(run)),
  }));
  const drawn = all.filter(({ sound }) => sound.length > 0);
  const caption = `${name}: CPU per delivery in each deployment, by process`;
  return picture({
    caption,
    plot:
      drawn.length === 0
        ? undefined
        : bars({
            title: caption,
            label: "CPU, µs per delivery",
            parts: roles,
            digits: 2,
            bars: drawn.map(({ arm, sound }) => barOf(arm, sound, seed)),
          }),
    legend: barsLegend(roles),
    data: {
      head: ["target", "CPU µs/delivery", "latency p50 ms", "latency p99 ms"],
      rows: all.map(({ arm, own }) => [
        arm,
        ...[metrics.cpu, metrics.p50, metrics.p99].map((metric) =>
          figureText(figureOf(own, metric, seed), metric.digits),
        ),
      ]),
    },
    refusals: leftOut(runs, false),
  });
}

/** With Redis on one node too where that was measured, so that what Redis costs at all does not count as the second node's. */
function comparable(runs: readonly Run[]): readonly Run[] {
  const withRedis = runs.filter(({ target }) => target.deployment.bridge === "redis");
  const hasOne = withRedis.some(({ target }) => target.deployment.nodes === 1);
  return hasOne ? withRedis : runs;
}

/** The median over rounds of each number of nodes and subscribers. */
export function observe(runs: readonly Run[], quantity: Pick<Quantity, "isLatency" | "of">): Observation[] {
  const sound = runs.filter((run) => isSoundFor(run, quantity.isLatency));
  const same = Map.groupBy(sound, (run) => `${run.target.deployment.nodes}/${audience(run)}`);
  return [...same.values()].flatMap((together) => {
    const values = together.flatMap((run) => quantity.of(run) ?? []);
    const [first] = together as [Run];
    if (values.length === 0) return [];
    return [{ nodes: first.target.deployment.nodes, subscribers: audience(first), value: median(values) }];
  });
}

function tried(name: string, runs: readonly Run[], quantity: Quantity): Markup {
  const observations = observe(runs, quantity).sort(
    (left, right) => left.subscribers - right.subscribers || left.nodes - right.nodes,
  );
  const model = fitScale(observations);
  const sizes = [...new Set(observations.map(({ subscribers }) => subscribers))];
  const looks = looksOf(sizes.map(String));
  const most = Math.max(2, ...observations.map(({ nodes }) => nodes));
  const series = sizes.flatMap((subscribers, place): Series[] => {
    const look = looks[place]!;
    const own = observations.filter((one) => one.subscribers === subscribers);
    const counts = Array.from({ length: most }, (_, i) => i + 1);
    const points = own.map(({ nodes, value }) => ({ x: nodes, y: value }));
    const measured: Series = { name: `${subscribers} subscribers`, look, points, draw: "marks" };
    if (model === undefined) return [measured];
    const line = counts.map((nodes) => ({ x: nodes, y: predict(model, { nodes, subscribers }) }));
    return [measured, { name: `${subscribers} subscribers, model`, look, points: line, draw: "line" }];
  });
  const caption = `${name}: ${quantity.caption}, measured (marks) and model (lines)`;
  return picture({
    caption,
    plot: chartOf({
      title: caption,
      x: linear("nodes", most),
      y: linear(`${quantity.caption}, ${quantity.unit}`),
      series,
    }),
    legend: legend(series.filter(({ draw }) => draw === "marks")),
    data: errorTable(model, observations, quantity.digits),
    refusals: leftOut(runs, quantity.isLatency),
    remarks: [
      model === undefined
        ? "No model: it takes sound runs at one and at two nodes."
        : worstError(model, observations),
    ],
  });
}

function worstError(model: ScaleModel, observations: readonly Observation[]): string {
  const tested = predictions(model, observations).filter(({ isFitted }) => !isFitted);
  if (tested.length === 0) return "The model was tested on nothing: no sound runs at three or four nodes.";
  const worst = tested.reduce((left, right) => (Math.abs(right.error) > Math.abs(left.error) ? right : left));
  const sign = worst.error > 0 ? "+" : "−";
  return `Worst error of the model at three and four nodes: ${sign}${fixed(Math.abs(worst.error) * 100, 1)} % (${worst.nodes} nodes, ${worst.subscribers} subscribers)`;
}

function errorTable(
  model: ScaleModel | undefined,
  observations: readonly Observation[],
  digits: number,
): Table {
  const head = ["nodes", "subscribers", "measured", "model", "error %", "fitted"];
  if (model === undefined) {
    const rows = observations.map((one) => [
      String(one.nodes),
      String(one.subscribers),
      fixed(one.value, digits),
      "–",
      "–",
      "–",
    ]);
    return { head, rows };
  }
  return {
    head,
    rows: predictions(model, observations).map(
      ({ nodes, subscribers, value, predicted, error, isFitted }) => [
        ...[String(nodes), String(subscribers), fixed(value, digits), fixed(predicted, digits)],
        ...[fixed(error * 100, 1), isFitted ? "yes" : "no"],
      ],
    ),
  };
}

function projection(name: string, runs: readonly Run[]): Child {
  const nodesModel = fitScale(observe(runs, nodesCpu));
  if (nodesModel === undefined) return undefined;
  const redisModel = fitScale(observe(runs, redisCpu));
  const sizes = [...new Set(observe(runs, nodesCpu).map(({ subscribers }) => subscribers))];
  const looks = looksOf(sizes.map(String));
  const lines = sizes.map((subscribers) => ({
    subscribers,
    steps: project(nodesModel, redisModel, subscribers, projected),
  }));
  const series = lines.map(
    ({ subscribers, steps }, place): Series => ({
      name: `${subscribers} subscribers per topic (model)`,
      look: { ...looks[place]!, dash: "3 4" },
      points: steps.map(({ nodes, deliveriesPerSecond }) => ({ x: nodes, y: deliveriesPerSecond })),
      draw: "line",
    }),
  );
  const caption = `${name}: a model, not a measurement: deliveries per second if every node had a core of its own`;
  return [
    pair(
      picture({
        caption,
        plot: chartOf({
          title: caption,
          x: logarithmic("nodes"),
          y: logarithmic("deliveries per second (model)"),
          series,
        }),
        legend: legend(series),
        data: {
          head: ["subscribers per topic", "nodes", "deliveries/s (model)", "limited by"],
          rows: lines.flatMap(({ subscribers, steps }) =>
            steps.map(({ nodes, deliveriesPerSecond, limit }) => [
              ...[String(subscribers), String(nodes), fixed(deliveriesPerSecond, 0), limit],
            ]),
          ),
        },
      }),
      element(
        "div",
        { class: "assumptions" },
        paragraph("The model assumes:"),
        element(
          "ul",
          {},
          assumptions.map((text) => element("li", {}, text)),
        ),
      ),
    ),
  ];
}
