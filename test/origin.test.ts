// Origins: which pages may connect, and which Host headers name this machine.

import { expect, test } from "bun:test";
import { hostIsLoopback, originAllowed } from "../src/connections/origin.ts";

const listed = ["https://app.example", "capacitor://localhost"];

test.each<[string | undefined, string | undefined, boolean]>([
  [undefined, "node.example", true],
  [undefined, undefined, true],
  ["https://node.example", "node.example", true],
  ["http://node.example:9001", "node.example:9001", true],
  ["http://node.example:9001", "NODE.example:9001", true],
  ["https://node.example", "node.example:443", true],
  ["http://[::1]:9001", "[::1]:9001", true],
  ["https://app.example", "node.example", true],
  ["capacitor://localhost", "node.example", true],
  ["http://app.example", "node.example", false],
  ["https://app.example:444", "node.example", false],
  ["http://node.example:9002", "node.example:9001", false],
  ["https://node.example", "node.example:80", false],
  ["https://node.example.evil.example", "node.example", false],
  ["https://evil.example", "node.example", false],
  ["https://evil.example", undefined, false],
  ["capacitor://node.example", "node.example", false],
  ["null", "node.example", false],
  ["", "", false],
])("a page of %p at a node of %p: %p", (origin, host, allowed) => {
  expect(originAllowed({ origin, host }, listed)).toBe(allowed);
});

test.each<[string | undefined, boolean]>([
  ["localhost", true],
  ["LOCALHOST:9001", true],
  ["app.localhost:9001", true],
  ["127.0.0.1:9001", true],
  ["127.255.3.4", true],
  ["[::1]:9001", true],
  [undefined, false],
  ["", false],
  ["evil.example:9001", false],
  ["localhost.evil.example", false],
  ["evillocalhost", false],
  ["127.0.0.1.evil.example", false],
  ["127.0.0.256", false],
  ["128.0.0.1", false],
  ["10.0.0.1", false],
  ["[::2]", false],
  ["localhost:9001:80", false],
])("Host %p names this machine: %p", (host, loopback) => {
  expect(hostIsLoopback(host)).toBe(loopback);
});
