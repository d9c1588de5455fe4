// What processes and the kernel hold in memory, as the kernel counts it; Linux only, and the kernel's slabs by name for root only.

import { readFileSync } from "node:fs";

/** In bytes. */
export interface Footprint {
  readonly rss: number;
  /** Its proportional share where pages are shared: program text, mostly. */
  readonly pss: number;
}

export function readFootprint(pid: number): Footprint {
  const { rss, pss } = readRollup(pid);
  return { rss, pss };
}

/** `anonymous`: what of it is no file's: heaps, stacks, and what libraries allocate. */
export function readRollup(pid: number): Footprint & { readonly anonymous: number } {
  const bytes = kilobytesIn(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  return { rss: bytes("Rss"), pss: bytes("Pss"), anonymous: bytes("Anonymous") };
}

/** Reads bytes off lines such as `Rss:   1234 kB`. */
const kilobytesIn = (text: string) => (name: string) =>
  Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1]) * 1024;

/** In bytes, of the whole machine. */
export interface KernelMemory {
  /** All objects of the kernel: sockets, files, inodes, directory entries, and what waits in queues. */
  readonly slab: number;
  readonly pageTables: number;
  /** TCP sockets that are open or were closed a moment ago, as `sockstat` counts them. */
  readonly tcpSockets: number;
  /** What waits in their buffers. */
  readonly tcpBuffers: number;
  /** By kind of object; empty where it may not be read. */
  readonly slabs: Readonly<Record<string, number>>;
}

const pageBytes = 4096;

export function readKernel(): KernelMemory {
  return {
    ...parseMeminfo(readFileSync("/proc/meminfo", "utf8")),
    ...parseSockstat(readFileSync("/proc/net/sockstat", "utf8")),
    slabs: readSlabs(),
  };
}

export function parseMeminfo(text: string): Pick<KernelMemory, "slab" | "pageTables"> {
  const bytes = kilobytesIn(text);
  return { slab: bytes("Slab"), pageTables: bytes("PageTables") };
}

export function parseSockstat(text: string): Pick<KernelMemory, "tcpSockets" | "tcpBuffers"> {
  const [, sockets, pages] = /^TCP: .* alloc (\d+) mem (\d+)/m.exec(text) ?? [];
  return { tcpSockets: Number(sockets), tcpBuffers: Number(pages) * pageBytes };
}

function readSlabs(): Record<string, number> {
  try {
    return parseSlabs(readFileSync("/proc/slabinfo", "utf8"));
  } catch {
    return {};
  }
}

/** Each line: name, objects in use, objects, bytes of one, … */
export function parseSlabs(text: string): Record<string, number> {
  const lines = [...text.matchAll(/^([^\s#]+) +\d+ +(\d+) +(\d+) /gm)];
  return Object.fromEntries(
    lines.map(([, name = "", count, bytes]) => [name, Number(count) * Number(bytes)]),
  );
}
