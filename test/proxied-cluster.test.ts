// A cluster for the faults behind HAProxy that cannot be started leaves no process behind.

import { expect, test } from "bun:test";
import { connect } from "node:net";
import { ProxiedCluster, startNode } from "./faults/proxied-cluster.ts";
import type { ServerProcess } from "./support/server-process.ts";

test("where one node cannot start, those that start meanwhile and afterwards are ended", async () => {
  const started: ServerProcess[] = [];
  let linkPort = 0;
  const starting = ProxiedCluster.start([], async (link, id, port) => {
    linkPort = link.port;
    if (id === 2) throw new Error("node 2 cannot start");
    const node = await startNode(link, id, port);
    started.push(node);
    return node;
  });
  await expect(starting).rejects.toThrow("node 2 cannot start");
  expect(started.map(({ isRunning }) => isRunning)).toEqual([false, false]);
  await expect(connected(linkPort)).rejects.toThrow("ECONNREFUSED");
});

function connected(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", reject);
  });
}
