// A node that does nothing but answer HAProxy's checks as it is told, and every request with its name.

import { createServer, type Server } from "node:http";

/** What the check is answered: it takes clients, it drains, it does not work. */
const answers = { ready: 200, draining: 404, failing: 500 } as const;

export class PlayedNode {
  readonly id: number;
  state: keyof typeof answers = "ready";
  readonly #server: Server;

  private constructor(id: number) {
    this.id = id;
    this.#server = createServer((request, response) => {
      if (request.url === "/ready") response.writeHead(answers[this.state]).end();
      else if (request.url === "/health") response.writeHead(200).end();
      else response.end(`${id}`);
    });
  }

  static async start(id: number): Promise<PlayedNode> {
    const node = new PlayedNode(id);
    await new Promise<void>((resolve) => node.#server.listen(0, "127.0.0.1", resolve));
    return node;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
