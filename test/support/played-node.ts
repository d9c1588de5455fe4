// A node that does nothing but answer HAProxy's checks as it is told, and every other request as whoever plays it says.

import { createServer, type Server, type ServerResponse } from "node:http";

/** What the check is answered: it takes clients, it drains, it does not work. */
const answers = { ready: 200, draining: 404, failing: 500 } as const;

export class PlayedNode {
  state: keyof typeof answers = "ready";
  readonly #server: Server;

  /** `respond`: to a client. */
  constructor(respond: (response: ServerResponse) => void) {
    this.#server = createServer((request, response) => {
      if (request.url === "/ready") response.writeHead(answers[this.state]).end();
      else if (request.url === "/health") response.writeHead(200).end();
      else respond(response);
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
