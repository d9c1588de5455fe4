// What server instances must agree on to share a Redis, and whether two of them do. Pure.

import type { RegistryEntry } from "../store-instances.ts";

/** This node cannot work with the others that use the same Redis. Its message says why, for a person. */
export class RegistryConflict extends Error {
  constructor(message: string) {
    super(message);
    this.name = "RegistryConflict";
  }
}

/** Throws RegistryConflict. A namespace that only one of them has is no conflict: that is how a new one is rolled out. */
export function compareEntries(own: RegistryEntry, other: RegistryEntry, instance: string): void {
  for (const [name, mode] of Object.entries(own.modes)) {
    const others = Object.hasOwn(other.modes, name) ? other.modes[name] : undefined;
    if (others === undefined || others === mode) continue;
    throw new RegistryConflict(
      `namespace ${name} is ${mode} here and ${others} on the node ${instance}, which uses the same Redis`,
    );
  }
  const shards = [...own.shards].sort().join(" ");
  const theirs = [...other.shards].sort().join(" ");
  if (shards === theirs) return;
  throw new RegistryConflict(
    `the shards here are ${shards}, and ${theirs} on the node ${instance}, which uses one of them too`,
  );
}
