// What the kernel holds for one loopback connection, both directions of waiting: sent and not read yet; IPv4, Linux only.

import { readFileSync } from "node:fs";

/** Bytes in the send queue of the server's end plus those in the receive queue of the client's end. */
export function kernelQueuedBytes(serverPort: number, clientPort: number): number {
  let bytes = 0;
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, local = "", remote = "", , queues = ""] = line.trim().split(/\s+/);
    const [sending = "0", receiving = "0"] = queues.split(":");
    const port = (address: string) => Number.parseInt(address.split(":")[1] ?? "", 16);
    if (port(local) === serverPort && port(remote) === clientPort) bytes += Number.parseInt(sending, 16);
    if (port(local) === clientPort && port(remote) === serverPort) bytes += Number.parseInt(receiving, 16);
  }
  return bytes;
}
