// HDR histograms of nanoseconds, merged and never averaged; the only file that knows hdr-histogram-js.

import {
  build,
  decodeFromCompressedBase64,
  encodeIntoCompressedBase64,
  type Histogram,
} from "hdr-histogram-js";

export type { Histogram };

/** 0.1 % resolution from 1 ns to an hour. */
export function createHistogram(): Histogram {
  return build({
    bitBucketSize: 32,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 3_600e9,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
}

export function merge(histograms: readonly Histogram[]): Histogram {
  const merged = createHistogram();
  for (const histogram of histograms) merged.add(histogram);
  return merged;
}

/** Samples that must lie beyond a percentile: below the first number it is no figure, below the second it is marked as rough. */
const samplesBeyond = { rough: 10, sound: 100 } as const;

/** What a percentile of so many independent samples is worth. */
export function worthOf(percentile: number, independent: number): "nothing" | "rough" | "sound" {
  // What lies beyond is rounded: a tenth of a percent of 10,000 is 10.
  const beyond = independent * (1 - percentile / 100);
  if (beyond < samplesBeyond.rough * 0.999) return "nothing";
  return beyond < samplesBeyond.sound * 0.999 ? "rough" : "sound";
}

/**
 * A percentile in µs as it may be printed. `independent`: how many samples count. Deliveries of one publication share their
 * delay, so it is the number of publications, also where the histogram holds deliveries.
 */
export function percentileText(histogram: Histogram, percentile: number, independent: number): string {
  const worth = worthOf(percentile, independent);
  if (worth === "nothing") return "–";
  const value = (histogram.getValueAtPercentile(percentile) / 1000).toFixed(0);
  return worth === "rough" ? `~${value}` : value;
}

/** The largest value in µs, as text. */
export const largestText = (histogram: Histogram): string =>
  histogram.totalCount === 0 ? "–" : (histogram.maxValue / 1000).toFixed(0);

/** Base64 of the compressed HDR encoding, readable by any HdrHistogram library. */
export const encode = (histogram: Histogram): string => encodeIntoCompressedBase64(histogram);

/** What `encode` made, of another process. */
export const decode = (text: string): Histogram => decodeFromCompressedBase64(text);
