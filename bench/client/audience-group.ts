// A process of subscribers, spread over all nodes: joins, then counts until it is told how many publications there were, and answers
// with its account. One line of JSON each.

import { createInterface } from "node:readline";
import { sharedClockOffsetNs } from "../measure/clock.ts";
import { createHistogram, encode } from "../measure/histogram.ts";
import { Audience, type AudienceCounts, type AudienceMode } from "./audience.ts";
import { Connection } from "./connection.ts";

export interface AudienceSettings {
  /** Of the nodes. */
  readonly ports: readonly number[];
  readonly subscribers: number;
  readonly publishers: number;
  readonly topics: Readonly<Record<AudienceMode, string>>;
  /** The address they come from. */
  readonly source: string;
  /** How long after the last publication deliveries may take. */
  readonly graceMs: number;
}

export interface AudienceRecord {
  readonly counts: Readonly<Record<AudienceMode, AudienceCounts>>;
  readonly contradictions: number;
  readonly unexpected: number;
  readonly cut: number;
  readonly order: readonly string[];
  /** Compressed HDR histograms of nanoseconds in base64. */
  readonly latency: Readonly<Record<AudienceMode, string>>;
}

/** From the call to `connected`, and from the request to `ok`; the same. */
export interface JoinRecord {
  readonly connect: string;
  readonly subscribe: string;
  readonly elapsedMs: number;
}

/** So many connections are opened at a time, so that no listen queue overflows. */
const together = 64;

async function join(audience: Audience, settings: AudienceSettings): Promise<JoinRecord> {
  const { ports, subscribers, source, topics } = settings;
  const [connect, subscribe] = [createHistogram(), createHistogram()];
  const startedAt = Bun.nanoseconds();
  const open = async (index: number) => {
    const port = ports[index % ports.length] as number;
    const target = { port, source, format: "json", query: "?join=none" } as const;
    const calledAt = Bun.nanoseconds();
    const connection = await Connection.open(target, index);
    connect.recordValue(Bun.nanoseconds() - calledAt);
    const askedAt = Bun.nanoseconds();
    // Before the answers: publications may follow them in the same chunk.
    connection.listener = audience;
    const [ok] = await Promise.all([
      connection.request({ type: "subscribe", topic: topics.stream }),
      connection.request({ type: "subscribe", topic: topics.volatile }),
    ]);
    subscribe.recordValue(Bun.nanoseconds() - askedAt);
    audience.joined(index, ok.offset as number);
  };
  for (let from = 0; from < subscribers; from += together) {
    await Promise.all(
      Array.from({ length: Math.min(together, subscribers - from) }, (_, i) => open(from + i)),
    );
  }
  const elapsedMs = (Bun.nanoseconds() - startedAt) / 1e6;
  return { connect: encode(connect), subscribe: encode(subscribe), elapsedMs };
}

/** What never came shows only when it is known how much there was. */
async function finish(audience: Audience, expected: Readonly<Record<AudienceMode, number>>, graceMs: number) {
  const deadline = Bun.nanoseconds() + graceMs * 1e6;
  const isMissing = () =>
    audience.counts.stream.received < expected.stream ||
    audience.counts.volatile.received < expected.volatile;
  while (isMissing() && Bun.nanoseconds() < deadline) await Bun.sleep(10);
}

async function main(settings: AudienceSettings): Promise<void> {
  const { topics, subscribers, publishers, graceMs } = settings;
  const audience = new Audience(topics.stream, subscribers, publishers, sharedClockOffsetNs());
  const tell = (line: object) => console.log(JSON.stringify(line));
  tell(await join(audience, settings));
  for await (const line of createInterface({ input: process.stdin })) {
    await finish(audience, JSON.parse(line), graceMs);
    const { counts, contradictions, unexpected, cut, order, latency } = audience;
    const record: AudienceRecord = {
      ...{ counts, contradictions, unexpected, cut, order },
      latency: { stream: encode(latency.stream), volatile: encode(latency.volatile) },
    };
    tell(record);
    return;
  }
}

if (import.meta.main) {
  await main(JSON.parse(process.argv[2] as string) as AudienceSettings);
  process.exit(0);
}
