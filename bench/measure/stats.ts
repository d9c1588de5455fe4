// Seeded randomness, medians, bootstrap intervals and the fit of a line; knows nothing of what is measured.

/** A generator of numbers in [0, 1) that depends on the seed alone (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}

/** The value below which the given share (0 to 1) of the values lies, interpolated. NaN without values. */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((left, right) => left - right);
  const place = share * (sorted.length - 1);
  const below = sorted[Math.floor(place)] as number;
  const above = sorted[Math.ceil(place)] as number;
  return below + (above - below) * (place - Math.floor(place));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export interface Interval {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
  /** How many values it rests on. */
  readonly count: number;
}

/**
 * The median with its 95 % percentile-bootstrap interval. The values must be independent of each other: one per round,
 * never one per sample, because the samples of a round share its weather.
 */
export function medianInterval(values: readonly number[], random: () => number, resamples = 4000): Interval {
  const medians: number[] = [];
  for (let i = 0; i < resamples; i++) {
    medians.push(median(values.map(() => values[Math.floor(random() * values.length)] as number)));
  }
  return {
    low: quantile(medians, 0.025),
    mid: median(values),
    high: quantile(medians, 0.975),
    count: values.length,
  };
}

export interface Point {
  readonly x: number;
  /** Above 0: it is also the weight. */
  readonly y: number;
}

export interface Line {
  readonly intercept: number;
  readonly slope: number;
  /** The largest |measured − fitted| / measured: how far the points are from a line at all. */
  readonly worstResidual: number;
}

/** Plain least squares: for points whose noise does not grow with them. */
export function leastSquares(points: readonly Point[]): Pick<Line, "intercept" | "slope"> {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = mean(points.map((point) => point.x));
  const y = mean(points.map((point) => point.y));
  const rise = mean(points.map((point) => (point.x - x) * (point.y - y)));
  const slope = rise / mean(points.map((point) => (point.x - x) ** 2));
  return { slope, intercept: y - slope * x };
}

/**
 * Least squares with the weights 1/y. A publication to S subscribers is a sum of some S sends, and the variance of a sum grows
 * with it; so the small sizes decide the intercept and the large ones the slope. Unweighted, the noise at a thousand would
 * decide the intercept too; with 1/y² the bend at small sizes, where caches are still warm, would count as slope as much as
 * all that comes after. Chosen after three runs of `fanout` had been looked at with all three weights: the slope's ratio
 * spreads over rounds by 0.01 to 0.03 with 1/y or none, by 0.05 to 0.08 with 1/y²; the intercept's difference by as
 * much with 1/y as with 1/y², and by a third more with none. The choice matters: with 1/y² the ratio was 1.030, 1.030 and
 * 1.042 where with 1/y it was 1.014, 1.031 and 1.025.
 *
 * `reference`: the points that the weights are of, at the same places. Two arms that are compared take the weights of one of
 * them: then the difference of their lines is the line through their differences, and what both share, noise of the
 * moment and bend, cancels out.
 */
export function fitLine(points: readonly Point[], reference: readonly Point[] = points): Line {
  let w = 0;
  let wx = 0;
  let wy = 0;
  let wxx = 0;
  let wxy = 0;
  for (const [place, { x, y }] of points.entries()) {
    const weight = 1 / (reference[place] as Point).y;
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
  }
  const slope = (w * wxy - wx * wy) / (w * wxx - wx * wx);
  const intercept = (wy - slope * wx) / w;
  const residuals = points.map(({ x, y }) => Math.abs(y - intercept - slope * x) / y);
  return { intercept, slope, worstResidual: Math.max(...residuals) };
}

export type Verdict = "met" | "missed" | "undecided";

/** A bound from above is met when the whole interval is under it, missed when the whole interval is over it. */
export function judge(interval: Interval, bound: number): Verdict {
  if (interval.high <= bound) return "met";
  return interval.low > bound ? "missed" : "undecided";
}
