// Whose a request is behind proxies: only what believed ones appended counts, in whatever spelling.

import { describe, expect, test } from "bun:test";
import { loadOptions } from "../src/config/config.ts";
import { clientAddressBy, isAddressRange } from "../src/connections/client-address.ts";

function addressOf(trusted: readonly string[], remoteAddress: string, forwarded?: string): string {
  const headers = new Map(forwarded === undefined ? [] : [["x-forwarded-for", forwarded]]);
  return clientAddressBy(trusted)({ method: "GET", path: "/ws", query: "", headers, remoteAddress });
}

const proxies = ["10.0.0.0/8", "192.0.2.7", "2001:db8:aa::/48"];

describe("the address of a request", () => {
  test.each<[string, readonly string[], string, string | undefined, string]>([
    ["of nobody believed is its peer's", [], "10.0.0.1", "198.51.100.1", "10.0.0.1"],
    ["of a peer that is no proxy is its own", proxies, "203.0.113.5", "198.51.100.1", "203.0.113.5"],
    ["by a proxy is whom it names", proxies, "10.1.2.3", "198.51.100.1", "198.51.100.1"],
    ["by a proxy is not what the client wrote", proxies, "10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1"],
    ["by two proxies is whom the first one heard", proxies, "10.1.2.3", "8.8.8.8,10.9.9.9", "8.8.8.8"],
    ["from within is the last that was named", proxies, "10.1.2.3", "10.9.9.9, 192.0.2.7", "10.9.9.9"],
    ["without the header is the proxy's", proxies, "10.1.2.3", undefined, "10.1.2.3"],
    ["with an empty header is the proxy's", proxies, "10.1.2.3", "", "10.1.2.3"],
    ["with nonsense in the header is the proxy's", proxies, "10.1.2.3", "1.1.1.1, unknown", "10.1.2.3"],
    ["with a port in the header is the proxy's", proxies, "10.1.2.3", "1.1.1.1:80", "10.1.2.3"],
    ["by a proxy in IPv6 is whom it names", proxies, "2001:db8:aa:1::9", "2001:db8::1", "2001:db8::1"],
    ["by a neighbour of the range is its own", proxies, "2001:db8:ab::9", "2001:db8::1", "2001:db8:ab::9"],
    ["by a neighbour of the address is its own", proxies, "192.0.2.6", "8.8.8.8", "192.0.2.6"],
    ["knows IPv4 in IPv6", proxies, "::ffff:10.1.2.3", "8.8.8.8", "8.8.8.8"],
    ["knows it in words", proxies, "0000:0000:0000:0000:0000:ffff:0a01:0203", "8.8.8.8", "8.8.8.8"],
    ["of odd bits is in the range", ["10.128.0.0/9"], "10.200.0.1", "8.8.8.8", "8.8.8.8"],
    ["of odd bits is outside of it", ["10.128.0.0/9"], "10.127.0.1", "8.8.8.8", "10.127.0.1"],
    ["of anybody, where all are believed", ["0.0.0.0/0"], "1.2.3.4", "5.6.7.8", "5.6.7.8"],
  ])("%s", (_, trusted, remoteAddress, forwarded, expected) => {
    expect(addressOf(trusted, remoteAddress, forwarded)).toBe(expected);
  });
});

test("a range is an address with or without bits, and nothing else is", () => {
  const fine = ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/32", "::1", "2001:db8::/128", "::/0"];
  const bad = [
    "",
    "proxy",
    "10.0.0",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "::/129",
    "fe80::1%1",
  ];
  expect(fine.filter((text) => !isAddressRange(text))).toEqual([]);
  expect(bad.filter(isAddressRange)).toEqual([]);
});

test("the variable is such a list, or the start ends with one line", () => {
  const load = (value: string) => loadOptions({ FANWIRE_TRUSTED_PROXIES: value }, () => "{}").trustedProxies;
  expect(load("10.0.0.0/8, ::1")).toEqual(["10.0.0.0/8", "::1"]);
  expect(() => load("")).toThrow('FANWIRE_TRUSTED_PROXIES is "": must be a list of IP addresses');
  expect(() => load("::1,lb")).toThrow('FANWIRE_TRUSTED_PROXIES is "lb": must be a list of IP addresses');
});
