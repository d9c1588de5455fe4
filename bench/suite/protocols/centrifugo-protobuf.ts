// Centrifugo's client protocol in Protobuf: commands and replies, several to a frame, each after its length. Pure
// bytes. Field numbers: client.proto of Centrifugo's protocol module.

import { maskedFrame, opcode } from "../../client/frames.ts";
import type { Greeting, Member, Mode, Protocol, Recovery, Sink } from "../protocol.ts";
import { channelOf, connectId, publishId, subscribesPerFrame } from "./centrifugo-json.ts";
import { CentrifugoPositions } from "./centrifugo-positions.ts";
import { bytesField, numberField, Walker } from "./protobuf-walker.ts";

const command = {
  id: numberField(1),
  connect: bytesField(4),
  subscribe: bytesField(5),
  publish: bytesField(7),
};
const subscribeRequest = {
  channel: bytesField(1),
  recover: numberField(3),
  epoch: bytesField(6),
  offset: numberField(7),
};
const publishRequest = { channel: bytesField(1), data: bytesField(2) };

const reply = { id: numberField(1), error: bytesField(2), push: bytesField(4), subscribe: bytesField(6) };
const error = { message: bytesField(2) };
const subscribeResult = { epoch: bytesField(6), publication: bytesField(7), offset: numberField(9) };
const push = { channel: bytesField(2), publication: bytesField(4) };
const publication = { data: bytesField(4), offset: numberField(6) };

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

const withLength = (message: Buffer) => Buffer.concat([varint(message.length), message]);
const field = (tag: number, content: Buffer) => Buffer.concat([Buffer.from([tag]), withLength(content)]);
const textOf = (tag: number, content: string) => field(tag, Buffer.from(content));
const numberOf = (tag: number, value: number) => Buffer.concat([Buffer.from([tag]), varint(value)]);

const commandOf = (id: number, tag: number, request: Buffer) =>
  withLength(Buffer.concat([numberOf(command.id, id), field(tag, request)]));

const binary = (...messages: Buffer[]) => maskedFrame(opcode.binary, Buffer.concat(messages));
/** A ping is an empty message, and so is what it is answered with. */
const pong = binary(Buffer.from([0]));

/** Calls `heard` for the content of each message of a frame, where the walker is when it comes. */
function eachMessage(
  walker: Walker,
  buffer: Buffer,
  start: number,
  end: number,
  heard: (from: number, to: number) => void,
): void {
  for (let at = start; at < end; ) {
    const from = walker.message(buffer, at);
    at = walker.contentEnd;
    heard(from, at);
  }
}

/** Where the pushed publication in a reply begins, or -1. */
function pushedPublication(walker: Walker, buffer: Buffer, from: number, to: number): number {
  const pushed = walker.field(buffer, from, to, reply.push);
  return pushed === -1 ? -1 : walker.field(buffer, pushed, walker.contentEnd, push.publication);
}

/** It looks at every field it knows, which only a scenario with few frames can afford. */
class ProtobufRecovery implements Recovery {
  readonly positions = new CentrifugoPositions();
  readonly #walker = new Walker();

  heard(buffer: Buffer, start: number, end: number): void {
    eachMessage(this.#walker, buffer, start, end, (from, to) => this.replied(buffer, from, to));
  }

  replied(buffer: Buffer, from: number, to: number): void {
    const walker = this.#walker;
    const published = pushedPublication(walker, buffer, from, to);
    if (published === -1) return;
    const offset = walker.number(buffer, published, walker.contentEnd, publication.offset) ?? 0;
    const pushed = walker.field(buffer, from, to, reply.push);
    this.positions.published(walker.text(buffer, pushed, walker.contentEnd, push.channel), offset);
  }

  subscribed(channel: string, buffer: Buffer, from: number, to: number): void {
    const walker = this.#walker;
    const result = walker.field(buffer, from, to, reply.subscribe);
    const resultEnd = walker.contentEnd;
    const epoch = walker.text(buffer, result, resultEnd, subscribeResult.epoch);
    const offset = walker.number(buffer, result, resultEnd, subscribeResult.offset) ?? 0;
    const offsets = this.#missedOf(buffer, from, to).map(
      ([start, end]) => walker.number(buffer, start, end, publication.offset) ?? 0,
    );
    this.positions.subscribed(channel, epoch, offset, offsets);
  }

  missed(buffer: Buffer, start: number, end: number, sink: Sink): number {
    const walker = this.#walker;
    let found = 0;
    const deliver = (from: number, to: number) => {
      sink.delivery(buffer, walker.field(buffer, from, to, publication.data));
      found++;
    };
    eachMessage(walker, buffer, start, end, (from, to) => {
      const published = pushedPublication(walker, buffer, from, to);
      if (published !== -1) deliver(published, walker.contentEnd);
      for (const [first, last] of this.#missedOf(buffer, from, to)) deliver(first, last);
    });
    return found;
  }

  /** Start and end of each publication in the answer to a subscribe. */
  #missedOf(buffer: Buffer, from: number, to: number): [number, number][] {
    const walker = this.#walker;
    const places: [number, number][] = [];
    let at = walker.field(buffer, from, to, reply.subscribe);
    if (at === -1) return places;
    const resultEnd = walker.contentEnd;
    while (true) {
      const found = walker.field(buffer, at, resultEnd, subscribeResult.publication);
      if (found === -1) return places;
      at = walker.contentEnd;
      places.push([found, at]);
    }
  }
}

class ProtobufGreeting implements Greeting {
  readonly #walker = new Walker();
  readonly #channels: readonly string[];
  readonly #recovery: ProtobufRecovery | undefined;
  /** Of the connect and the subscribes. */
  #unanswered: number;

  constructor(mode: Mode, { role, topics }: Member, recovery: ProtobufRecovery | undefined) {
    this.#channels = role === "subscriber" ? topics.map((topic) => channelOf(mode, topic)) : [];
    this.#recovery = recovery;
    this.#unanswered = 1 + this.#channels.length;
  }

  first(): readonly Buffer[] {
    return [binary(commandOf(connectId, command.connect, Buffer.alloc(0)))];
  }

  heard(buffer: Buffer, start: number, end: number): readonly Buffer[] | "ready" {
    const answers: Buffer[] = [];
    eachMessage(this.#walker, buffer, start, end, (from, to) => {
      if (from === to) answers.push(pong);
      else answers.push(...this.#replied(buffer, from, to));
    });
    return this.#unanswered === 0 && answers.length === 0 ? "ready" : answers;
  }

  #replied(buffer: Buffer, from: number, to: number): Buffer[] {
    const walker = this.#walker;
    const refused = walker.field(buffer, from, to, reply.error);
    if (refused !== -1) {
      throw new Error(`refused: ${walker.text(buffer, refused, walker.contentEnd, error.message)}`);
    }
    this.#recovery?.replied(buffer, from, to);
    const id = walker.number(buffer, from, to, reply.id);
    if (id === undefined) return [];
    this.#unanswered--;
    if (id === connectId) return this.#subscribes();
    this.#recovery?.subscribed(this.#channels[id - connectId - 1] as string, buffer, from, to);
    return [];
  }

  #subscribes(): Buffer[] {
    const commands = this.#channels.map((channel, i) => {
      const position = this.#recovery?.positions.of(channel);
      const request = [textOf(subscribeRequest.channel, channel)];
      if (position !== undefined) {
        request.push(numberOf(subscribeRequest.recover, 1));
        request.push(textOf(subscribeRequest.epoch, position.epoch));
        request.push(numberOf(subscribeRequest.offset, position.offset));
      }
      return commandOf(connectId + 1 + i, command.subscribe, Buffer.concat(request));
    });
    const frames: Buffer[] = [];
    for (let from = 0; from < commands.length; from += subscribesPerFrame) {
      frames.push(binary(...commands.slice(from, from + subscribesPerFrame)));
    }
    return frames;
  }
}

function hasPing(walker: Walker, buffer: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at = walker.contentEnd) {
    if (walker.message(buffer, at) === walker.contentEnd) return true;
  }
  return false;
}

export function centrifugoProtobuf(mode: Mode): Protocol {
  const walker = new Walker();
  return {
    path: () => "/connection/websocket",
    subprotocol: "centrifuge-protobuf",
    greeting: (member, recovery) =>
      new ProtobufGreeting(mode, member, recovery as ProtobufRecovery | undefined),
    ...(mode === "stream" && { recovery: () => new ProtobufRecovery() }),
    publication: (topic, payload) => {
      const channel = textOf(publishRequest.channel, channelOf(mode, topic));
      const data = textOf(publishRequest.data, payload);
      return binary(commandOf(publishId, command.publish, Buffer.concat([channel, data])));
    },
    // The mark's byte may also be a length or an offset, so the data is found by its field.
    read: (buffer, start, end, sink) => {
      let found = 0;
      for (let at = start; at < end; ) {
        const from = walker.message(buffer, at);
        at = walker.contentEnd;
        const published = pushedPublication(walker, buffer, from, at);
        if (published === -1) continue;
        sink.delivery(buffer, walker.field(buffer, published, walker.contentEnd, publication.data));
        found++;
      }
      return found;
    },
    hasPingsAmongPublications: true,
    control: (buffer, start, end) => (hasPing(walker, buffer, start, end) ? pong : undefined),
  };
}
