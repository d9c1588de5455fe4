// Socket.IO's protocol over a WebSocket: Engine.IO 4 packets that hold Socket.IO 5 packets, with either
// parser. Pure bytes. Formats: engine.io-protocol and socket.io-protocol, as the Socket.IO project documents
// them.

import { Packr } from "msgpackr";
import { maskedFrame, opcode } from "../../client/frames.ts";
import { type Greeting, type Member, oneAFrame, type Protocol, payloadMark, type Sink } from "../protocol.ts";

/** Engine.IO packet types are one digit; on a WebSocket a frame is a packet. */
const engine = { open: "0".charCodeAt(0), ping: "2".charCodeAt(0), message: "4".charCodeAt(0) };
/** Socket.IO packet types. */
const types = { connect: 0, event: 2, ack: 3, connectError: 4 };

/** Events the server knows: `join` with topics and an acknowledgement, `publish` with topic and data. */
const joinId = 0;
/** Names of one length, so that every publication has the same bytes in front of it. */
const topicOf = (topic: number) => `topic-${String(topic).padStart(6, "0")}`;
const text = (packet: string) => maskedFrame(opcode.text, Buffer.from(packet));
const pong = text("3");

/** How a parser writes the packets we send, and reads the type of those we hear. */
interface Parser {
  packet(type: number, data?: readonly unknown[], id?: number): Buffer;
  /** The Socket.IO packet type of a server frame that is no Engine.IO packet of its own. */
  typeOf(buffer: Buffer, start: number, end: number): number;
  read: Protocol["read"];
}

const textParser = (): Parser => ({
  packet: (type, data, id) => text(`4${type}${id ?? ""}${data === undefined ? "" : JSON.stringify(data)}`),
  typeOf: (buffer, start) => (buffer[start] === engine.message ? (buffer[start + 1] as number) - 48 : -1),
  read: oneAFrame(),
});

/**
 * socket.io-msgpack-parser sends a packet as one map in a binary frame, which is an Engine.IO message as it
 * is.
 */
function msgpackParser(): Parser {
  const maps = new Packr({ useRecords: false });
  return {
    packet: (type, data, id) => {
      const packet = { type, nsp: "/", ...(data !== undefined && { data }), ...(id !== undefined && { id }) };
      return maskedFrame(opcode.binary, maps.pack(packet));
    },
    typeOf: (buffer, start, end) => (maps.unpack(buffer.subarray(start, end)) as { type: number }).type,
    read: markedDigits(),
  };
}

/**
 * The mark's byte may also be a length in MessagePack (a string of 35 bytes): only the mark has a digit
 * behind it.
 */
function markedDigits(): Protocol["read"] {
  let offset = 0;
  const isMark = (buffer: Buffer, at: number, end: number) => {
    const next = buffer[at + 1] as number;
    return at + 1 < end && buffer[at] === payloadMark && next >= 48 && next <= 57;
  };
  return (buffer: Buffer, start: number, end: number, sink: Sink) => {
    let at = start + offset;
    if (!isMark(buffer, at, end)) {
      at = start;
      while (at < end && !isMark(buffer, at, end)) at++;
      if (at === end) return 0;
      offset = at - start;
    }
    sink.delivery(buffer, at);
    return 1;
  };
}

class SocketIoGreeting implements Greeting {
  readonly #parser: Parser;
  readonly #topics: readonly string[];

  constructor(parser: Parser, { role, topics }: Member) {
    this.#parser = parser;
    this.#topics = role === "subscriber" ? topics.map(topicOf) : [];
  }

  /** The server opens. */
  first(): readonly Buffer[] {
    return [];
  }

  heard(buffer: Buffer, start: number, end: number): readonly Buffer[] | "ready" {
    if (buffer[start] === engine.open) return [this.#parser.packet(types.connect)];
    if (isPing(buffer, start, end)) return [pong];
    const type = this.#parser.typeOf(buffer, start, end);
    if (type === types.connect) {
      if (this.#topics.length === 0) return "ready";
      return [this.#parser.packet(types.event, ["join", this.#topics], joinId)];
    }
    if (type === types.ack) return "ready";
    if (type === types.connectError) throw new Error(`refused: ${buffer.toString("utf8", start, end)}`);
    return [];
  }
}

const isPing = (buffer: Buffer, start: number, end: number) =>
  end - start === 1 && buffer[start] === engine.ping;

function protocolOf(parser: Parser): Protocol {
  return {
    path: () => "/socket.io/?EIO=4&transport=websocket",
    greeting: (member) => new SocketIoGreeting(parser, member),
    publication: (topic, payload) => parser.packet(types.event, ["publish", topicOf(topic), payload]),
    read: parser.read,
    control: (buffer, start, end) => (isPing(buffer, start, end) ? pong : undefined),
  };
}

/** Socket.IO has one kind of delivery: at most once, per publisher in order. */
export const socketIo = (): Protocol => protocolOf(textParser());
export const socketIoMsgpack = (): Protocol => protocolOf(msgpackParser());
