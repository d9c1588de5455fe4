// What a node asks of one Redis about server instances: leases that fence, the shard's id, the registry. Knows no clock.

import type { Mode } from "../wire/frames.ts";
import { isName } from "./envelope.ts";
import type { StoreKeys } from "./store-keys.ts";
import type { Operation } from "./store-reply.ts";
import * as replies from "./store-reply.ts";

/** What a node tells of itself, so that others can see whether they belong together. */
export interface RegistryEntry {
  /** The mode of each namespace that it has. */
  readonly modes: Readonly<Record<string, Mode>>;
  /** The ids of its shards. */
  readonly shards: readonly string[];
}

const modes: readonly unknown[] = ["volatile", "stream", "latest"] satisfies Mode[];

export class InstanceStore {
  readonly #keys: StoreKeys;
  readonly #instance: string;

  constructor(keys: StoreKeys, instance: string) {
    this.#keys = keys;
    this.#instance = instance;
  }

  /**
   * Takes the instance's lease under a number greater than any that it had: from then on nothing that still carries an
   * earlier one is executed. False where a greater one was there.
   */
  fence(fence: number, leaseMs: number): Operation<boolean> {
    const { instances } = this.#keys;
    return {
      call: {
        script: "fence",
        keys: [this.#keys.lease(this.#instance), instances],
        args: [this.#instance, fence, leaseMs],
      },
      parse: isOne,
    };
  }

  /** Renews lease and registry entry. False where the lease is another's or ran out. */
  renewLease(fence: number, leaseMs: number): Operation<boolean> {
    const keys = this.#keys;
    return {
      call: {
        script: "renewLease",
        keys: [keys.lease(this.#instance), keys.instances, keys.registry(this.#instance)],
        args: [this.#instance, fence, leaseMs],
      },
      parse: isOne,
    };
  }

  /** Gives the lease back and takes the registry entry away. */
  release(fence: number): Operation<boolean> {
    const keys = this.#keys;
    return {
      call: {
        script: "release",
        keys: [keys.lease(this.#instance), keys.registry(this.#instance)],
        args: [fence],
      },
      parse: isOne,
    };
  }

  /** The shard's id: the candidate, where it has none (a node that knew the id before gives it as the candidate). */
  claimId(candidate: string): Operation<string> {
    return {
      call: { script: "claimId", keys: [this.#keys.id], args: [candidate] },
      parse: (reply) => {
        const id = replies.textIn(replies.accepted(reply));
        if (!isName(id)) throw replies.malformedReply("id of a shard");
        return id;
      },
    };
  }

  writeRegistry(entry: RegistryEntry, leaseMs: number): Operation<void> {
    return {
      call: {
        command: "SET",
        args: [this.#keys.registry(this.#instance), JSON.stringify(entry), "PX", leaseMs],
      },
      parse: (reply) => void replies.accepted(reply),
    };
  }

  /** The entries of the instances whose lease runs, undefined for one that cannot be read. */
  readRegistry(): Operation<ReadonlyMap<string, RegistryEntry | undefined>> {
    const keys = this.#keys;
    return {
      call: {
        script: "readRegistry",
        keys: [keys.instances],
        args: [keys.lease(""), keys.registry("")],
      },
      parse: (reply) => {
        const fields = replies.listIn(reply);
        const entries = new Map<string, RegistryEntry | undefined>();
        for (let index = 0; index + 1 < fields.length; index += 2) {
          entries.set(replies.textIn(fields[index]), entryIn(replies.textIn(fields[index + 1])));
        }
        return entries;
      },
    };
  }
}

function isOne(reply: Parameters<typeof replies.accepted>[0]): boolean {
  return replies.accepted(reply) === 1;
}

function entryIn(text: string): RegistryEntry | undefined {
  try {
    const entry = JSON.parse(text) as RegistryEntry;
    const { shards } = entry;
    if (!Array.isArray(shards) || !shards.every((id) => typeof id === "string")) return undefined;
    const declared = Object.entries(entry.modes);
    if (!declared.every(([, mode]) => modes.includes(mode))) return undefined;
    return { modes: Object.fromEntries(declared), shards };
  } catch {
    return undefined;
  }
}
