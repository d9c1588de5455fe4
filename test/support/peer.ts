// A client of protocol 1 for tests, in either wire format: frames out, frames in, answers by `id`. Knows no topic's promise
// and nothing of offsets: what it sees is what the server sent, in that order.

import { Packr } from "msgpackr";
import { type ConnectOptions, connect, encodeFrame, opcodes, type WebSocketClient } from "./websocket.ts";

export type FormatName = "json" | "msgpack";

/** A publication, as it stands in `publications` of an answer. */
export interface Item {
  readonly data?: unknown;
  readonly userId?: string;
  readonly offset?: number;
  readonly [field: string]: unknown;
}

/** A frame from the server. Which fields are there depends on its type. */
export interface Frame extends Item {
  readonly type: string;
  readonly id?: number;
  readonly topic?: string;
  readonly epoch?: string;
  readonly code?: string | number;
  readonly publications?: readonly Item[];
}

export interface PeerOptions extends Omit<ConnectOptions, "path" | "protocols"> {
  /** Default `json`. */
  readonly format?: FormatName;
  readonly token?: string;
  /** The query besides the token, without `?`. */
  readonly query?: string;
}

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" });
const open = new Set<Peer>();

/** Drops every connection opened so far: for `afterEach`. */
export function dropPeers(): void {
  for (const peer of open) peer.raw.destroy();
  open.clear();
}

export class Peer {
  /** The connection itself, for what peers do not do. Its own queue of messages is read by the peer. */
  readonly raw: WebSocketClient;
  readonly #format: FormatName;
  /** Frames that nobody has asked for yet, in the order in which they came. */
  #frames: Frame[] = [];
  #pulling: Promise<void> | undefined;
  #nextId = 1;

  private constructor(raw: WebSocketClient, format: FormatName) {
    this.raw = raw;
    this.#format = format;
  }

  /** Opens a connection and resolves once the handshake is done, before any frame. */
  static async open(port: number, options: PeerOptions = {}): Promise<Peer> {
    const { format = "json", token, query, ...rest } = options;
    const headers = [...(rest.headers ?? [])];
    if (token !== undefined) headers.push(["Authorization", `Bearer ${token}`]);
    const path = query === undefined ? "/ws" : `/ws?${query}`;
    const raw = await connect(port, { ...rest, path, headers, protocols: [`fanwire.v1.${format}`] });
    const peer = new Peer(raw, format);
    open.add(peer);
    return peer;
  }

  /** Opens a connection and waits for its first frame, which `first` resolves to again. */
  static async connect(port: number, options: PeerOptions = {}): Promise<Peer & { connected: Frame }> {
    const peer = await Peer.open(port, options);
    return Object.assign(peer, { connected: await peer.next() });
  }

  /** Sends frames as they are, all of them in one write. */
  send(...frames: readonly object[]): void {
    this.raw.sendRaw(Buffer.concat(frames.map((frame) => this.#encode(frame))));
  }

  /** Sends a request under an id of its own and resolves to its answer. */
  async request(frame: object): Promise<Frame> {
    const [answer] = await this.requests(frame);
    return answer!;
  }

  /** Sends several requests in one write and resolves to their answers, in the order of the requests. */
  requests(...frames: readonly object[]): Promise<Frame[]> {
    const numbered = frames.map((frame) => ({ ...frame, id: this.#nextId++ }));
    this.send(...numbered);
    return Promise.all(numbered.map(({ id }) => this.answer(id)));
  }

  answer(id: number): Promise<Frame> {
    return this.#take((frame) => frame.id === id);
  }

  /** The oldest frame not yet taken. */
  next(): Promise<Frame> {
    return this.#take(() => true);
  }

  /** The oldest frame of a type not yet taken. */
  take(type: string): Promise<Frame> {
    return this.#take((frame) => frame.type === type);
  }

  /** The next messages of a topic, or of any. */
  async messages(count: number, topic?: string): Promise<Frame[]> {
    const messages: Frame[] = [];
    while (messages.length < count) {
      const isWanted = (frame: Frame) => frame.type === "message" && (!topic || frame.topic === topic);
      messages.push(await this.#take(isWanted));
    }
    return messages;
  }

  /** Whatever came up to now and was not taken; also nothing. What the server did before this call is in it. */
  async settled(): Promise<Frame[]> {
    await this.request({ type: "ping" });
    const arrived = await this.raw.settled();
    this.#frames.push(...arrived.map((message) => this.#decode(message)));
    return this.#frames.splice(0);
  }

  #encode(frame: object): Buffer {
    return this.#format === "json"
      ? encodeFrame({ opcode: opcodes.text, payload: JSON.stringify(frame) })
      : encodeFrame({ opcode: opcodes.binary, payload: packr.pack(frame) });
  }

  #decode(message: string | Buffer): Frame {
    if ((typeof message === "string") !== (this.#format === "json")) {
      throw new Error(`a ${typeof message === "string" ? "text" : "binary"} frame for ${this.#format}`);
    }
    return typeof message === "string" ? JSON.parse(message) : packr.unpack(message);
  }

  async #take(isWanted: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const at = this.#frames.findIndex(isWanted);
      if (at >= 0) return this.#frames.splice(at, 1)[0]!;
      await this.#pull();
    }
  }

  /** Waits for one more frame. However many wait, it is asked for once. */
  #pull(): Promise<void> {
    this.#pulling ??= this.raw
      .next()
      .then((message) => void this.#frames.push(this.#decode(message)))
      .finally(() => {
        this.#pulling = undefined;
      });
    return this.#pulling;
  }
}
