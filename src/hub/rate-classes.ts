// The rates at which subscribers of `latest` topics may be served. A few fixed ones, so that everybody who wants one shares its
// native publications, and the cost does not grow with subscribers.

/** Times a second. */
export const rateClassesHz: readonly number[] = [1, 2, 5, 10, 20, 30, 60];

/** The fastest class that is not faster than was asked for; undefined where none was. */
export function rateClass(maxRateHz: number | undefined): number | undefined {
  if (maxRateHz === undefined) return undefined;
  return rateClassesHz.findLast((rateHz) => rateHz <= maxRateHz);
}
