// A web server that publishes key sets, as whoever signs tokens has one: well or badly, as a test tells it.

import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export class Issuer {
  /** Requests so far. */
  requests = 0;
  readonly url: string;
  readonly #server: Server;
  #answer: RequestListener = (_, reply) => reply.writeHead(503).end();

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    server.on("request", (request, reply) => {
      this.requests += 1;
      this.#answer(request, reply);
    });
  }

  static async start(): Promise<Issuer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new Issuer(server);
  }

  /** Answers with this text from now on. */
  publish(text: string | Uint8Array, headers: Record<string, string> = {}): void {
    this.#answer = (_, reply) => reply.writeHead(200, headers).end(text);
  }

  fail(status: number, headers: Record<string, string> = {}): void {
    this.#answer = (_, reply) => reply.writeHead(status, headers).end();
  }

  /** Answers in whatever way. */
  answer(listener: RequestListener): void {
    this.#answer = listener;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
