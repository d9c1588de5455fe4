// Axes: where a value lies between two ends, linear or logarithmic, and at which round values the ticks are; draws nothing.

export interface Tick {
  readonly value: number;
  readonly text: string;
}

export interface Axis {
  /** What is shown, with its unit: an axis without a unit is a defect. */
  readonly label: string;
  readonly ticks: readonly Tick[];
  /** Where a value lies: 0 at the low end, 1 at the high end; beyond them if it does. NaN where a logarithm has no value. */
  readonly place: (value: number) => number;
}

/** A number as an axis prints it: up to three digits, then thousands and millions. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${trimmed(value / 1e6)} M`;
  if (size >= 1e4) return `${trimmed(value / 1e3)} k`;
  return trimmed(value);
}

const trimmed = (value: number): string => String(Number(value.toPrecision(3)));

/** From 0, or from below 0 where values are. `about`: how many intervals. */
export function linearAxis(label: string, values: readonly number[], about = 5): Axis {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(0, ...finite);
  const highest = Math.max(0, ...finite);
  const high = highest > low ? highest : low + 1;
  const step = roundStep((high - low) / about);
  const from = Math.floor(low / step + 1e-9) * step;
  const to = Math.ceil(high / step - 1e-9) * step;
  const count = Math.round((to - from) / step);
  const ticks = Array.from({ length: count + 1 }, (_, i) => from + i * step);
  return {
    label,
    ticks: ticks.map((value) => ({ value, text: shortNumber(Math.abs(value) < step / 2 ? 0 : value) })),
    place: (value) => (value - from) / (to - from),
  };
}

/** The same for values that come later. */
export const linear =
  (label: string, about?: number) =>
  (values: readonly number[]): Axis =>
    linearAxis(label, values, about);

export const logarithmic =
  (label: string) =>
  (values: readonly number[]): Axis =>
    logAxis(label, values);

function roundStep(least: number): number {
  const size = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((factor) => factor * size).find((step) => step >= least * 0.999) ?? 10 * size;
}

/** Between powers of ten, or nearer ends where the values span less than two of them. Values of 0 and below have no place. */
export function logAxis(label: string, values: readonly number[]): Axis {
  const positive = values.filter((value) => Number.isFinite(value) && value > 0);
  const low = positive.length === 0 ? 1 : Math.min(...positive);
  const high = positive.length === 0 ? 10 : Math.max(...positive);
  const decades = Math.log10(high / low);
  const factors = decades > 2 ? [1] : decades > 0.6 ? [1, 2, 5] : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
  const stops: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    stops.push(...factors.map((factor) => factor * 10 ** power));
  }
  const from = stops.findLast((stop) => stop <= low * 1.000_001) ?? low;
  const to = stops.find((stop) => stop >= high * 0.999_999 && stop > from) ?? from * 10;
  const shown = stops.filter((stop) => stop >= from && stop <= to);
  const every = Math.ceil(shown.length / 7);
  return {
    label,
    ticks: shown
      .filter((_, place) => place % every === 0)
      .map((value) => ({ value, text: shortNumber(value) })),
    place: (value) => (value > 0 ? Math.log(value / from) / Math.log(to / from) : Number.NaN),
  };
}
