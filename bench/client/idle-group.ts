// A process of connections that do nothing: opens them, says how long that took, and when it is asked how many are still there ends.
// One line of JSON each.

import { createInterface } from "node:readline";
import { createHistogram, encode } from "../measure/histogram.ts";
import { Connection } from "./connection.ts";

export interface IdleSettings {
  readonly port: number;
  readonly connections: number;
  /**
   * The addresses they come from, in turn. One has ports for some 28,000 connections to a server, and long before that the kernel looks
   * longer and longer for a free one: with 17,000 of one address that took most of the time to connect.
   */
  readonly sources: readonly string[];
}

export interface OpenedRecord {
  readonly elapsedMs: number;
  /** From the call to `connected`: a compressed HDR histogram of nanoseconds in base64. */
  readonly connect: string;
}

export interface IdleRecord {
  /** Connections that were ended by the server. */
  readonly cut: number;
}

/** So many connections are opened at a time, so that no listen queue overflows. */
const together = 64;
const hearMs = 200;

async function main({ port, connections: count, sources }: IdleSettings): Promise<void> {
  const connect = createHistogram();
  const connections: Connection[] = [];
  const startedAt = Bun.nanoseconds();
  const open = async (index: number) => {
    const source = sources[index % sources.length] as string;
    const calledAt = Bun.nanoseconds();
    connections.push(await Connection.open({ port, source, format: "json" }));
    connect.recordValue(Bun.nanoseconds() - calledAt);
  };
  for (let from = 0; from < count; from += together) {
    await Promise.all(Array.from({ length: Math.min(together, count - from) }, (_, i) => open(from + i)));
  }
  const tell = (line: OpenedRecord | IdleRecord) => console.log(JSON.stringify(line));
  tell({ elapsedMs: (Bun.nanoseconds() - startedAt) / 1e6, connect: encode(connect) });
  for await (const _ of createInterface({ input: process.stdin })) {
    // What ended before the question may be heard of after it.
    await Bun.sleep(hearMs);
    const cut = connections.filter(({ isClosed }) => isClosed).length;
    for (const connection of connections) connection.cut();
    tell({ cut });
    return;
  }
}

if (import.meta.main) {
  await main(JSON.parse(process.argv[2] as string) as IdleSettings);
  process.exit(0);
}
