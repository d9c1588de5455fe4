// What became of connections that ended and came back, from what the generator's processes wrote down. Pure.

import { sliceMs, type UnrestRecord } from "./load/messages.ts";
import type { Disconnects, Run, Timeline } from "./result.ts";

export function timelineOf(records: readonly UnrestRecord[], wanted: number, durationMs: number): Timeline {
  const sorted = (of: (record: UnrestRecord) => readonly number[]) =>
    records.flatMap(of).toSorted((left, right) => left - right);
  const ended = sorted(({ endedMs }) => endedMs);
  const ready = sorted(({ readyMs }) => readyMs);
  const receiving = sorted(({ receivingMs }) => receivingMs);
  const before = (times: readonly number[], atMs: number) => times.filter((time) => time <= atMs).length;
  const lastMs = Math.max(durationMs, ready.at(-1) ?? 0, receiving.at(-1) ?? 0);
  const points = Array.from({ length: Math.ceil(lastMs / sliceMs) }, (_, slice) => {
    const atMs = (slice + 1) * sliceMs;
    const gone = before(ended, atMs);
    return {
      atMs,
      ready: wanted - gone + before(ready, atMs),
      receiving: wanted - gone + before(receiving, atMs),
      worstNs: Math.max(0, ...records.map(({ worstNs }) => worstNs[slice] ?? 0)),
    };
  });
  const began = ended[0] ?? 0;
  const share = (part: number) => {
    const count = Math.ceil(part * ended.length);
    const at = receiving[count - 1];
    return count === 0 || at === undefined ? null : at - began;
  };
  return {
    points,
    wanted,
    receivingMs: { half: share(0.5), most: share(0.95), all: share(1) },
    missing: records.reduce((sum, { missing }) => sum + missing, 0),
  };
}

export function disconnectsOf(records: readonly UnrestRecord[], run: Run, offlineMs: number): Disconnects {
  return {
    cuts: records.reduce((sum, { endedMs }) => sum + endedMs.length, 0),
    offlineMs,
    deliveredShare: run.deliveries / Math.max(1, run.expectedDeliveries),
    recovers: records.every(({ recovers }) => recovers),
  };
}
