// A reader of a keyed topic that stops reading for a while: what waited for it meanwhile, and how soon it is up to date again.

import { kernelQueuedBytes } from "../measure/kernel-queues.ts";
import type { TickerReader } from "./ticker-reader.ts";
import type { TickerSource } from "./ticker-source.ts";

export interface Resumption {
  /** When it read on, what waited for it in the kernel, and what had been published meanwhile beyond that, in bytes. */
  readonly kernelBytes: number;
  readonly skippedBytes: number;
  /**
   * From reading on until a ping that left then was answered, behind all that had waited; and until it was as new as the topic
   * had been when it read on; ms.
   */
  readonly backlogMs: number;
  readonly newestMs: number;
  /** A second ping, which left when the first was answered: how long it took, and how many keys were older still; ms. */
  readonly roundTripMs: number;
  readonly olderAfterRoundTrip: number;
}

const lookMs = 2;
const deadlineMs = 30_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Stops reading, and reads on after so many milliseconds; the topic may go on or not. */
export async function stopAndResume(
  reader: TickerReader,
  source: TickerSource,
  { serverPort, stoppedMs, frameBytes }: { serverPort: number; stoppedMs: number; frameBytes: () => number },
): Promise<Resumption> {
  const { connection } = reader;
  connection.pause();
  const before = source.count;
  await pause(stoppedMs);
  const published = (source.count - before) * frameBytes();
  const kernelBytes = kernelQueuedBytes(serverPort, connection.localPort);
  const newest = source.newest();
  const resumedAt = Bun.nanoseconds();
  const elapsedMs = () => (Bun.nanoseconds() - resumedAt) / 1e6;
  connection.resume();
  const answered = (async () => {
    await connection.request({ type: "ping" });
    const backlogMs = elapsedMs();
    await connection.request({ type: "ping" });
    return { backlogMs, roundTripMs: elapsedMs() - backlogMs, olderAfterRoundTrip: reader.olderThan(newest) };
  })();
  while (reader.olderThan(newest) > 0 && elapsedMs() < deadlineMs) await pause(lookMs);
  const newestMs = reader.olderThan(newest) > 0 ? Number.POSITIVE_INFINITY : elapsedMs();
  const answer = await Promise.race([answered, pause(deadlineMs).then(() => neverAnswered(newest.length))]);
  return { kernelBytes, skippedBytes: Math.max(0, published - kernelBytes), newestMs, ...answer };
}

const neverAnswered = (keys: number) => ({
  backlogMs: Number.POSITIVE_INFINITY,
  roundTripMs: Number.POSITIVE_INFINITY,
  olderAfterRoundTrip: keys,
});
