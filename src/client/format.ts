// How frames become messages of a WebSocket: JSON here, MessagePack in a file of its own. Knows nothing of what they say.

export interface ClientFormat {
  readonly subprotocol: string;
  encode(frame: object): string | Uint8Array;
  /** Throws where it is not in this format. `data`: a string, or an ArrayBuffer. */
  decode(data: unknown): unknown;
}

export const json: ClientFormat = {
  subprotocol: "fanwire.v1.json",
  encode: (frame) => JSON.stringify(frame),
  decode: (data) => JSON.parse(data as string),
};
