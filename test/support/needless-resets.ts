// Finds resets that a node of a simulation announced too early: it said that history no longer reaches, and what came next was on its
// way to it. Looks at what the node is told and at what it tells; knows no rule by which it decides.

import type { Position } from "../../src/bridge/bridge.ts";
import { decodeEnvelope } from "../../src/bridge/envelope.ts";
import type { StoreKeys } from "../../src/bridge/store-keys.ts";
import type { Hub } from "../../src/hub/hub.ts";

export class NeedlessResets {
  readonly complaints: string[] = [];
  readonly #keys: StoreKeys;
  /** By topic, the first publication that was said to be out of reach. */
  readonly #skipped = new Map<string, Position>();

  constructor(keys: StoreKeys) {
    this.#keys = keys;
  }

  /** Hears from now on what the hub is told. */
  watch(hub: Hub): void {
    const reset = hub.reset.bind(hub);
    hub.reset = (topic, position, ...values) => {
      this.#reset(topic, hub.topics.get(topic)?.log?.position, position);
      reset(topic, position, ...values);
    };
  }

  /** Something came to the node. */
  message(channel: string, payload: Uint8Array): void {
    const topic = this.#keys.topicOf(channel) ?? "";
    const skipped = this.#skipped.get(topic);
    if (!skipped) return;
    const envelope = decodeEnvelope(payload);
    if (envelope?.kind !== "publications" || envelope.epoch !== skipped.epoch) return;
    const { first, publications } = envelope;
    if (skipped.offset < first || skipped.offset >= first + publications.length) return;
    this.complaints.push(`${topic} ${skipped.offset} was said to be out of reach, and was on its way`);
    this.#skipped.delete(topic);
  }

  #reset(topic: string, from: Position | undefined, { epoch, offset }: Position): void {
    if (from?.epoch === epoch && from.offset < offset)
      this.#skipped.set(topic, { epoch, offset: from.offset + 1 });
    else this.#skipped.delete(topic);
  }
}
