// A process of slow readers of one topic, told what to do by lines on its input: `start`, then `finish N`. In a process of their
// own they can be kept from the fast readers' core while those have work; what they did is one line on the output.

import { createInterface } from "node:readline";
import { kernelQueuedBytes } from "../measure/kernel-queues.ts";
import { openMany, type Target } from "./connection.ts";
import { type Outcome, type SlowKind, SlowReader, slowKinds } from "./slow-reader.ts";

export interface SlowGroupSettings {
  readonly target: Target;
  readonly topic: string;
  readonly perKind: number;
  readonly ratePerSecond: number;
  readonly textBytes: number;
  readonly stopMs: number;
  /** When stopped readers read on: one half early, one half late. */
  readonly resumeMs: readonly [number, number];
  /** How long after the last publication a reader may take to read all that waits for it. */
  readonly finishMs: number;
}

export interface ReaderRecord {
  readonly kind: SlowKind;
  readonly outcome: Outcome;
  readonly closeCode: number | undefined;
  readonly resets: number;
  readonly silent: number;
  readonly skippedByReset: number;
  /** Of a stopped reader, when it read on: what waited for it in the kernel, and what waited elsewhere: in the server. */
  readonly kernelBytes: number | undefined;
  readonly serverBytes: number | undefined;
}

async function join(settings: SlowGroupSettings): Promise<SlowReader[]> {
  const { target, topic, perKind, ratePerSecond, textBytes, stopMs, resumeMs } = settings;
  const connections = await openMany(target, perKind * slowKinds.length);
  await Promise.all(connections.map((connection) => connection.request({ type: "subscribe", topic })));
  return connections.map((connection, i) => {
    return new SlowReader(connection, {
      kind: slowKinds[i % slowKinds.length] as SlowKind,
      bytesPerSecond: (ratePerSecond * textBytes) / 10,
      stopMs,
      resumeMs: resumeMs[Math.floor(i / slowKinds.length) % 2] as number,
    });
  });
}

/** Publications go on at an even rate, so the time since a reader stopped tells what it has missed. */
function noteBacklogs(readers: readonly SlowReader[], settings: SlowGroupSettings) {
  const { target, ratePerSecond, textBytes, stopMs } = settings;
  const backlogs = new Map<SlowReader, { kernelBytes: number; serverBytes: number }>();
  const startedAt = Bun.nanoseconds();
  for (const reader of readers) {
    reader.beforeResume = () => {
      const stoppedMs = (Bun.nanoseconds() - startedAt) / 1e6 - stopMs;
      const kernelBytes = kernelQueuedBytes(target.port, reader.connection.localPort);
      const missedBytes = (stoppedMs / 1000) * ratePerSecond * textBytes;
      backlogs.set(reader, { kernelBytes, serverBytes: Math.max(0, missedBytes - kernelBytes) });
    };
  }
  return backlogs;
}

async function main(settings: SlowGroupSettings): Promise<void> {
  const readers = await join(settings);
  const tell = (line: object) => console.log(JSON.stringify(line));
  let backlogs: ReturnType<typeof noteBacklogs> | undefined;
  tell({ event: "joined" });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "start") {
      backlogs = noteBacklogs(readers, settings);
      for (const reader of readers) reader.start();
      continue;
    }
    const total = Number(line.split(" ")[1]);
    await Promise.all(readers.map((reader) => reader.finish(total, settings.finishMs)));
    const records = readers.map((reader): ReaderRecord => {
      const { kind, outcome, closeCode, resets, silent, skippedByReset } = reader;
      const { kernelBytes, serverBytes } = backlogs?.get(reader) ?? {};
      return { kind, outcome, closeCode, resets, silent, skippedByReset, kernelBytes, serverBytes };
    });
    tell({ event: "finished", records });
    return;
  }
}

if (import.meta.main) {
  await main(JSON.parse(process.argv[2] as string) as SlowGroupSettings);
  process.exit(0);
}
