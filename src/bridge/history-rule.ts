// How much history a topic has by its retention: none where its mode keeps none. Pure.

import type { HistoryRule, Retention } from "./bridge.ts";

const none: HistoryRule = { size: 0, ttlMs: 0, maxBytes: 0 };

export function historyRuleOf(retention: Retention): HistoryRule {
  return retention.mode === "stream" ? retention.history : none;
}
