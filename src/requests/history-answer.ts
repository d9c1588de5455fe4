// One page of history as an `ok` carries it: the right end of the retained history, within count and size.

import type { Bridge } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import type { HistoryFrame } from "../wire/frames.ts";
import { fitting } from "./fitting.ts";

const defaultLimit = 100;

/**
 * With `since`: what follows it, oldest first; a position of another epoch is before everything of this one. Without: the
 * newest. `more`: the page was cut short by `limit` or by size; it goes on after its last publication, or without `since`
 * before its first.
 */
export async function historyAnswer(
  bridge: Bridge,
  request: Pick<HistoryFrame, "topic" | "since" | "limit">,
  limits: Limits,
) {
  const { topic, since, limit = defaultLimit } = request;
  // One above the limit tells whether there are more.
  let page = await bridge.history(topic, since?.offset, limit + 1);
  if (since && page.epoch !== since.epoch) page = await bridge.history(topic, 0, limit + 1);
  const ordered = since ? page.publications : page.publications.toReversed();
  const kept = fitting(ordered.slice(0, limit), limits.recoveryChunkBytes);
  return {
    topic,
    epoch: page.epoch,
    offset: page.offset,
    publications: since ? kept : kept.reverse(),
    more: kept.length < ordered.length,
  };
}
