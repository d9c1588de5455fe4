// What a node's connections did, in plain numbers: they add to them and a scrape reads them. Knows no metric by name.

import { type CloseReason, closeRules, type ErrorCode, errorRules } from "../errors.ts";
import type { ByFormat } from "../wire/format.ts";
import type { Refusal } from "./admission.ts";

/** Why a connection ended: what the server said, or that the client closed it, or that it broke without a close frame. */
export type EndReason = CloseReason | "client" | "lost";

/** Triples are by the format's index. */
export interface ConnectionCounts {
  /** Connections there are now. */
  readonly open: ByFormat;
  readonly opened: ByFormat;
  readonly ended: Record<EndReason, number>;
  /** Handshakes that were answered with an error instead. */
  readonly refused: Record<Refusal["reason"], number>;
  /** Frames that clients sent, well-formed or not, and their payloads. */
  readonly frames: ByFormat;
  readonly frameBytes: ByFormat;
  /** Error frames sent to clients. */
  readonly errors: Record<ErrorCode, number>;
}

export function noConnections(): ConnectionCounts {
  return {
    open: [0, 0, 0],
    opened: [0, 0, 0],
    ended: { ...zeros(closeRules), client: 0, lost: 0 },
    refused: { ...zeros(errorRules), "not-found": 0 },
    frames: [0, 0, 0],
    frameBytes: [0, 0, 0],
    errors: zeros(errorRules),
  };
}

function zeros<Name extends string>(rules: Readonly<Record<Name, unknown>>): Record<Name, number> {
  return Object.fromEntries(Object.keys(rules).map((name) => [name, 0])) as Record<Name, number>;
}
