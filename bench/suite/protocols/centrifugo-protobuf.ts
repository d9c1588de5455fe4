// Centrifugo's client protocol in Protobuf: commands and replies, several to a frame, each after its length.
// Pure bytes. Field numbers: client.proto of Centrifugo's protocol module; all that are used take one byte
// with their wire type.

import { maskedFrame, opcode } from "../../client/frames.ts";
import type { Greeting, Member, Mode, Protocol } from "../protocol.ts";
import { channelOf, publishId, subscribesPerFrame } from "./centrifugo-json.ts";

const bytesField = (number: number) => (number << 3) | 2;
const numberField = (number: number) => number << 3;

const command = {
  id: numberField(1),
  connect: bytesField(4),
  subscribe: bytesField(5),
  publish: bytesField(7),
};
const reply = { id: numberField(1), error: bytesField(2), push: bytesField(4) };
const push = { publication: bytesField(4) };
const publication = { data: bytesField(4) };
const error = { message: bytesField(2) };
const subscribeRequest = { channel: bytesField(1) };
const publishRequest = { channel: bytesField(1), data: bytesField(2) };

const connectId = 1;

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  return Buffer.from([...bytes, rest]);
}

const withLength = (message: Buffer) => Buffer.concat([varint(message.length), message]);
const field = (tag: number, content: Buffer) => Buffer.concat([Buffer.from([tag]), withLength(content)]);
const textField = (tag: number, content: string) => field(tag, Buffer.from(content));

function commandOf(id: number, tag: number, request: Buffer): Buffer {
  return withLength(Buffer.concat([Buffer.from([command.id]), varint(id), field(tag, request)]));
}

const binary = (...messages: Buffer[]) => maskedFrame(opcode.binary, Buffer.concat(messages));
/** A ping is an empty message, and so is what it is answered with. */
const pong = binary(Buffer.from([0]));

/** Walks over messages and their fields without making anything of them. */
class Walker {
  /** Behind the varint read last. */
  #after = 0;
  /** Of the field or message found last. */
  contentEnd = 0;

  #varint(buffer: Buffer, start: number): number {
    let value = 0;
    let scale = 1;
    let at = start;
    while ((buffer[at] as number) > 127) {
      value += ((buffer[at++] as number) & 127) * scale;
      scale *= 128;
    }
    this.#after = at + 1;
    return value + (buffer[at] as number) * scale;
  }

  /** Where the content of the message at `start` begins. */
  message(buffer: Buffer, start: number): number {
    const length = this.#varint(buffer, start);
    this.contentEnd = this.#after + length;
    return this.#after;
  }

  /** Where the content of the first field with the tag begins, between start and end, or -1. */
  field(buffer: Buffer, start: number, end: number, tag: number): number {
    let at = start;
    while (at < end) {
      const found = buffer[at] as number;
      const value = this.#varint(buffer, at + 1);
      const isBytes = (found & 7) === 2;
      const content = isBytes ? this.#after : at + 1;
      const contentEnd = isBytes ? this.#after + value : this.#after;
      if (found === tag) {
        this.contentEnd = contentEnd;
        return content;
      }
      at = contentEnd;
    }
    return -1;
  }

  number(buffer: Buffer, start: number, end: number, tag: number): number | undefined {
    const at = this.field(buffer, start, end, tag);
    return at === -1 ? undefined : this.#varint(buffer, at);
  }

  /** Where the data of the publication in this reply begins, or -1. */
  publication(buffer: Buffer, start: number, end: number): number {
    const pushed = this.field(buffer, start, end, reply.push);
    if (pushed === -1) return -1;
    const published = this.field(buffer, pushed, this.contentEnd, push.publication);
    if (published === -1) return -1;
    return this.field(buffer, published, this.contentEnd, publication.data);
  }
}

class ProtobufGreeting implements Greeting {
  readonly #walker = new Walker();
  readonly #channels: readonly string[];
  /** Of the connect and the subscribes. */
  #unanswered: number;

  constructor(mode: Mode, { role, topics }: Member) {
    this.#channels = role === "subscriber" ? topics.map((topic) => channelOf(mode, topic)) : [];
    this.#unanswered = 1 + this.#channels.length;
  }

  first(): readonly Buffer[] {
    return [binary(commandOf(connectId, command.connect, Buffer.alloc(0)))];
  }

  heard(buffer: Buffer, start: number, end: number): readonly Buffer[] | "ready" {
    const answers: Buffer[] = [];
    const walker = this.#walker;
    for (let at = start; at < end; ) {
      const from = walker.message(buffer, at);
      const to = walker.contentEnd;
      at = to;
      if (from === to) {
        answers.push(pong);
        continue;
      }
      const refused = walker.field(buffer, from, to, reply.error);
      if (refused !== -1) throw new Error(`refused: ${this.#messageOf(buffer, refused)}`);
      const id = walker.number(buffer, from, to, reply.id);
      if (id !== undefined) this.#unanswered--;
      if (id === connectId) answers.push(...this.#subscribes());
    }
    return this.#unanswered === 0 && answers.length === 0 ? "ready" : answers;
  }

  #messageOf(buffer: Buffer, refused: number): string {
    const at = this.#walker.field(buffer, refused, this.#walker.contentEnd, error.message);
    return buffer.toString("utf8", at, this.#walker.contentEnd);
  }

  #subscribes(): Buffer[] {
    const commands = this.#channels.map((channel, i) =>
      commandOf(connectId + 1 + i, command.subscribe, textField(subscribeRequest.channel, channel)),
    );
    const frames: Buffer[] = [];
    for (let from = 0; from < commands.length; from += subscribesPerFrame) {
      frames.push(binary(...commands.slice(from, from + subscribesPerFrame)));
    }
    return frames;
  }
}

/** A mode is a namespace of the target's configuration. */
export function centrifugoProtobuf(mode: Mode): Protocol {
  const walker = new Walker();
  return {
    path: () => "/connection/websocket",
    subprotocol: "centrifuge-protobuf",
    greeting: (member) => new ProtobufGreeting(mode, member),
    publication: (topic, payload) => {
      const channel = textField(publishRequest.channel, channelOf(mode, topic));
      const data = textField(publishRequest.data, payload);
      return binary(commandOf(publishId, command.publish, Buffer.concat([channel, data])));
    },
    read: (buffer, start, end, sink) => {
      let found = 0;
      for (let at = start; at < end; ) {
        const from = walker.message(buffer, at);
        at = walker.contentEnd;
        const data = walker.publication(buffer, from, at);
        if (data === -1) continue;
        sink.delivery(buffer, data);
        found++;
      }
      return found;
    },
    hasPingsAmongPublications: true,
    control: (buffer, start, end) => {
      for (let at = start; at < end; at = walker.contentEnd) {
        if (walker.message(buffer, at) === walker.contentEnd) return pong;
      }
      return undefined;
    },
  };
}
