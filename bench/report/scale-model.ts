// The scale model: what a publication takes over nodes and subscribers, fitted at one and two nodes, tried at three and four.
// Pure; knows no result file and no plot.

/** One measured point. */
export interface Observation {
  readonly nodes: number;
  /** Subscribers of the topic, on all nodes together. */
  readonly subscribers: number;
  /** Whatever is modelled, in one unit: µs of CPU per publication, or a latency. */
  readonly value: number;
}

/** value = fixed + perNode × (nodes − 1) + perSubscriber × subscribers. */
export interface ScaleModel {
  readonly fixed: number;
  readonly perNode: number;
  readonly perSubscriber: number;
}

export interface Prediction extends Observation {
  readonly predicted: number;
  /** (predicted − measured) / measured. */
  readonly error: number;
  /** Whether the model was fitted to it: then its error says nothing. */
  readonly isFitted: boolean;
}

/** The model is fitted to no more nodes than these, so that what it says of more is a prediction. */
export const fittedNodes = 2;

/**
 * Least squares weighted by 1/value², because what is asked of a prediction is a small relative error. Undefined when
 * the points don't tell the three terms apart: at least two numbers of nodes are needed. With one number of
 * subscribers only, `perSubscriber` is 0 and its share is in `fixed`.
 */
export function fitScale(observations: readonly Observation[]): ScaleModel | undefined {
  const used = observations.filter(({ nodes, value }) => nodes <= fittedNodes && value > 0);
  const variants = (pick: (one: Observation) => number) => new Set(used.map(pick)).size;
  if (variants(({ nodes }) => nodes) < 2) return undefined;
  const hasSubscribers = variants(({ subscribers }) => subscribers) > 1;
  const terms = ({ nodes, subscribers }: Observation) =>
    hasSubscribers ? [1, nodes - 1, subscribers] : [1, nodes - 1];
  const solved = weightedLeastSquares(used.map((one) => ({ terms: terms(one), value: one.value })));
  if (solved === undefined) return undefined;
  const [fixed = 0, perNode = 0, perSubscriber = 0] = solved;
  return { fixed, perNode, perSubscriber };
}

export const predict = (
  { fixed, perNode, perSubscriber }: ScaleModel,
  { nodes, subscribers }: Pick<Observation, "nodes" | "subscribers">,
): number => fixed + perNode * (nodes - 1) + perSubscriber * subscribers;

export function predictions(model: ScaleModel, observations: readonly Observation[]): Prediction[] {
  return observations.map((one) => {
    const predicted = predict(model, one);
    const isFitted = one.nodes <= fittedNodes;
    return { ...one, predicted, error: (predicted - one.value) / one.value, isFitted };
  });
}

interface Row {
  readonly terms: readonly number[];
  readonly value: number;
}

/** The normal equations, solved by elimination with the largest pivot; undefined if they have no single solution. */
function weightedLeastSquares(rows: readonly Row[]): number[] | undefined {
  const count = rows[0]?.terms.length ?? 0;
  // Terms of very different size (1 and 10,000 subscribers) are brought to one before pivots are compared.
  const scales = Array.from(
    { length: count },
    (_, i) => Math.max(...rows.map(({ terms }) => terms[i]!)) || 1,
  );
  const matrix = scales.map((_, i) => [
    ...scales.map((_, j) =>
      sum(rows, ({ terms, value }) => ((terms[i]! / scales[i]!) * (terms[j]! / scales[j]!)) / value ** 2),
    ),
    sum(rows, ({ terms, value }) => terms[i]! / scales[i]! / value),
  ]);
  const largest = Math.max(...matrix.flat().map(Math.abs));
  for (let column = 0; column < count; column++) {
    const candidates = matrix.slice(column);
    const pivot = candidates.reduce((best, row) =>
      Math.abs(row[column]!) > Math.abs(best[column]!) ? row : best,
    );
    if (Math.abs(pivot[column]!) < largest * 1e-12) return undefined;
    matrix.splice(matrix.indexOf(pivot), 1);
    matrix.splice(column, 0, pivot);
    for (const row of matrix) {
      if (row === pivot) continue;
      const factor = row[column]! / pivot[column]!;
      for (let i = column; i <= count; i++) row[i]! -= factor * pivot[i]!;
    }
  }
  return matrix.map((row, i) => row[count]! / row[i]! / scales[i]!);
}

const sum = (rows: readonly Row[], pick: (row: Row) => number): number =>
  rows.reduce((total, row) => total + pick(row), 0);

/** Shares of a core beyond which waiting grows faster than load: the projection stops there. */
const usableShare = 0.7;

export interface Projection {
  readonly nodes: number;
  /** Deliveries per second of all nodes. */
  readonly deliveriesPerSecond: number;
  readonly limit: "nodes" | "redis";
}

/** What has to be true for the projection to be: it is printed wherever the projection is. */
export const assumptions: readonly string[] = [
  "each node and Redis has a core of its own, as fast as this one; here they share one",
  `no core is used for more than ${usableShare * 100} %, because waiting grows fast beyond that`,
  "publications enter all nodes evenly, and every node holds an equal share of the subscribers",
  "costs stay the lines they were between one and four nodes",
  "no network card, no distance between hosts, no TLS, no packet loss: here all is loopback",
];

/**
 * The most deliveries per second by the two models, in µs of CPU per publication: a node's share of the nodes' work, and
 * Redis, which all publications pass.
 */
export function project(
  nodesModel: ScaleModel,
  redisModel: ScaleModel | undefined,
  subscribers: number,
  counts: readonly number[],
): Projection[] {
  return counts.map((nodes) => {
    const perNodeUs = predict(nodesModel, { nodes, subscribers }) / nodes;
    const redisUs = redisModel === undefined ? 0 : predict(redisModel, { nodes, subscribers });
    const limit = redisUs > perNodeUs ? "redis" : "nodes";
    const publications = (usableShare * 1e6) / Math.max(redisUs, perNodeUs);
    return { nodes, deliveriesPerSecond: publications * subscribers, limit };
  });
}
