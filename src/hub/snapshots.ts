// The application's snapshots of topics: asked for once however many wait, with a deadline, and checked.

import type { Application } from "../application.ts";
import type { Position } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import { ConfigError, type NamespaceOptions } from "../config/options.ts";
import { FanwireError } from "../errors.ts";
import type { Log } from "../log.ts";
import { withDeadline } from "../requests/deadline.ts";
import { copyData } from "../wire/data.ts";
import { payloadBytes } from "../wire/format.ts";
import type { Snapshot } from "../wire/frames.ts";
import { json } from "../wire/json.ts";
import { msgpack } from "../wire/msgpack.ts";
import { namespaceOf } from "../wire/topic-name.ts";

export interface SnapshotsOptions {
  readonly providers: NonNullable<Application["snapshots"]>;
  readonly namespaces: ReadonlyMap<string, NamespaceOptions>;
  readonly limits: Pick<Limits, "callTimeoutMs" | "maxDataDepth" | "hardBufferedBytes">;
  readonly log: Log;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #providers: ReadonlyMap<string, NonNullable<Application["snapshots"]>[string]>;
  readonly #running = new Map<string, Promise<Snapshot>>();

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#providers = new Map(Object.entries(options.providers));
    for (const name of this.#providers.keys()) {
      if (options.namespaces.get(name)?.mode === "stream") continue;
      throw new ConfigError(
        `snapshots.${name} is a function: must be absent, as ${name} is no namespace of mode stream`,
      );
    }
  }

  /** Whether the application provides snapshots of this topic. */
  has(topic: string): boolean {
    return this.#providers.size > 0 && this.#providers.has(namespaceOf(topic));
  }

  /** A snapshot of the topic as it stands. Rejects with FanwireError `call-failed` or `timeout`; what went wrong is logged. */
  take(topic: string, position: Position): Promise<Snapshot> {
    let snapshot = this.#running.get(topic);
    if (!snapshot) {
      snapshot = this.#take(topic, position).finally(() => this.#running.delete(topic));
      this.#running.set(topic, snapshot);
    }
    return snapshot;
  }

  async #take(topic: string, position: Position): Promise<Snapshot> {
    const { callTimeoutMs, maxDataDepth, hardBufferedBytes } = this.#options.limits;
    const provider = this.#providers.get(namespaceOf(topic))!;
    try {
      const work = Promise.resolve().then(() => provider(topic, position));
      const late = () => new FanwireError("timeout", `There was no snapshot within ${callTimeoutMs} ms.`);
      const { data, epoch, offset } = await withDeadline(work, callTimeoutMs, late);
      if (typeof epoch !== "string" || !Number.isSafeInteger(offset) || offset < 0) {
        throw new TypeError("a snapshot's position is {epoch, offset}, as publishing answers it");
      }
      const binary = this.#options.namespaces.get(namespaceOf(topic))?.binary ?? false;
      const snapshot = { data: copyData(data, { maxDepth: maxDataDepth, binary }), epoch, offset };
      const bytes = payloadBytes(
        (binary ? msgpack : json).encode({ type: "reset", topic, epoch, offset, snapshot }),
      );
      // Sent once there is room, it must still leave the socket far from its end.
      if (bytes > hardBufferedBytes / 4) throw new RangeError(`a snapshot of ${bytes} bytes is too large`);
      return snapshot;
    } catch (error) {
      this.#options.log.error("snapshot-failed", { topic, error });
      if (error instanceof FanwireError && error.code === "timeout") throw error;
      throw new FanwireError("call-failed", "The application could not provide a snapshot.", {
        cause: error,
      });
    }
  }
}
