// A clock that several Bun processes of one machine share: the kernel's monotonic one. Linux, by way of libc.

import { dlopen, ptr } from "bun:ffi";

const monotonic = 1;
const tries = 1000;

/**
 * Nanoseconds to add to this process's Bun.nanoseconds(), which counts from its own start. Both tick alike; the least of many
 * differences is the one that nothing came between, good to a microsecond.
 */
export function sharedClockOffsetNs(): number {
  const { symbols, close } = dlopen("libc.so.6", {
    clock_gettime: { args: ["i32", "ptr"], returns: "i32" },
  });
  const time = new BigInt64Array(2);
  const address = ptr(time);
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries; i++) {
    const own = Bun.nanoseconds();
    symbols.clock_gettime(monotonic, address);
    least = Math.min(least, Number(time[0]) * 1e9 + Number(time[1]) - own);
  }
  close();
  return least;
}
