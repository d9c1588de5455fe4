// Who may connect: caps by node, address, user and authentication, and that they count right over any life of a connection.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { addressGroup } from "../src/connections/address-group.ts";
import { type CapLimits, ConnectionCaps } from "../src/connections/connection-caps.ts";
import { FanwireError } from "../src/errors.ts";

const limits: CapLimits = {
  maxConnections: 8,
  maxConnectionsPerAddress: 4,
  maxConnectionsPerUser: 3,
  maxUnauthenticatedConnections: 5,
};

describe("an address", () => {
  test.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::ffff:127.0.0.1", "127.0.0.1"],
    ["::FFFF:7f00:1", "127.0.0.1"],
    ["0000:0000:0000:0000:0000:ffff:7f00:0001", "127.0.0.1"],
    ["2001:db8:1:2::5", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002:ffff:0000:0000:0001", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::5", "2001:db8:1:3::/64"],
    ["2001:db8::1:2:3:4:5", "2001:db8:0:1::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["", ""],
  ])("%s counts as %s", (address, group) => {
    expect(addressGroup(address)).toBe(group);
  });
});

describe("a connection", () => {
  test("is refused where the node is full, or its address, or too many are waiting to be authenticated", () => {
    const caps = new ConnectionCaps(limits);
    const refusal = (address: string) => {
      const { status, body, headers } = caps.refuse(address) ?? {};
      expect(headers?.["retry-after"]).toBe(status === undefined ? undefined : "2");
      return [status, body && JSON.parse(String(body)).error.code];
    };
    for (let i = 0; i < 4; i++) caps.opened("2001:db8::1");
    expect(refusal("2001:db8::2")).toEqual([429, "too-many"]);
    expect(refusal("2001:db8:0:1::1")).toEqual([undefined, undefined]);
    caps.opened("127.0.0.1");
    expect(refusal("127.0.0.1")).toEqual([503, "too-many"]);
    for (let i = 0; i < 4; i++) caps.authenticated(`user-${i}`);
    expect(refusal("127.0.0.1")).toEqual([undefined, undefined]);
    for (let i = 0; i < 3; i++) caps.opened("127.0.0.1");
    expect(refusal("127.0.0.2")).toEqual([503, "too-many"]);
    caps.ended("2001:db8::1", "user-0");
    expect(refusal("127.0.0.2")).toEqual([undefined, undefined]);
    expect(refusal("127.0.0.1")).toEqual([429, "too-many"]);
    expect(refusal("2001:db8::2")).toEqual([undefined, undefined]);
  });

  test("is counted from its beginning to its end, and nothing stays of it: any lives of many", () => {
    const step = fc.record({
      act: fc.constantFrom("open", "authenticate", "end"),
      pick: fc.nat(20),
      address: fc.constantFrom("a", "b", "c"),
      user: fc.constantFrom("ann", "ben"),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
        const caps = new ConnectionCaps(limits);
        let alive: { address: string; user?: string }[] = [];
        for (const { act, pick, address, user } of steps) {
          const one = alive[pick % Math.max(1, alive.length)];
          const unknown = alive.filter((connection) => connection.user === undefined).length;
          const ofAddress = alive.filter((connection) => connection.address === address).length;
          if (act === "open") {
            const fits = alive.length < 8 && unknown < 5 && ofAddress < 4;
            expect(caps.refuse(address) === undefined).toBe(fits);
            if (!fits) continue;
            caps.opened(address);
            alive.push({ address });
          } else if (act === "authenticate" && one && one.user === undefined) {
            const ofUser = alive.filter((connection) => connection.user === user).length;
            if (ofUser < 3) {
              caps.authenticated(user);
              one.user = user;
            } else expect(() => caps.authenticated(user)).toThrow(FanwireError);
          } else if (act === "end" && one) {
            caps.ended(one.address, one.user);
            alive = alive.filter((connection) => connection !== one);
          }
        }
        for (const { address, user } of alive) caps.ended(address, user);
        expect(caps.remembered).toBe(0);
      }),
    );
  });
});
