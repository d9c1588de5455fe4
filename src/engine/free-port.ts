// Which ports there are, asked of Node.js, for an engine that does not say why it cannot have one.

import { createServer } from "node:net";

/** Resolves to a port that could be bound just now (0: any), or rejects with the reason why this one cannot be. */
export function bindable(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen({ host, port, exclusive: true }, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : port));
    });
  });
}
