// A clock that several Bun processes of one machine share: the kernel's monotonic one. Linux, by way of libc.

import { dlopen, ptr } from "bun:ffi";

const monotonic = 1;
const absolute = 1;
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

/** Nanoseconds of the shared clock. */
export type Clock = () => number;

export function sharedClock(): Clock {
  const offset = sharedClockOffsetNs();
  return () => Bun.nanoseconds() + offset;
}

/**
 * Makes a function that stops this whole process until a time of the shared clock. Unlike turning the event loop it leaves
 * the core to others, and unlike a timer, which is good to a millisecond, it is good to some ten microseconds.
 */
export function blockingSleep(): (untilNs: number) => void {
  const { symbols } = dlopen("libc.so.6", {
    clock_nanosleep: { args: ["i32", "i32", "ptr", "ptr"], returns: "i32" },
    prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
  });
  const setTimerSlack = 29;
  symbols.prctl(setTimerSlack, 1, 0, 0, 0);
  const time = new BigInt64Array(2);
  const address = ptr(time);
  return (untilNs) => {
    time[0] = BigInt(Math.floor(untilNs / 1e9));
    time[1] = BigInt(Math.floor(untilNs % 1e9));
    symbols.clock_nanosleep(monotonic, absolute, address, null);
  };
}
