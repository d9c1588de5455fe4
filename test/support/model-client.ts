// A client over a model socket: subscribes at a model node's hub and reads what arrives.

import type { Position } from "../../src/bridge/bridge.ts";
import type { Member } from "../../src/bridge/presence.ts";
import type { CloseReason } from "../../src/errors.ts";
import type { SocketSubscriber, Subscription } from "../../src/hub/active-topic.ts";
import { FewMap } from "../../src/hub/few.ts";
import type { Joined } from "../../src/hub/recovery.ts";
import type { WireFormat } from "../../src/wire/format.ts";
import type { ServerFrame, Snapshot, StayFrame } from "../../src/wire/frames.ts";
import { json } from "../../src/wire/json.ts";
import { ModelSocket } from "./model-engine.ts";
import type { ModelNode } from "./model-node.ts";

/** Where a client connects. */
export type ClientHost = Pick<ModelNode, "engine" | "hub">;

/** The `ok` of a subscribe, with the position that was asked for. */
export interface ModelOk extends Position {
  readonly topic: string;
  readonly recovered: boolean;
  readonly since?: Position;
  readonly snapshot?: Snapshot;
  readonly publications: readonly ModelPublication[];
}

export interface ModelPublication {
  readonly offset: number;
  readonly data: unknown;
  readonly key?: string;
  readonly removed?: true;
}

let sessions = 0;

export abstract class ModelClient implements SocketSubscriber {
  readonly socket: ModelSocket;
  readonly format: WireFormat;
  readonly member: Member;
  readonly subscriptions = new FewMap<Subscription>();
  behind: Set<Subscription> | undefined = undefined;
  behindSinceMs = 0;
  closedFor: CloseReason | undefined = undefined;
  /** What no client should see. */
  readonly complaints: string[] = [];
  readonly failures: unknown[] = [];
  #looked = 0;
  readonly #node: ClientHost;

  /** By default a user of its own, in JSON. */
  constructor(node: ClientHost, userId?: string, format = json) {
    this.#node = node;
    const sessionId = `session-${++sessions}`;
    this.member = { sessionId, userId: userId ?? sessionId };
    this.format = format;
    this.socket = new ModelSocket(node.engine);
    this.socket.onDrain = () => node.hub.feeder.drained(this);
  }

  subscribe(topic: string, since?: Position, maxRateHz?: number): void {
    const answer = ({ position, recovered, publications, snapshot }: Joined) => {
      const ok = { type: "ok" as const, id: 1, topic, ...position, recovered, publications, snapshot, since };
      this.socket.send(this.format.encode(ok));
    };
    const wish = { ...(since && { since }), ...(maxRateHz !== undefined && { maxRateHz }) };
    const waiting = this.#node.hub.subscribe(this, topic, wish, answer);
    waiting?.catch((failure: unknown) => this.failures.push(failure));
  }

  unsubscribe(topic: string): void {
    this.#node.hub.unsubscribe(this, topic);
  }

  close(reason: CloseReason): void {
    this.closedFor = reason;
    this.disconnect();
  }

  disconnect(): void {
    this.socket.terminate();
    this.#node.hub.unsubscribeAll(this);
  }

  /** Looks at what has arrived since the last look. */
  look(): void {
    const fresh = this.socket.read.slice(this.#looked);
    this.#looked = this.socket.read.length;
    for (const payload of fresh) {
      const frame = this.format.decode(payload) as ServerFrame;
      if (frame.type === "ok") this.answered(frame as never);
      if (frame.type === "reset") this.reset(frame.topic, frame);
      if (frame.type === "message") this.message(frame.topic, frame as never);
      if (frame.type === "join" || frame.type === "leave") this.changed?.(frame);
    }
  }

  protected abstract answered(ok: ModelOk): void;
  protected abstract reset(topic: string, reset: Position & { snapshot?: Snapshot }): void;
  protected changed?(stay: StayFrame): void;
  protected abstract message(topic: string, publication: ModelPublication): void;
}
