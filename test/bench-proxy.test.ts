// The instruments of the benchmarks connections and proxy-hop: what is read of the kernel, and what is made of it.

import { describe, expect, test } from "bun:test";
import { Connection } from "../bench/client/connection.ts";
import { startIdle } from "../bench/client/idle-process.ts";
import {
  type KernelMemory,
  parseMeminfo,
  parseSlabs,
  parseSockstat,
  readFootprint,
  readKernel,
} from "../bench/measure/footprint.ts";
import { createHistogram } from "../bench/measure/histogram.ts";
import { type ConnectionsStep, sharesOf } from "../bench/scenarios/connections.ts";
import { bytesOf, flagsOf, kernelPerSocket, slopeOf } from "../bench/scenarios/connections-report.ts";
import type { HopWindow } from "../bench/scenarios/proxy-hop.ts";
import { extraUs, nodeUs, proxyUs } from "../bench/scenarios/proxy-hop-report.ts";
import { startProxy } from "../bench/targets/haproxy.ts";
import { startServer } from "../bench/targets/servers.ts";

describe("the kernel's memory", () => {
  test("is read by name", () => {
    expect(parseMeminfo("MemTotal:  100 kB\nSlab:             2048 kB\nPageTables:   3 kB\n")).toEqual({
      slab: 2048 * 1024,
      pageTables: 3072,
    });
    const sockstat = "sockets: used 63\nTCP: inuse 31 orphan 0 tw 3 alloc 33 mem 58\nUDP: inuse 0 mem 0\n";
    expect(parseSockstat(sockstat)).toEqual({ tcpSockets: 33, tcpBuffers: 58 * 4096 });
    const slabinfo = [
      "slabinfo - version: 2.1",
      "# name            <active_objs> <num_objs> <objsize> <objperslab>",
      "TCP                 40     52   2432   13    8 : tunables    0    0    0 : slabdata      4",
      "dentry            9000   9030    192   21    1 : tunables    0    0    0 : slabdata    430",
    ].join("\n");
    expect(parseSlabs(slabinfo)).toEqual({ TCP: 52 * 2432, dentry: 9030 * 192 });
  });

  test("is there on this machine, and a process has its share", () => {
    const { slab, tcpSockets } = readKernel();
    expect(slab).toBeGreaterThan(1e6);
    expect(tcpSockets).toBeGreaterThanOrEqual(0);
    const { rss, pss } = readFootprint(process.pid);
    expect(pss).toBeWithin(1e6, rss + 1);
  });
});

describe("connections", () => {
  const kernel = (count: number, perSocket: number): KernelMemory => ({
    slab: 90e6 + 2 * count * perSocket,
    pageTables: 0,
    tcpSockets: 40 + 2 * count,
    tcpBuffers: 0,
    slabs: {},
  });
  const steps: readonly ConnectionsStep[] = [0, 1000, 4000, 8000].map((count) => ({
    connections: count,
    nodes: { rss: 80e6 + 4000 * count, pss: 70e6 + 4000 * count },
    proxy: { rss: 20e6 + 900 * count, pss: 20e6 },
    kernel: kernel(count, 3000),
  }));

  test("are as many per process as fit, spread evenly", () => {
    expect(sharesOf(100_000, 17_000)).toEqual([16_667, 16_667, 16_667, 16_667, 16_666, 16_666]);
    expect(sharesOf(600, 200)).toEqual([200, 200, 200]);
    expect(sharesOf(5, 200)).toEqual([5]);
  });

  test("weigh what grows with them, whatever is there without", () => {
    expect(slopeOf(steps, ({ nodes }) => nodes.rss)).toBeCloseTo(4000, 6);
    expect(kernelPerSocket(steps)).toBeCloseTo(3000, 6);
    const [node, proxy, inKernel] = bytesOf({ kind: "proxied", steps });
    expect([node?.bytes, proxy?.bytes, inKernel?.bytes].map((bytes) => Math.round(bytes!))).toEqual([
      4000, 900, 9000,
    ]);
    expect([node?.base, proxy?.base]).toEqual([80e6, 20e6]);
    expect(bytesOf({ kind: "direct", steps }).at(-1)?.bytes).toBeCloseTo(3000, 6);
  });

  test("that were cut, and memory that lies on no line, are told of", () => {
    const names = (cut: number, of: readonly ConnectionsStep[]) =>
      flagsOf({ cut, steps: of }, { quick: false }).map(({ name }) => name);
    expect(names(0, steps)).toEqual([]);
    expect(names(1, steps)).toEqual(["connections-cut"]);
    const bent = steps.map((step) =>
      step.connections === 1000 ? { ...step, nodes: { rss: 2e8, pss: 0 } } : step,
    );
    expect(names(0, bent)).toEqual(["not-a-line"]);
    expect(flagsOf({ cut: 0, steps }, { quick: true }).map(({ name }) => name)).toEqual(["quick"]);
  });

  test("stay until they are told to end, and know of those that were cut", async () => {
    const node = await startServer("fanwire", "bun");
    const group = startIdle({ port: node.port, connections: 70, sources: ["127.0.0.9", "127.0.0.10"] });
    expect((await group.opened).elapsedMs).toBeGreaterThan(0);
    expect(await group.finish()).toEqual({ cut: 0 });
    const other = startIdle({ port: node.port, connections: 3, sources: ["127.0.0.9", "127.0.0.10"] });
    await other.opened;
    await node.stop();
    expect(await other.finish()).toEqual({ cut: 3 });
  });
});

describe("proxy-hop", () => {
  test("the proxy's CPU is shared among what went through it", () => {
    const side = (us: number, serverNs: number, received: number) => {
      const fromSent = createHistogram();
      fromSent.recordValue(us * 1000);
      return { fromSent, serverNs, facts: { received } };
    };
    const results = { direct: side(40, 3e6, 300), proxied: side(100, 6e6, 300) };
    const window = { results, proxyNs: 4.5e6 } as unknown as HopWindow;
    expect(extraUs(window)).toBeCloseTo(60, 0);
    expect([nodeUs(window, "direct"), nodeUs(window, "proxied"), proxyUs(window)]).toEqual([10, 20, 15]);
  });

  test("a client comes through the pinned proxy to its node", async () => {
    const node = await startServer("fanwire", "bun");
    const proxy = await startProxy([node.port], { maxConnections: 100 });
    const connection = await Connection.open({ port: proxy.port, format: "json" });
    expect(connection.connected.type).toBe("connected");
    expect(proxy.version).toMatch(/^\d+\.\d+/);
    expect(readFootprint(proxy.pid).rss).toBeGreaterThan(1e6);
    connection.cut();
    await proxy.stop();
    await node.stop();
  });
});
