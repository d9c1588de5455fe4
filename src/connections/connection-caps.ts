// How many connections there may be: on the node, of one address, of one user, and of those that nobody knows yet.

import type { Limits } from "../config/limits.ts";
import { FanwireError } from "../errors.ts";
import { addressGroup } from "./address-group.ts";
import { type CodedRefusal, refusal } from "./admission.ts";

export type CapLimits = Pick<
  Limits,
  "maxConnections" | "maxConnectionsPerAddress" | "maxConnectionsPerUser" | "maxUnauthenticatedConnections"
>;

const retryAfter = { "retry-after": "2" };

export class ConnectionCaps {
  readonly #limits: CapLimits;
  readonly #byAddress = new Map<string, number>();
  readonly #byUser = new Map<string, number>();
  #count = 0;
  #unauthenticated = 0;

  constructor(limits: CapLimits) {
    this.#limits = limits;
  }

  /** Addresses and users of which something is remembered. */
  get remembered(): number {
    return this.#byAddress.size + this.#byUser.size;
  }

  /** Refuses a handshake, or answers undefined. 503 where any node's client would be refused, 429 where it is the address. */
  refuse(address: string): CodedRefusal | undefined {
    const { maxConnections, maxUnauthenticatedConnections, maxConnectionsPerAddress } = this.#limits;
    if (this.#count >= maxConnections) return full("This node has as many connections as it may have.");
    if (this.#unauthenticated >= maxUnauthenticatedConnections) {
      return full("Too many connections of this node are waiting to be authenticated.");
    }
    if ((this.#byAddress.get(addressGroup(address)) ?? 0) < maxConnectionsPerAddress) return undefined;
    const refused = refusal("too-many", "This address has as many connections as it may have.");
    return { ...refused, headers: { ...refused.headers, ...retryAfter } };
  }

  opened(address: string): void {
    this.#count += 1;
    this.#unauthenticated += 1;
    add(this.#byAddress, addressGroup(address), 1);
  }

  /** Throws FanwireError `too-many`, and counts nothing, where the user has as many connections as one may have. */
  authenticated(userId: string): void {
    const most = this.#limits.maxConnectionsPerUser;
    if ((this.#byUser.get(userId) ?? 0) >= most) {
      throw new FanwireError("too-many", `A user has at most ${most} connections.`);
    }
    this.#unauthenticated -= 1;
    add(this.#byUser, userId, 1);
  }

  /** `userId`: where the connection came as far as `authenticated`. */
  ended(address: string, userId: string | undefined): void {
    this.#count -= 1;
    add(this.#byAddress, addressGroup(address), -1);
    if (userId === undefined) this.#unauthenticated -= 1;
    else add(this.#byUser, userId, -1);
  }
}

function full(message: string): CodedRefusal {
  const refused = refusal("too-many", message);
  return { ...refused, status: 503, headers: { ...refused.headers, ...retryAfter } };
}

/** Keys of which there is none left are forgotten. */
function add(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
