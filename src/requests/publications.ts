// Publications made with every right, by the embedding application and by the server API: one path to bridge and hub.

import type { Bridge, Position } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import type { NamespaceOptions } from "../config/options.ts";
import { FanwireError } from "../errors.ts";
import type { Hub } from "../hub/hub.ts";
import type { PublishOptions } from "../server.ts";
import { checkData, copyData, type DataRule } from "../wire/data.ts";
import { payloadBytes } from "../wire/format.ts";
import type { ServerPublication } from "../wire/inbound-api.ts";
import { json } from "../wire/json.ts";
import { publicationOf, type Writable } from "../wire/message.ts";
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

/** What all volatile publications are answered with. */
const nowhere: Promise<undefined> = Promise.resolve(undefined);

export class Publications {
  /** Publications that were accepted. */
  readonly accepted = { volatile: 0, stream: 0, latest: 0 };
  readonly #options: PublicationsOptions;
  readonly #inStream = this.#counting("stream");
  readonly #inLatest = this.#counting("latest");
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
  publish(topic: string, data: unknown, more: PublishOptions = {}): Promise<Position | undefined> {
    try {
      const namespace = this.#options.hub.namespace(checkTopicName(topic));
      const copy = more.removed && data === undefined ? null : copyData(data, this.#dataRule(namespace));
      const wanted = wantedOf(topic, copy, more);
      const format = namespace.binary ? msgpack : json;
      checkSize(namespace, mostBytes(wanted), () => payloadBytes(format.encode(wanted)));
      return this.#accept(wanted, namespace);
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

  /** Not by `await`: each promise more is a twentieth of what a publication costs. */
  #accept(wanted: ServerPublication, namespace: NamespaceOptions): Promise<Position | undefined> {
    const { topic, userId, idempotencyKey } = wanted;
    const { mode } = namespace;
    checkPublication(wanted, mode);
    if (this.#isClosed) throw new FanwireError("draining", "This node is closing.");
    const { bridge, hub, now } = this.#options;
    const publication = publicationOf(wanted, now(), userId);
    if (mode === "volatile") {
      hub.publishVolatile(topic, publication);
      this.accepted.volatile += 1;
      return nowhere;
    }
    const answer = bridge.publish(topic, publication, scopedKey("", idempotencyKey));
    if (answer instanceof Promise) return answer.then(mode === "stream" ? this.#inStream : this.#inLatest);
    return Promise.resolve(mode === "stream" ? this.#inStream(answer) : this.#inLatest(answer));
  }

  /** Made once for each mode, and not for each publication. */
  #counting(mode: "stream" | "latest") {
    return (position: Position): Position => {
      this.accepted[mode] += 1;
      return position;
    };
  }

  #dataRule(namespace: NamespaceOptions): DataRule {
    const { maxDataDepth, maxDataValues } = this.#options.limits;
    return { maxDepth: maxDataDepth, maxValues: maxDataValues, binary: namespace.binary };
  }
}

/** Field by field, and none that is undefined: spreading costs the more the more fields an application gives. */
function wantedOf(topic: string, data: unknown, more: PublishOptions): ServerPublication {
  const { event, userId, key, removed, idempotencyKey } = more;
  const wanted: Writable<ServerPublication> = { topic, data };
  if (event !== undefined) wanted.event = event;
  if (key !== undefined) wanted.key = key;
  if (removed !== undefined) wanted.removed = removed;
  if (userId !== undefined) wanted.userId = userId;
  if (idempotencyKey !== undefined) wanted.idempotencyKey = idempotencyKey;
  return wanted;
}
