// Which topics a token's grants cover; knows nothing of tokens, namespaces or connections.

/** What a user may do: patterns, each an exact topic or a beginning followed by `*` (`room:7`, `room:*`, `*`). */
export interface Grants {
  readonly subscribe: readonly string[];
  readonly publish: readonly string[];
}

/** What a guest in development mode may do: everything, and still not another's `user:` topic. */
export const guestGrants: Grants = { subscribe: ["*"], publish: ["*"] };

const maxPatternBytes = 255;
const patternForm = /^[^\p{Cc}\p{Cs}\p{Z}*]*\*?$/u;

/** Whether this can be a pattern: not empty, at most 255 bytes, and with `*` nowhere but at the end. */
export function isPattern(pattern: string): boolean {
  return pattern !== "" && Buffer.byteLength(pattern) <= maxPatternBytes && patternForm.test(pattern);
}

/**
 * Whether one of the patterns covers the topic for this user. Of the namespace `user` nothing but `user:<userId>` is ever
 * covered, so that a generous `*` does not open other people's messages.
 */
export function covers(patterns: readonly string[], topic: string, userId: string): boolean {
  if (topic.startsWith("user:") && topic !== `user:${userId}`) return false;
  return patterns.some((pattern) =>
    pattern.endsWith("*") ? topic.startsWith(pattern.slice(0, -1)) : topic === pattern,
  );
}
