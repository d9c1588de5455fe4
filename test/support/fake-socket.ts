// A WebSocket without a network, for the client's tests: whoever plays the server holds its other end. Knows no frames.

import type { WebSocketConstructor, WebSocketLike } from "../../src/client/environment.ts";

export class FakeSocket implements WebSocketLike {
  binaryType = "blob";
  bufferedAmount = 0;
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  onerror: WebSocketLike["onerror"] = null;
  readonly url: string;
  readonly protocols: readonly string[];
  /** How the client closed it, once it has. */
  closed: { readonly code: number | undefined; readonly reason: string | undefined } | undefined;
  /** Gets what the client sends. */
  served: (frame: Record<string, unknown>) => void = () => undefined;

  constructor(url: string, protocols: readonly string[]) {
    this.url = url;
    this.protocols = protocols;
  }

  send(data: string | Uint8Array): void {
    this.served(JSON.parse(String(data)));
  }

  close(code?: number, reason?: string): void {
    this.closed ??= { code, reason };
  }

  /** The server sends. */
  tell(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** Something is wrong; what, no script is told. */
  fail(): void {
    this.onerror?.({});
  }

  /** The server, or the network, ends it. */
  end(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }
}

/** A WebSocket class whose sockets are handed to `dial` as they are made. */
export function fakeWebSocket(dial: (socket: FakeSocket) => void): WebSocketConstructor {
  return class extends FakeSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      dial(this);
    }
  };
}
