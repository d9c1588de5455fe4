// What a node asks of one Redis about topics: builds the calls and reads the replies. Knows no connection, no clock and no order
// of things; store-instances.ts does the same for leases and the registry.

import { pack } from "../wire/msgpack.ts";
import type {
  HistoryPage,
  HistoryRule,
  KeyedRule,
  Position,
  PositionedPublication,
  Publication,
  Retention,
} from "./bridge.ts";
import type { Call, Reply } from "./connection.ts";
import {
  decodeEnvelope,
  isName,
  packDisconnect,
  packedArray,
  packProbe,
  packPublication,
  packRelay,
  publicationsHead,
  unpackPublication,
} from "./envelope.ts";
import { historyRuleOf } from "./history-rule.ts";
import type { StoreKeys } from "./store-keys.ts";
import type { Operation } from "./store-reply.ts";
import * as replies from "./store-reply.ts";

export interface StoreOptions {
  readonly keys: StoreKeys;
  /** The server instance: it stands in every envelope. Letters, digits, `_`, `-`; at most 64. */
  readonly instance: string;
  /** How long a topic's position outlives its last use. */
  readonly positionTtlMs: number;
  readonly idempotencyTtlMs: number;
  /** A candidate, at every call that may begin an epoch. A name as the instance is. */
  readonly newEpoch: () => string;
}

/** A publication that waits to be sent: packed once, when it was accepted. */
export interface Outgoing {
  readonly publication: Publication;
  readonly packed: Uint8Array;
  readonly idempotencyKey: string | undefined;
}

export function outgoing(publication: Publication, idempotencyKey?: string): Outgoing {
  return { publication, packed: packPublication(publication), idempotencyKey };
}

/** What became of one publication of a batch: it is new, it is not made again, or it is one key too many. */
export type Outcome = "accepted" | "too-many" | Position;

export interface Appended {
  readonly epoch: string;
  /** The offset of the first one accepted; the others count on from it, in their order. */
  readonly first: number;
  /** How many were accepted. */
  readonly count: number;
  /** One for each publication; undefined where all were accepted. */
  readonly outcomes: readonly Outcome[] | undefined;
}

/** A batch of one topic. Sent again with the same number, it is executed once, and answers the same. */
export interface Batch {
  readonly topic: string;
  /** The instance's batches of a topic count up. Only one may be under way. */
  readonly number: number;
  /** The number under which the instance holds its lease. */
  readonly fence: number;
  /** One at least, and at most 65,535. */
  readonly publications: readonly Outgoing[];
}

/** Where a topic stands. `begins`: the offset at which its epoch began; `previous`: the epoch before, where known. */
export interface Standing extends Position {
  readonly begins: number;
  readonly previous: string | undefined;
}

export interface StreamAnswer extends Standing {
  /**
   * Without holes. They begin after the given offset where it is of this epoch or of the previous one, else after `begins`;
   * later where what was between is gone. The answer is whole when they end at `offset`; none of them and a greater `offset`
   * means that nothing is left to tell.
   */
  readonly publications: readonly PositionedPublication[];
}

export interface LatestAnswer extends Standing {
  /** In the order of their offsets: those above the given one, or all. */
  readonly values: readonly PositionedPublication[];
  readonly forgottenOffset: number;
  /** The given position is of no use, because of its epoch or of what was forgotten: these are all values there are. */
  readonly isWhole: boolean;
}

/** An answer grows by whole batches until it has about so many bytes: enough for speed, and short enough not to hold Redis up. */
const answerBytes = 512 * 1024;

export class Store {
  readonly #options: StoreOptions;
  readonly #keys: StoreKeys;
  readonly #head: Uint8Array;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#keys = options.keys;
    this.#head = publicationsHead(options.instance);
  }

  /** Gives a batch its offsets, keeps it and hands it to all who listen, or answers `fenced`. `retention` is not volatile. */
  append(batch: Batch, retention: Retention, now: number): Operation<Appended | "fenced"> {
    const count = batch.publications.length;
    const call = retention.mode === "latest" ? this.#latestCall : this.#streamCall;
    return {
      call: call.call(this, batch, retention, now),
      parse: (reply) => appendedIn(replies.listIn(reply), count),
    };
  }

  /** Where the topic stands, and what was published after `since`; at most about `limit` of them at once. */
  followStream(topic: string, since: Position | undefined, limit: number): Operation<StreamAnswer> {
    const keys = this.#keys;
    const { positionTtlMs, newEpoch } = this.#options;
    const { epoch = "", offset = 0 } = since ?? {};
    return {
      call: {
        script: "followStream",
        keys: [keys.meta(topic), keys.stream(topic), keys.ledger(topic)],
        args: [newEpoch(), positionTtlMs, epoch, offset, limit, answerBytes],
      },
      parse: (reply) => {
        const fields = replies.listIn(reply);
        const standing = standingIn(fields);
        const isKnown = epoch === standing.epoch || epoch === standing.previous;
        const after = isKnown ? offset : standing.begins;
        return { ...standing, publications: entriesIn(fields[4], after, standing.offset) };
      },
    };
  }

  /** Where the topic stands, and the values that are newer than `since`. */
  followLatest(
    topic: string,
    since: Position | undefined,
    rule: KeyedRule,
    now: number,
  ): Operation<LatestAnswer> {
    const keys = this.#keys;
    const { positionTtlMs, newEpoch } = this.#options;
    const { epoch = "", offset = 0 } = since ?? {};
    return {
      call: {
        script: "followLatest",
        keys: [keys.meta(topic), keys.values(topic), keys.offsets(topic), keys.removals(topic)],
        args: [newEpoch(), positionTtlMs, epoch, offset, rule.maxKeys, rule.removalTtlMs, now],
      },
      parse: (reply) => {
        const fields = replies.listIn(reply);
        return {
          ...standingIn(fields),
          forgottenOffset: replies.countIn(fields[4]),
          isWhole: fields[5] === 1,
          values: valuesIn(replies.listIn(fields[6])),
        };
      },
    };
  }

  /** As Bridge.history: nothing that the rule no longer allows. A page may end early, at a great number of bytes. */
  history(
    topic: string,
    after: number | undefined,
    limit: number,
    rule: HistoryRule,
    now: number,
  ): Operation<HistoryPage> {
    const keys = this.#keys;
    const { positionTtlMs, newEpoch } = this.#options;
    const { size, ttlMs, maxBytes } = rule;
    return {
      call: {
        script: "history",
        keys: [keys.meta(topic), keys.stream(topic), keys.ledger(topic)],
        args: [newEpoch(), positionTtlMs, after ?? "", limit, answerBytes, size, ttlMs, maxBytes, now],
      },
      parse: (reply) => {
        const fields = replies.listIn(reply);
        const position = positionIn(fields);
        const least = Math.max(0, position.offset - size, after ?? 0);
        const found = entriesIn(fields[2], least, position.offset);
        const publications =
          after === undefined ? found.slice(Math.max(0, found.length - limit)) : found.slice(0, limit);
        return { ...position, publications };
      },
    };
  }

  relay(topic: string, packed: readonly Uint8Array[]): Call {
    return publish(this.#keys.channel(topic), packRelay(this.#options.instance, packed));
  }

  disconnect(userId: string, reason: string | undefined): Operation<void> {
    const envelope = packDisconnect(this.#options.instance, userId, reason);
    return { call: publish(this.#keys.control, envelope), parse: (reply) => void replies.accepted(reply) };
  }

  probe(number: number): Operation<void> {
    const { instance } = this.#options;
    const call = publish(this.#keys.probe(instance), packProbe(instance, number));
    return { call, parse: (reply) => void replies.accepted(reply) };
  }

  #streamCall({ topic, number, fence, publications }: Batch, retention: Retention, now: number): Call {
    const keys = this.#keys;
    const { size, ttlMs, maxBytes } = historyRuleOf(retention);
    let oldest = Number.POSITIVE_INFINITY;
    let hasKeys = false;
    for (const { publication, idempotencyKey } of publications) {
      if (publication.timestamp < oldest) oldest = publication.timestamp;
      if (idempotencyKey !== undefined) hasKeys = true;
    }
    const packed = publications.map((each) => each.packed);
    const items = [packedArray(packed)];
    if (hasKeys) {
      items.push(pack(publications.map((each) => each.idempotencyKey ?? "")));
      items.push(pack(packed.map((each) => each.length)));
    }
    return {
      script: "appendStream",
      keys: [keys.meta(topic), keys.lease(this.#options.instance), keys.stream(topic), keys.ledger(topic)],
      args: [
        ...this.#opening(topic, number, fence, now),
        ...[size, ttlMs, maxBytes, Math.trunc(oldest), publications.length, ...items],
      ],
    };
  }

  #latestCall({ topic, number, fence, publications }: Batch, retention: Retention, now: number): Call {
    const keys = this.#keys;
    const { maxKeys, removalTtlMs } =
      retention.mode === "latest" ? retention.keyed : { maxKeys: 0, removalTtlMs: 0 };
    const items = publications.flatMap(({ publication, packed, idempotencyKey }) => [
      idempotencyKey ?? "",
      publication.key ?? "",
      publication.removed ? 1 : 0,
      packed,
    ]);
    return {
      script: "appendLatest",
      keys: [
        keys.meta(topic),
        keys.lease(this.#options.instance),
        keys.values(topic),
        keys.offsets(topic),
        keys.removals(topic),
      ],
      args: [
        ...this.#opening(topic, number, fence, now),
        ...[maxKeys, removalTtlMs, publications.length, ...items],
      ],
    };
  }

  #opening(topic: string, number: number, fence: number, now: number): (string | number | Uint8Array)[] {
    const { instance, positionTtlMs, idempotencyTtlMs, newEpoch } = this.#options;
    const keys = this.#keys;
    return [
      ...[instance, fence, number, now, newEpoch(), positionTtlMs],
      ...[keys.channel(topic), this.#head, keys.idempotency(topic), idempotencyTtlMs],
    ];
  }
}

function publish(channel: string, payload: Uint8Array): Call {
  return { command: "PUBLISH", args: [channel, payload] };
}

function appendedIn(fields: readonly Reply[], publications: number): Appended | "fenced" {
  if (fields[0] === 0) return "fenced";
  const [epoch, first, count] = [
    replies.textIn(fields[1]),
    replies.countIn(fields[2]),
    replies.countIn(fields[3]),
  ];
  const text = replies.textIn(fields[4]);
  if (text === "") {
    if (count !== publications) throw replies.malformedReply("count of the batch");
    return { epoch, first, count, outcomes: undefined };
  }
  const outcomes = text.split(" ").map(outcomeIn);
  const accepted = outcomes.filter((outcome) => outcome === "accepted").length;
  if (outcomes.length !== publications || accepted !== count)
    throw replies.malformedReply("outcome for each");
  return { epoch, first, count, outcomes };
}

function outcomeIn(text: string): Outcome {
  if (text === "+") return "accepted";
  if (text === "!") return "too-many";
  const [, epoch, offset] = /^=([\w-]{1,64}):(\d+)$/.exec(text) ?? [];
  if (epoch === undefined) throw replies.malformedReply("outcome");
  return { epoch, offset: Number(offset) };
}

function positionIn(fields: readonly Reply[]): Position {
  const epoch = replies.textIn(fields[0]);
  if (!isName(epoch)) throw replies.malformedReply("epoch");
  return { epoch, offset: replies.countIn(fields[1]) };
}

function standingIn(fields: readonly Reply[]): Standing {
  const previous = replies.textIn(fields[3]);
  return {
    ...positionIn(fields),
    begins: replies.countIn(fields[2]),
    previous: previous === "" ? undefined : previous,
  };
}

/**
 * The publications of entries, those up to `after` or beyond `last` left out. What comes before a hole is left out too: nobody
 * could continue from it.
 */
function entriesIn(reply: Reply | undefined, after: number, last: number): readonly PositionedPublication[] {
  let found: PositionedPublication[] = [];
  for (const entry of replies.listIn(reply)) {
    const envelope = decodeEnvelope(replies.bytesIn(entry));
    if (envelope?.kind !== "publications") continue;
    const { publications, first } = envelope;
    const expected = found.at(-1)?.offset ?? after;
    if (found.length > 0 && first !== expected + 1) found = [];
    for (const publication of publications) {
      if (publication.offset > after && publication.offset <= last) found.push(publication);
    }
  }
  return found;
}

/** A value that cannot be read is one that a stranger wrote over. */
function valuesIn(fields: readonly Reply[]): readonly PositionedPublication[] {
  const values: PositionedPublication[] = [];
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const offset = replies.countIn(fields[index]);
    const value = unpackPublication(replies.bytesIn(fields[index + 1]), offset);
    if (value?.key !== undefined) values.push(value);
  }
  return values;
}
