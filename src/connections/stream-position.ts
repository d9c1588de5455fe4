// What one event stream has of each of its topics, and the id that says so: a client that brings it back continues there, on any
// node. Knows no events.

import { createHash } from "node:crypto";
import type { Position } from "../bridge/bridge.ts";
import { FanwireError } from "../errors.ts";

/** What a topic is called in an id, which comes with every event: 66 bits of a hash, because names may be long. */
const tagLength = 11;
const entry = /^([\w-]{11}):([^:]{1,768}):([\da-z]{1,11})$/;

interface Place extends Position {
  /** As it stands in the id. */
  readonly text: string;
}

function tagOf(topic: string): string {
  return createHash("sha256").update(topic).digest("base64url").slice(0, tagLength);
}

/** Positions by what their topics are called in an id. Throws FanwireError `bad-position`. */
export function readId(id: string): ReadonlyMap<string, Position> {
  const positions = new Map<string, Position>();
  if (id === "") return positions;
  for (const text of id.split(",")) {
    const [, tag, epoch = "", offset = ""] = entry.exec(text) ?? [];
    const position = { epoch: decoded(epoch), offset: Number.parseInt(offset, 36) };
    if (tag === undefined || position.epoch === undefined || !Number.isSafeInteger(position.offset)) {
      throw new FanwireError("bad-position", "Last-Event-ID is not an id that this server sent.");
    }
    positions.set(tag, { epoch: position.epoch, offset: position.offset });
  }
  return positions;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

export class StreamPosition {
  readonly #tags = new Map<string, string>();
  readonly #places = new Map<string, Place>();
  #id: string | undefined;

  /** `known`: what the client brought back. What it says of other topics than these is forgotten. */
  constructor(topics: readonly string[], known: ReadonlyMap<string, Position>) {
    for (const topic of topics) {
      const tag = tagOf(topic);
      this.#tags.set(topic, tag);
      const position = known.get(tag);
      if (position) this.set(topic, position);
    }
  }

  /** Undefined: the client knows nothing of the topic, or it has no positions. */
  of(topic: string): Position | undefined {
    const place = this.#places.get(topic);
    return place && { epoch: place.epoch, offset: place.offset };
  }

  set(topic: string, { epoch, offset }: Position): void {
    const text = `${this.#tags.get(topic)}:${encodeURIComponent(epoch)}:${offset.toString(36)}`;
    this.#places.set(topic, { epoch, offset, text });
    this.#id = undefined;
  }

  /** The client was sent the publication of that offset. In `latest` it may have been sent a later one before. */
  moveTo(topic: string, offset: number): void {
    const place = this.#places.get(topic);
    if (place && offset > place.offset) this.set(topic, { epoch: place.epoch, offset });
  }

  get id(): string {
    this.#id ??= [...this.#places.values()].map(({ text }) => text).join(",");
    return this.#id;
  }
}
