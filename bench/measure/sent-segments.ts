// How many TCP segments with data a server has sent, by connection, as `ss` tells: a write of less than 64 KiB on loopback is one
// segment. `/proc/PID/io` does not count send(2), and what a receiver reads at once may be several writes. Linux with iproute2.

import { execFileSync } from "node:child_process";

/** The sum over the connections that the server's end has open, by the ports of the clients' ends; undefined without `ss`. */
export function sentSegments(serverPort: number, clientPorts: ReadonlySet<number>): number | undefined {
  try {
    const filter = ["state", "established", `( sport = :${serverPort} )`];
    return parseSegments(execFileSync("ss", ["-tinH", ...filter], { encoding: "utf8" }), clientPorts);
  } catch {
    return undefined;
  }
}

/** Each connection is a line with its addresses and an indented one with its counts. */
export function parseSegments(text: string, clientPorts: ReadonlySet<number>): number {
  let sum = 0;
  let isCounted = false;
  for (const line of text.split("\n")) {
    if (/^\s/.test(line)) {
      if (isCounted) sum += Number(/ data_segs_out:(\d+)/.exec(line)?.[1] ?? 0);
    } else {
      const peer = line.trim().split(/\s+/).at(3) ?? "";
      isCounted = clientPorts.has(Number(peer.slice(peer.lastIndexOf(":") + 1)));
    }
  }
  return sum;
}
