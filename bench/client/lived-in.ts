// Subscribers of a server that has lived: of three times as many connections those that are left; knows no protocol.

import { seededRandom, shuffled } from "../measure/stats.ts";

const opened = 3;

/**
 * The engine keeps a topic's subscribers in the order of their addresses in memory. In a server that has done nothing before,
 * and nothing else on each connection, that is the order in which the kernel made their sockets: each send finds what it
 * needs beside the last one's. As soon as connections come and go the two orders part. Of bare Bun.serve's cost per delivery to
 * a thousand that is 5.5 % [4.7, 6.2]: more than what is to be measured, and no merit of either server. So both close
 * two connections of three, the same ones, before anything is measured.
 *
 * `open` resolves once all of them have joined; only then some are closed.
 */
export async function openLivedIn<One extends { index: number; cut(): void }>(
  count: number,
  open: (count: number) => Promise<readonly One[]>,
): Promise<One[]> {
  const all = await open(opened * count);
  const stay = new Set(shuffled(all, seededRandom(count)).slice(0, count));
  const left = all.filter((connection) => stay.has(connection));
  for (const connection of all) if (!stay.has(connection)) connection.cut();
  left.forEach((connection, place) => {
    connection.index = place;
  });
  return left;
}
