// Every limit: name, unit, default, bounds and one sentence; knows nothing of what enforces it.

import { engineIdleMs } from "../engine/engine.ts";

const kib = 1024;
const mib = 1024 * kib;
const dayMs = 86_400_000;

export interface LimitRule {
  readonly default: number;
  readonly least: number;
  readonly most: number;
  readonly meaning: string;
}

const limit = (standard: number, least: number, most: number, meaning: string): LimitRule => ({
  default: standard,
  least,
  most,
  meaning,
});

/** Every limit. The unit is the last word of a name; a name without one counts things. */
export const limitRules = {
  maxFrameBytes: limit(64 * kib, kib, 16 * mib, "Largest frame a client may send."),
  maxConnections: limit(100_000, 1, 10_000_000, "Connections of this node; one more is answered 503."),
  maxConnectionsPerAddress: limit(
    100_000,
    1,
    10_000_000,
    "Connections of one IPv4 address or IPv6 /64; one more is answered 429. Behind a proxy that is not among `trustedProxies` all are of its address.",
  ),
  maxConnectionsPerUser: limit(1000, 1, 10_000_000, "Connections of one user; one more is closed 1013."),
  maxUnauthenticatedConnections: limit(
    10_000,
    1,
    10_000_000,
    "Connections whose token is not verified yet; one more is answered 503.",
  ),
  maxTopicsPerConnection: limit(1000, 1, 1_000_000, "Topics one connection may be subscribed to."),
  maxRequestsInFlight: limit(2000, 1, 1_000_000, "Requests of one connection that wait for their answer."),
  frameBurst: limit(
    1000,
    1,
    1_000_000,
    "Frames a connection may send at once before `framesPerSecond` holds.",
  ),
  framesPerSecond: limit(500, 1, 1_000_000, "Frames a connection may send per second, sustained."),
  bytesBurst: limit(
    4 * mib,
    kib,
    1024 * mib,
    "Bytes of frames a connection may send at once before `bytesPerSecond` holds.",
  ),
  bytesPerSecond: limit(mib, kib, 1024 * mib, "Bytes of frames a connection may send per second, sustained."),
  badFrameBurst: limit(
    100,
    1,
    1_000_000,
    "Bad frames after which a connection is closed; refills with time.",
  ),
  authTimeoutMs: limit(5000, 10, 600_000, "How long verifying a connection's token may take."),
  maxWaitingBytes: limit(
    256 * kib,
    kib,
    64 * mib,
    "Frames kept while a token is verified, or while a client does not read its answers.",
  ),
  heartbeatMs: limit(25_000, 10, engineIdleMs, "Silence of a client after which the server pings it."),
  heartbeatTimeoutMs: limit(10_000, 10, engineIdleMs, "Silence after that ping which ends a connection."),
  sseHeartbeatMs: limit(15_000, 10, 600_000, "Silence on an event stream after which it is sent a comment."),
  maxSseTopics: limit(
    32,
    1,
    1000,
    "Topics one event stream may ask for: the id of each of its events says where it is in all of them.",
  ),
  softBufferedBytes: limit(
    256 * kib,
    kib,
    1024 * mib,
    "Bytes waiting in a socket that make it a slow consumer.",
  ),
  sweepBytes: limit(mib, kib, 1024 * mib, "Published bytes after which the sockets' buffers are looked at."),
  hardBufferedBytes: limit(
    16 * mib,
    mib,
    2047 * mib,
    "Bytes waiting in a socket that end it, as a safety net.",
  ),
  slowConsumerTimeoutMs: limit(60_000, 10, dayMs, "How long a connection may stay a slow consumer."),
  recoveryChunkBytes: limit(256 * kib, kib, 64 * mib, "Most of a recovery that is sent at once."),
  ringPublications: limit(1024, 1, 1_000_000, "Newest publications kept in memory per active topic."),
  ringBytes: limit(mib, kib, 1024 * mib, "Bytes of them kept in memory per active topic."),
  topicLingerMs: limit(5000, 0, dayMs, "How long a topic stays active after its last subscriber left."),
  maxStoredTopics: limit(
    250_000,
    1,
    10_000_000,
    "Topics a node in memory keeps, each user's own included; the longest unused are forgotten first.",
  ),
  maxStoredBytes: limit(
    1024 * mib,
    mib,
    1024 * 1024 * mib,
    "Memory of publications and idempotency keys on a node in memory, about; longest unused topics lose theirs.",
  ),
  removalTtlMs: limit(
    600_000,
    10,
    7 * dayMs,
    "How long it is remembered that a key of a `latest` topic was removed.",
  ),
  idempotencyTtlMs: limit(300_000, 10, 7 * dayMs, "How long an idempotency key is remembered."),
  maxIdempotencyKeys: limit(10_000, 1, 10_000_000, "Idempotency keys remembered per topic."),
  publishTimeoutMs: limit(
    5000,
    100,
    600_000,
    "How long Redis may take to accept a publication, or a node to join a topic, before the request fails.",
  ),
  maxQueuedPublications: limit(
    10_000,
    1,
    10_000_000,
    "Publications of this node that may wait for Redis; one more is refused `unavailable`.",
  ),
  maxQueuedBytes: limit(64 * mib, mib, 64 * 1024 * mib, "Bytes of them."),
  redisTimeoutMs: limit(
    3000,
    300,
    600_000,
    "How long Redis may take to let a node in, or a probe to come back, before the connection counts as lost.",
  ),
  leaseMs: limit(
    15_000,
    1000,
    3_600_000,
    "After this time the other nodes take one of which nothing is heard for dead; it renews three times as often.",
  ),
  positionTtlMs: limit(
    dayMs,
    60_000,
    365 * dayMs,
    "How long Redis keeps the position, and what goes with it, of a topic that nobody uses.",
  ),
  presenceGraceMs: limit(
    5000,
    0,
    3_600_000,
    "How long a user's last session may be away from a topic before the user has left it.",
  ),
  maxPresenceMembers: limit(100, 1, 10_000, "Most users listed in one answer to `presence`."),
  callTimeoutMs: limit(5000, 10, 600_000, "How long the application may take to answer a `call`."),
  maxHistoryLimit: limit(1000, 1, 100_000, "Most publications in one answer to `history`."),
  maxBodyBytes: limit(mib, kib, 64 * mib, "Largest body of a request to the server API."),
  bodyTimeoutMs: limit(10_000, 10, 600_000, "How long such a body may take to arrive."),
  maxBatchPublications: limit(1000, 1, 100_000, "Most publications in one batch of the server API."),
  maxDataDepth: limit(64, 1, 1000, "How deeply `data` may be nested."),
  maxDataValues: limit(
    10_000,
    1,
    10_000_000,
    "Values within one publication's or call's `data`, those that hold others included.",
  ),
  jwksRefreshMs: limit(300_000, 1000, dayMs, "After this time the keys are fetched from `jwksUrl` again."),
  jwksCooldownMs: limit(
    10_000,
    1000,
    dayMs,
    "Least time between two fetches that tokens with an unknown key can cause.",
  ),
  jwksTimeoutMs: limit(3000, 10, 600_000, "How long one of those fetches may take."),
  maxJwksBytes: limit(256 * kib, kib, 16 * mib, "Largest key set."),
  maxTokenBytes: limit(8 * kib, 64, 64 * kib, "Largest token."),
  drainCloseMs: limit(
    5000,
    0,
    3_600_000,
    "Most time over which a closing node spreads the closing of its connections.",
  ),
  drainClosesPerSecond: limit(
    1000,
    1,
    1_000_000,
    "Connections a closing node closes per second, where `drainCloseMs` does not ask for more.",
  ),
  drainExitMs: limit(10_000, 1, 3_600_000, "Time after which a closing node ends whatever is left."),
} as const satisfies Record<string, LimitRule>;

/** Every limit of the README's table, in the unit its name ends in. */
export type Limits = { readonly [Name in LimitName]: number };

export type LimitName = keyof typeof limitRules;

/** The first limit that another one contradicts, and what it must be; undefined when all of them agree. */
export function contradiction(
  limits: Limits,
): { readonly name: LimitName; readonly bound: string } | undefined {
  const { heartbeatMs, heartbeatTimeoutMs, drainCloseMs, drainExitMs } = limits;
  const { jwksTimeoutMs, authTimeoutMs, jwksCooldownMs, jwksRefreshMs } = limits;
  // Between two looks at the sockets' buffers, one that was just under the soft limit may be handed this much more: what is
  // published until the next look is due and while it is taken, each with a frame on top, and up to 32 native publications
  // of less than 16 KiB that an engine holds where `bufferedBytes` does not show them, twice for the same reason.
  const unseen = 2 * limits.sweepBytes + 2 * limits.maxFrameBytes + 2 * 32 * 16_384;
  const hard = limits.softBufferedBytes + unseen;
  if (limits.hardBufferedBytes < hard) {
    const sum = "softBufferedBytes + 2 sweepBytes + 2 maxFrameBytes + 1048576";
    return { name: "hardBufferedBytes", bound: `at least ${hard} (${sum})` };
  }
  if (heartbeatMs + heartbeatTimeoutMs >= engineIdleMs) {
    const bound = `less than ${engineIdleMs} together with heartbeatMs, which is ${heartbeatMs}`;
    return { name: "heartbeatTimeoutMs", bound };
  }
  if (limits.bytesBurst < limits.maxFrameBytes) {
    // Else the largest frame could never be sent.
    return { name: "bytesBurst", bound: `at least maxFrameBytes, which is ${limits.maxFrameBytes}` };
  }
  if (jwksTimeoutMs >= authTimeoutMs) {
    // Else whoever waits for a fetch is not told what came of it.
    return { name: "jwksTimeoutMs", bound: `less than authTimeoutMs, which is ${authTimeoutMs}` };
  }
  if (jwksCooldownMs > jwksRefreshMs) {
    return { name: "jwksCooldownMs", bound: `at most jwksRefreshMs, which is ${jwksRefreshMs}` };
  }
  const { redisTimeoutMs, leaseMs } = limits;
  if (leaseMs < 2 * redisTimeoutMs) {
    // Else one slow renewal would have the others believe that the node is dead.
    return { name: "leaseMs", bound: `at least ${2 * redisTimeoutMs} (2 redisTimeoutMs)` };
  }
  if (drainExitMs <= drainCloseMs) {
    return { name: "drainExitMs", bound: `more than drainCloseMs, which is ${drainCloseMs}` };
  }
  return undefined;
}
