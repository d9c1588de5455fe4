// Publications made with every right, by the embedding application and by the server API: one path to bridge and hub.

import type { Bridge, Position } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import type { NamespaceOptions } from "../config/options.ts";
import { FanwireError } from "../errors.ts";
import type { Hub } from "../hub/hub.ts";
import { checkData, copyData, type DataRule } from "../wire/data.ts";
import { payloadBytes } from "../wire/format.ts";
import type { ServerPublication } from "../wire/inbound-api.ts";
import { json } from "../wire/json.ts";
import { publicationOf } from "../wire/message.ts";
import { msgpack } from "../wire/msgpack.ts";
import { mostBytes } from "../wire/size.ts";
import { checkTopicName } from "../wire/topic-name.ts";
import { checkPublication, checkSize, scopedKey } from "./publication-rules.ts";

export interface PublicationsOptions {
  readonly hub: Pick<Hub, "namespace" | "publishVolatile">;
  readonly bridge: Bridge;
  readonly limits: Limits;
  readonly now: () => number;
}

export class Publications {
  /** Publications that were accepted. */
  readonly accepted = { volatile: 0, stream: 0, latest: 0 };
  readonly #options: PublicationsOptions;
  #isClosed = false;

  constructor(options: PublicationsOptions) {
    this.#options = options;
  }

  /** Takes no publication from now on: each is refused `draining`. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * Publishes what the application hands over, copied, because it may change its object later. Rejects with FanwireError; as
   * `Server.publish` says.
   */
  publish(wanted: ServerPublication): Promise<Position | undefined> {
    try {
      const namespace = this.#options.hub.namespace(checkTopicName(wanted.topic));
      const { data, removed } = wanted;
      const copy = removed && data === undefined ? null : copyData(data, this.#dataRule(namespace));
      const publication = { ...wanted, data: copy };
      const format = namespace.binary ? msgpack : json;
      checkSize(namespace, mostBytes(publication), () => payloadBytes(format.encode(publication)));
      // Not by `await`: each promise more is a twentieth of what a publication costs.
      return this.#accept(publication, namespace);
    } catch (fault) {
      return Promise.reject(fault);
    }
  }

  /**
   * Publishes what a wire format decoded. It is on its way when this returns: several calls in one turn share it. `most`:
   * the size of what it came in, `bytes`: its own where it came with others. Throws what is wrong with it, and rejects with
   * what the bridge says, both as FanwireError.
   */
  accept(wanted: ServerPublication, most: number, bytes?: () => number): Promise<Position | undefined> {
    const namespace = this.#options.hub.namespace(wanted.topic);
    checkSize(namespace, most, bytes);
    checkData(wanted.data, this.#dataRule(namespace));
    return this.#accept(wanted, namespace);
  }

  async #accept(wanted: ServerPublication, namespace: NamespaceOptions): Promise<Position | undefined> {
    const { topic, userId, idempotencyKey } = wanted;
    checkPublication(wanted, namespace.mode);
    if (this.#isClosed) throw new FanwireError("draining", "This node is closing.");
    const publication = publicationOf(wanted, this.#options.now(), userId);
    let position: Position | undefined;
    if (namespace.mode === "volatile") this.#options.hub.publishVolatile(topic, publication);
    else position = await this.#options.bridge.publish(topic, publication, scopedKey("", idempotencyKey));
    this.accepted[namespace.mode] += 1;
    return position;
  }

  #dataRule(namespace: NamespaceOptions): DataRule {
    const { maxDataDepth, maxDataValues } = this.#options.limits;
    return { maxDepth: maxDataDepth, maxValues: maxDataValues, binary: namespace.binary };
  }
}
