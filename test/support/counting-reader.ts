// A client over a model socket that counts what is sent to it, read or not; it understands nothing of it.

import type { Position } from "../../src/bridge/bridge.ts";
import type { Payload } from "../../src/engine/engine.ts";
import type { ServerFrame } from "../../src/wire/frames.ts";
import { json } from "../../src/wire/json.ts";
import { msgpack } from "../../src/wire/msgpack.ts";
import { ModelClient } from "./model-client.ts";
import type { ModelNode } from "./model-node.ts";

export class CountingReader extends ModelClient {
  /** Messages and resets, those within an `ok` included. */
  deliveries = 0;
  /** Their size, without what came within an `ok`. */
  messageBytes = 0;
  /** The `ok` frames of positioned topics. */
  oks = 0;
  /** Messages of volatile topics. */
  volatile = 0;

  constructor(node: ModelNode, format = json) {
    super(node, undefined, format);
    const send = this.socket.send.bind(this.socket);
    this.socket.send = (payload) => {
      const outcome = send(payload);
      if (outcome !== "dropped") this.#count(payload);
      return outcome;
    };
  }

  /** Where a client stands that has seen all of a topic so far. */
  static at(node: ModelNode, topic: string, behind = 0): Position {
    const { epoch, offset } = node.bridge.position(topic);
    return { epoch, offset: offset - behind };
  }

  protected override answered(): void {
    throw new Error("a counting reader does not look");
  }

  protected override reset(): void {
    throw new Error("a counting reader does not look");
  }

  protected override message(): void {
    throw new Error("a counting reader does not look");
  }

  #count(payload: Payload): void {
    const frame = (
      this.format === json ? JSON.parse(String(payload)) : msgpack.decode(payload)
    ) as ServerFrame;
    if (frame.type === "ok") {
      const { publications } = frame as { publications?: unknown[] };
      if (publications) this.oks += 1;
      this.deliveries += publications?.length ?? 0;
    } else {
      this.deliveries += 1;
      this.messageBytes += Buffer.byteLength(payload);
      if (frame.type === "message" && frame.topic.startsWith("game:")) this.volatile += 1;
    }
  }
}
