// Which load a search offers next, from those it has offered; pure.

import type { CapacityPoint } from "../result.ts";

export interface Searched {
  /** Offered, per second. */
  readonly deliveries: number;
  /** False also where the generator gave out: going higher says nothing about the target then. */
  readonly isGood: boolean;
}

export interface NextLoad {
  readonly deliveries: number;
  readonly step: CapacityPoint["step"];
}

const growth = 2;
/** Where the gap between good and bad is this narrow, the search ends: rounds of one target differ by more than is left. */
const precision = 1.2;
const mostPoints = 12;
/** Who does not bear this much has no capacity to speak of, and a window would hold next to no publication. */
const leastDeliveries = 1000;

/** Undefined: the search is over. A first load that is bad already is followed by lower ones. */
export function nextLoad(searched: readonly Searched[], first: number): NextLoad | undefined {
  if (searched.length === 0) return { deliveries: first, step: "ramp" };
  if (searched.length >= mostPoints) return undefined;
  const good = Math.max(0, ...searched.filter(({ isGood }) => isGood).map(({ deliveries }) => deliveries));
  const bad = Math.min(
    ...searched.filter(({ isGood }) => !isGood).map(({ deliveries }) => deliveries),
    Number.POSITIVE_INFINITY,
  );
  if (bad === Number.POSITIVE_INFINITY) return { deliveries: good * growth, step: "ramp" };
  const lower = bad / (growth * growth);
  if (good === 0) return lower < leastDeliveries ? undefined : { deliveries: lower, step: "ramp" };
  if (bad / good <= precision || bad < good) return undefined;
  return { deliveries: Math.sqrt(good * bad), step: "bisect" };
}
