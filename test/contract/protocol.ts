// What fanwire says to its clients, over real sockets: every server passes, on either engine and in either wire format.

import { describe, setDefaultTimeout } from "bun:test";
import type { EngineName } from "../support/engine-host.ts";
import { abuse } from "./protocol/abuse.ts";
import { draining } from "./protocol/draining.ts";
import { endpoints } from "./protocol/endpoints.ts";
import { eventEnds } from "./protocol/event-ends.ts";
import { events } from "./protocol/events.ts";
import { heartbeat } from "./protocol/heartbeat.ts";
import { keys } from "./protocol/keys.ts";
import { limits } from "./protocol/limits.ts";
import { metrics } from "./protocol/metrics.ts";
import { presence } from "./protocol/presence.ts";
import { recovery } from "./protocol/recovery.ts";
import { session } from "./protocol/session.ts";
import { stream } from "./protocol/stream.ts";
import { topics } from "./protocol/topics.ts";
import { volatile } from "./protocol/volatile.ts";

/** Declares the whole suite for one engine; called once per file. */
export function protocolContract(engine: EngineName): void {
  setDefaultTimeout(20_000);
  for (const format of ["json", "msgpack"] as const) {
    describe(`fanwire.v1.${format}`, () => {
      for (const suite of [session, topics, volatile, stream, recovery, limits, heartbeat, presence]) {
        suite(engine, format);
      }
    });
  }
  draining(engine);
  endpoints(engine);
  events(engine);
  eventEnds(engine);
  metrics(engine);
  keys(engine);
  abuse(engine);
}
