// Who is in a topic as an `ok` carries it: how many, and a list of them within count and size.

import type { Bridge } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import { fitting } from "./fitting.ts";

/** `members`: in the order in which they came; fewer than `count` where there are too many to list. */
export async function presenceAnswer(bridge: Bridge, topic: string, limits: Limits) {
  const { count, members } = await bridge.present(topic, limits.maxPresenceMembers);
  return { topic, count, members: fitting(members, limits.recoveryChunkBytes) };
}
