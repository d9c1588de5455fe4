// What may be asked of a topic's history and presence, by its namespace and in which wire format; knows no grants.

import type { Limits } from "../config/limits.ts";
import type { NamespaceOptions } from "../config/options.ts";
import { FanwireError } from "../errors.ts";
import type { FrameFormat } from "../wire/format.ts";
import type { HistoryFrame } from "../wire/frames.ts";

/** Throws FanwireError `mode-mismatch`, or `bad-frame` for too high a limit. */
export function checkHistory(
  { limit }: Pick<HistoryFrame, "limit">,
  namespace: NamespaceOptions,
  format: FrameFormat,
  limits: Limits,
): void {
  if (namespace.mode !== "stream") {
    throw new FanwireError("mode-mismatch", `Topics of mode ${namespace.mode} have no history.`);
  }
  if (limit !== undefined && limit > limits.maxHistoryLimit) {
    throw new FanwireError("bad-frame", `\`limit\` is at most ${limits.maxHistoryLimit}.`);
  }
  checkFormat(format, namespace);
}

/** Throws FanwireError `mode-mismatch`. */
export function checkPresence(namespace: NamespaceOptions): void {
  if (!namespace.presence) throw new FanwireError("mode-mismatch", "The namespace has no presence.");
}

/** JSON has no words for binary values: whoever speaks it, or reads event streams, cannot be sent what such a namespace holds. */
export function checkFormat(format: FrameFormat, namespace: NamespaceOptions): void {
  if (!namespace.binary || format.binary) return;
  throw new FanwireError("mode-mismatch", "The namespace carries binary data: use MessagePack.");
}
