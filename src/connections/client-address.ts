// Whose a request is where proxies stand between: what they say of it counts only from those that are believed. Knows nothing of
// what is limited by address.

import { isIP } from "node:net";
import type { HttpRequest } from "../engine/engine.ts";
import { addressWords } from "./address-group.ts";

interface Range {
  readonly words: readonly number[];
  /** How many of their leading bits an address shares with it. */
  readonly bits: number;
}

/**
 * Answers a request's address: its peer's, or where that is a trusted proxy, the last address of `X-Forwarded-For` that is not a
 * trusted proxy too. Each proxy appends whom it heard, so all further left is hearsay, and anybody can write it.
 */
export function clientAddressBy(trustedProxies: readonly string[]): (request: HttpRequest) => string {
  const ranges = trustedProxies.map(rangeOf);
  const isTrusted = (address: string) => {
    const words = addressWords(address);
    return ranges.some((range) => contains(range, words));
  };
  return ({ remoteAddress, headers }) => {
    if (ranges.length === 0 || !isTrusted(remoteAddress)) return remoteAddress;
    const named = (headers.get("x-forwarded-for") ?? "").split(",");
    let address = remoteAddress;
    while (isTrusted(address)) {
      const next = named.pop()?.trim();
      // Where a proxy has said nothing that is an address, all that is known is the proxy.
      if (next === undefined || isIP(next) === 0) return address;
      address = next;
    }
    return address;
  };
}

/** Whether it is an address, or a range of them as `address/bits`. */
export function isAddressRange(text: string): boolean {
  const [address = "", bits, ...more] = text.split("/");
  const family = isIP(address);
  if (family === 0 || address.includes("%") || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

function rangeOf(text: string): Range {
  const [address = "", bits] = text.split("/");
  // An IPv4 address stands in the last 32 of 128 bits.
  const before = isIP(address) === 4 ? 96 : 0;
  return { words: addressWords(address), bits: bits === undefined ? 128 : before + Number(bits) };
}

function contains({ words, bits }: Range, address: readonly number[]): boolean {
  return words.every((word, index) => {
    const shared = Math.max(0, Math.min(16, bits - 16 * index));
    return word >> (16 - shared) === address[index]! >> (16 - shared);
  });
}
