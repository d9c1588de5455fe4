// What the scripts promise of server instances: leases that fence, a shard's id, the registry. For every Redis.

import { expect, test } from "bun:test";
import { type Fixture, leaseMs } from "./redis-client.ts";

export function testInstances(fixture: Fixture): void {
  test("gives a lease under a number to who comes with one as great at least", async () => {
    const { ask, instances } = bound(await fixture.client());
    expect(await ask(instances.fence(5, leaseMs))).toBe(true);
    expect(await ask(instances.fence(4, leaseMs))).toBe(false);
    expect(await ask(instances.renewLease(5, leaseMs))).toBe(true);
    expect(await ask(instances.renewLease(4, leaseMs))).toBe(false);
    expect(await ask(instances.fence(6, leaseMs))).toBe(true);
    expect(await ask(instances.renewLease(5, leaseMs))).toBe(false);
  });

  test("takes a lease back from who has it, and from nobody else", async () => {
    const { ask, instances } = bound(await fixture.client("a"));
    expect(await ask(instances.fence(2, leaseMs))).toBe(true);
    expect(await ask(instances.release(1))).toBe(false);
    expect(await ask(instances.renewLease(2, leaseMs))).toBe(true);
    expect(await ask(instances.release(2))).toBe(true);
    expect(await ask(instances.renewLease(2, leaseMs))).toBe(false);
  });

  test("renews no lease that has run out, and gives a new one", async () => {
    const { ask, instances } = bound(await fixture.client("a"));
    const isHeld = async () => (await ask(instances.readRegistry())).has("a");
    expect(await ask(instances.fence(2, leaseMs))).toBe(true);
    await ask(instances.writeRegistry({ modes: {}, shards: [] }, leaseMs));
    expect(await isHeld()).toBe(true);
    expect(await ask(instances.fence(2, 20))).toBe(true);
    while (await isHeld());
    expect(await ask(instances.renewLease(2, leaseMs))).toBe(false);
    expect(await ask(instances.fence(3, leaseMs))).toBe(true);
    expect(await ask(instances.renewLease(3, leaseMs))).toBe(true);
  });

  test("has one id, the first one claimed, until it was emptied", async () => {
    let client = bound(await fixture.client());
    expect(await client.ask(client.instances.claimId("one"))).toBe("one");
    expect(await client.ask(client.instances.claimId("two"))).toBe("one");
    await fixture.under.restart(true);
    client = bound(await fixture.client());
    expect(await client.ask(client.instances.claimId("two"))).toBe("one");
    await fixture.under.restart(false);
    client = bound(await fixture.client());
    expect(await client.ask(client.instances.claimId("one"))).toBe("one");
  });

  test("shows the registry's entries of those who live", async () => {
    const [a, b] = [bound(await fixture.client("a")), bound(await fixture.client("b"))];
    const entry = { modes: { room: "stream", game: "volatile" }, shards: ["one", "two"] } as const;
    await a.ask(a.instances.writeRegistry(entry, leaseMs));
    await b.ask(b.instances.writeRegistry({ modes: {}, shards: [] }, leaseMs));
    const read = async () => [...(await a.ask(a.instances.readRegistry()))].sort();
    expect(await read()).toEqual([
      ["a", entry],
      ["b", { modes: {}, shards: [] }],
    ]);
    await b.ask(b.instances.release(1));
    expect(await read()).toEqual([["a", entry]]);
    await b.ask(b.instances.fence(2, leaseMs));
    expect(await read()).toEqual([["a", entry]]);
  });

  test("shows that an entry is there which it cannot read", async () => {
    const { ask, instances, keys, connection } = bound(await fixture.client("a"));
    for (const text of [
      "nonsense",
      "null",
      "{}",
      '{"modes":{"room":"odd"},"shards":[]}',
      '{"modes":{},"shards":[1]}',
    ]) {
      await connection.run([{ command: "SET", args: [keys.registry("a"), text, "PX", leaseMs] }]);
      expect([...(await ask(instances.readRegistry()))]).toEqual([["a", undefined]]);
    }
  });
}

function bound(client: Awaited<ReturnType<Fixture["client"]>>) {
  const { instances, keys, connection } = client;
  return { instances, keys, connection, ask: client.ask.bind(client) as typeof client.ask };
}
