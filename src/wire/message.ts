// Building publications and the messages that carry them, field by field: at a hundred thousand a second, copying an object by
// spreading it is a good part of what a publication costs.

import type { PositionedPublication, Publication } from "../bridge/bridge.ts";
import type { MessageFrame } from "./frames.ts";

export type Writable<Thing> = { -readonly [Name in keyof Thing]: Thing[Name] };

/** What an accepted publication is made of; what is undefined is left out. */
export interface Content {
  readonly data: unknown;
  readonly event?: string | undefined;
  readonly key?: string | undefined;
  readonly removed?: boolean | undefined;
}

export function publicationOf(content: Content, timestamp: number, userId: string | undefined): Publication {
  const publication: Writable<Publication> = { data: content.data, timestamp };
  if (content.event !== undefined) publication.event = content.event;
  if (content.key !== undefined) publication.key = content.key;
  if (content.removed) publication.removed = true;
  if (userId !== undefined) publication.userId = userId;
  return publication;
}

/** Gives a publication its offset, in place: once handed to a bridge it is the bridge's own. */
export function placeAt(publication: Publication, offset: number): PositionedPublication {
  const positioned = publication as Writable<PositionedPublication>;
  positioned.offset = offset;
  return positioned;
}

export function messageOf(
  topic: string,
  publication: Publication & { readonly offset?: number },
): MessageFrame {
  const { event, key, removed, userId, offset } = publication;
  const message: Writable<MessageFrame> = {
    type: "message",
    topic,
    data: publication.data,
    timestamp: publication.timestamp,
  };
  if (event !== undefined) message.event = event;
  if (key !== undefined) message.key = key;
  if (removed) message.removed = removed;
  if (userId !== undefined) message.userId = userId;
  if (offset !== undefined) message.offset = offset;
  return message;
}
