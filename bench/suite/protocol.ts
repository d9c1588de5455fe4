// What the load generator speaks to a target: bytes in, bytes out. Knows no socket, no clock and no statistics.

/** What a target promises about a topic; a target without modes of its own speaks its one protocol for all it supports. */
export type Mode = "volatile" | "stream" | "latest";

/** One connection as its protocol needs to know it. */
export interface Member {
  readonly role: "subscriber" | "publisher";
  /** Unique among the connections of its role: names users and sessions where a protocol wants names. */
  readonly number: number;
  /** What a subscriber joins, or what a publisher publishes to: topic numbers from 0. */
  readonly topics: readonly number[];
}

/** The server frames a connection hears until it is ready, one at a time, each answered. One object per connection. */
export interface Greeting {
  /** Client frames to send as soon as the upgrade is through (connect, authenticate, subscribe); may be empty. */
  first(): readonly Buffer[];
  /**
   * A server frame's payload, `buffer` from `start` to `end`. Answers frames to send next, or `ready` once the server has
   * confirmed every topic. Throws an Error with the server's refusal, which fails the connection.
   */
  heard(buffer: Buffer, start: number, end: number): readonly Buffer[] | "ready";
}

/** What a member knows of its place in its topics, over all of its connections. */
export interface Recovery {
  /** Every server frame of the ready connection. */
  heard(buffer: Buffer, start: number, end: number): void;
  /** Finds publications that the greeting's frames brought, as `read` does. */
  readonly missed: Protocol["read"];
}

/** Hears of publications inside server frames. */
export interface Sink {
  /** `at`: where in the buffer the payload's mark (`payloadMark`) is. Called once for each publication, in their order. */
  delivery(buffer: Buffer, at: number): void;
}

export interface Protocol {
  /** Path and query of the upgrade; a protocol without subscribe frames has its topics here. */
  path(member: Member): string;
  /** Value of Sec-WebSocket-Protocol; absent: none is offered. */
  readonly subprotocol?: string;
  /** Further headers of the upgrade. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Absent answer: the connection is ready as soon as the upgrade is through. `recovery`: what a former connection of the same
   * member remembers; the greeting asks for what was missed since.
   */
  greeting(member: Member, recovery?: Recovery): Greeting | undefined;
  /** Made once per member where connections are cut and come back. Absent: what was missed stays missed. */
  recovery?(): Recovery;
  /**
   * The whole client frame (`maskedFrame` of client/frames.ts: mask zero) that publishes `payload` to the topic. It must hold the payload
   * verbatim, mark included, because the generator keeps the frame and writes new digits over the old ones. It must ask for
   * no acknowledgement where the target can do without.
   */
  publication(topic: number, payload: string): Buffer;
  /**
   * Finds the publications in a server frame's payload and answers how many there were; some protocols put several into one
   * frame. Must do no more than find the mark: parsing would make the generator the bottleneck.
   */
  read(buffer: Buffer, start: number, end: number, sink: Sink): number;
  /** A frame without publications: what to answer (a ping of the application's own), or nothing. Default: nothing, ever. */
  control?(buffer: Buffer, start: number, end: number): Buffer | undefined;
  /** Asks `control` about frames with publications too: a ping may stand among them. Default: false. */
  readonly hasPingsAmongPublications?: boolean;
}

/** Protocols are made by name in every process of the generator, so a name and a mode is all that is sent between them. */
export type ProtocolFactory = (mode: Mode) => Protocol;

/**
 * A payload is printable ASCII that needs no escaping in JSON: the mark, then fixed-width decimal digits, then filling.
 * The digits are the publication's place in the schedule, from which everybody knows topic, publisher and sequence, and the
 * nanoseconds from the start of the run to the moment it was really sent.
 */
export const payloadMark = "#".charCodeAt(0);
export const indexDigits = 9;
export const sentDigits = 12;
export const leastPayloadBytes = 1 + indexDigits + sentDigits;

/** `bytes` long, digits all zero. */
export const payloadOf = (bytes: number): string =>
  `#${"0".repeat(indexDigits + sentDigits)}${"x".repeat(Math.max(0, bytes - leastPayloadBytes))}`;

function writeDigits(buffer: Buffer, at: number, digits: number, value: number): void {
  let rest = value;
  for (let place = at + digits - 1; place >= at; place--) {
    const next = Math.floor(rest / 10);
    buffer[place] = 48 + rest - next * 10;
    rest = next;
  }
}

function readDigits(buffer: Buffer, at: number, digits: number): number {
  let value = 0;
  for (let place = at; place < at + digits; place++) value = value * 10 + (buffer[place] as number) - 48;
  return value;
}

/** Writes over the digits of the payload whose mark is at `at`. */
export function stampPayload(buffer: Buffer, at: number, index: number, sentAfterNs: number): void {
  writeDigits(buffer, at + 1, indexDigits, index);
  writeDigits(buffer, at + 1 + indexDigits, sentDigits, Math.round(sentAfterNs));
}

export const indexAt = (buffer: Buffer, at: number): number => readDigits(buffer, at + 1, indexDigits);

/** Nanoseconds from the start of the run. */
export const sentAfterAt = (buffer: Buffer, at: number): number =>
  readDigits(buffer, at + 1 + indexDigits, sentDigits);

/** Finds the mark of one publication per frame. It looks where the last one was before it searches. */
export class MarkPlace {
  #offset = 0;

  /** Where the first mark is, or -1. */
  find(buffer: Buffer, start: number, end: number): number {
    const guess = start + this.#offset;
    if (guess < end && buffer[guess] === payloadMark) return guess;
    for (let at = start; at < end; at++) {
      if (buffer[at] !== payloadMark) continue;
      this.#offset = at - start;
      return at;
    }
    return -1;
  }
}

/** `read` of a protocol that puts one publication into a frame. Topic names must not contain the mark. */
export function oneAFrame(): Protocol["read"] {
  const place = new MarkPlace();
  return (buffer, start, end, sink) => {
    const at = place.find(buffer, start, end);
    if (at === -1) return 0;
    sink.delivery(buffer, at);
    return 1;
  };
}

/** `read` of a protocol that may put several publications into a frame. */
export function manyAFrame(): Protocol["read"] {
  return (buffer, start, end, sink) => {
    let found = 0;
    let at = buffer.indexOf(payloadMark, start);
    while (at !== -1 && at < end) {
      sink.delivery(buffer, at);
      found++;
      at = buffer.indexOf(payloadMark, at + leastPayloadBytes);
    }
    return found;
  };
}
