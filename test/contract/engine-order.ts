// The engine contract's part on order and native topics: who gets what, and in which order.
import { expect, test } from "bun:test";
import type { Step } from "../support/engine-host.ts";
import { type Message, opcodes } from "../support/websocket.ts";
import type { HostInUse } from "./engine.ts";

/** Messages without the dots that bring them to their length. */
const labels = (messages: Message[]) => messages.map((message) => String(message).replace(/\.+$/, ""));
const sized = (label: string, length: number) => ({ label, length });

/** Publications and direct sends in turns, every seventh frame over 16 KiB: the engines treat those in another way. */
function mixedSteps(n: number, topic: string, count: number): { steps: Step[]; expected: string[] } {
  const expected = Array.from({ length: count }, (_, i) => `frame-${i}`);
  const steps = expected.map((label, i): Step => {
    const payload = sized(label, i % 7 === 3 ? 20_000 : 40);
    return i % 3 === 1 ? ["send", n, payload] : ["publish", topic, payload];
  });
  return { steps, expected };
}

export function orderContract(host: HostInUse): void {
  test("publications and direct sends of one turn arrive in the order of the calls", async () => {
    const client = await host().connect();
    const { steps, expected } = mixedSteps(client.n, "mixed", 100);
    await host().run(["subscribe", client.n, "mixed"], ...steps);
    expect(labels(await client.settled())).toEqual(expected);
  });

  for (const event of ["open", "message", "pong"]) {
    test(`they do so inside the turn of ${event} too`, async () => {
      const client = await host().connect();
      const cause = () => (event === "pong" ? client.sendFrame({ opcode: opcodes.pong }) : client.send("go"));
      const n = event === "open" ? client.n + 1 : client.n;
      const { steps, expected } = mixedSteps(n, `mixed-in-${event}`, 100);
      const all: Step[] = [["subscribe", n, `mixed-in-${event}`], ...steps];
      if (event !== "open") {
        await host().during(event, n, all, cause);
        expect(labels(await client.settled())).toEqual(expected);
        return;
      }
      let opening: ReturnType<ReturnType<HostInUse>["connect"]> | undefined;
      await host().during(event, n, all, () => {
        opening = host().connect();
      });
      expect(labels(await (await opening!).settled())).toEqual(expected);
    });
  }

  test("one connection's handler can write to another in order", async () => {
    const [speaker, listener] = [await host().connect(), await host().connect()];
    await host().run(["subscribe", speaker.n, "pair"], ["subscribe", listener.n, "pair"]);
    const { steps, expected } = mixedSteps(listener.n, "pair", 60);
    await host().during("message", speaker.n, steps, () => speaker.send("go"));
    expect(labels(await listener.settled())).toEqual(expected);
    const published = expected.filter((_, i) => i % 3 !== 1);
    expect(labels(await speaker.settled())).toEqual(published);
  });

  test("more than 32 small publications of one turn all arrive", async () => {
    const client = await host().connect();
    await host().run(["subscribe", client.n, "many"], ["publishMany", "many", 0, 2_000, 20]);
    const expected = Array.from({ length: 2_000 }, (_, i) => String(i));
    expect(labels(await client.settled())).toEqual(expected);
  });

  test("what is published before unsubscribe in the same turn still arrives", async () => {
    const client = await host().connect();
    await host().run(
      ["subscribe", client.n, "leaving"],
      ["publish", "leaving", "small"],
      ["publish", "leaving", sized("large", 20_000)],
      ["publish", "leaving", "last"],
      ["unsubscribe", client.n, "leaving"],
      ["publish", "leaving", "too late"],
    );
    expect(labels(await client.settled())).toEqual(["small", "large", "last"]);
  });

  test("what is published before subscribe in the same turn never arrives", async () => {
    const [early, late] = [await host().connect(), await host().connect()];
    await host().run(
      ["subscribe", early.n, "joining"],
      ["publish", "joining", "old"],
      ["publish", "joining", sized("old and large", 20_000)],
      ["subscribe", late.n, "joining"],
      ["publish", "joining", "new"],
    );
    expect(labels(await late.settled())).toEqual(["new"]);
    expect(labels(await early.settled())).toEqual(["old", "old and large", "new"]);
  });

  test("leaving and rejoining in one turn gets what was published while joined, and nothing else", async () => {
    const client = await host().connect();
    await host().run(
      ["subscribe", client.n, "rejoining"],
      ["publish", "rejoining", "1"],
      ["unsubscribe", client.n, "rejoining"],
      ["publish", "rejoining", "2"],
      ["send", client.n, "direct"],
      ["subscribe", client.n, "rejoining"],
      ["publish", "rejoining", "3"],
    );
    expect(await client.settled()).toEqual(["1", "direct", "3"]);
  });

  test("leaving one topic keeps what another has published", async () => {
    const client = await host().connect();
    await host().run(
      ["subscribe", client.n, "kept"],
      ["subscribe", client.n, "left"],
      ["publish", "kept", "1"],
      ["publish", "left", "2"],
      ["unsubscribe", client.n, "left"],
      ["publish", "kept", "3"],
      ["unsubscribe", client.n, "kept"],
    );
    expect(await client.settled()).toEqual(["1", "2", "3"]);
  });

  test("subscribing twice delivers once", async () => {
    const client = await host().connect();
    const results = await host().run(
      ["subscribe", client.n, "twice"],
      ["subscribe", client.n, "twice"],
      ["subscriberCount", "twice"],
      ["publish", "twice", "once"],
    );
    expect(results[2]).toBe(1);
    expect(await client.settled()).toEqual(["once"]);
  });

  test("topics are exact: no wildcards, no hierarchy, any characters", async () => {
    const client = await host().connect();
    const topic = "room:größe/😀#+";
    await host().run(
      ["subscribe", client.n, topic],
      ["subscribe", client.n, "#"],
      ["subscribe", client.n, "a/+"],
      ["publish", "a/b", "no"],
      ["publish", "room:größe", "no"],
      ["publish", topic, "yes"],
    );
    expect(await client.settled()).toEqual(["yes"]);
  });

  test("except leaves out a publisher who has joined", async () => {
    const [publisher, other] = [await host().connect(), await host().connect()];
    await host().run(
      ["subscribe", publisher.n, "except"],
      ["subscribe", other.n, "except"],
      ["publish", "except", "others", publisher.n],
      ["publish", "except", sized("others, large", 20_000), publisher.n],
      ["publish", "except", "all"],
    );
    expect(labels(await publisher.settled())).toEqual(["all"]);
    expect(labels(await other.settled())).toEqual(["others", "others, large", "all"]);
  });

  test("except with a publisher who has not joined reaches everybody, joined elsewhere or nowhere", async () => {
    const [publisher, other] = [await host().connect(), await host().connect()];
    await host().run(
      ["subscribe", other.n, "outside"],
      ["publish", "outside", "joined nothing", publisher.n],
      ["subscribe", publisher.n, "elsewhere"],
      ["publish", "outside", "joined something else", publisher.n],
    );
    expect(await other.settled()).toEqual(["joined nothing", "joined something else"]);
    expect(await publisher.settled()).toEqual([]);
  });

  test("except with a publisher who has closed reaches everybody", async () => {
    const [publisher, other] = [await host().connect(), await host().connect()];
    await host().run(["subscribe", publisher.n, "gone"], ["subscribe", other.n, "gone"]);
    publisher.close();
    await host().event("closed", publisher.n);
    await host().run(["publish", "gone", "still", publisher.n]);
    expect(await other.settled()).toEqual(["still"]);
  });

  test("subscriberCount follows joins, leaves and closed connections", async () => {
    const [first, second] = [await host().connect(), await host().connect()];
    const counted = await host().run(
      ["subscriberCount", "counted"],
      ["subscribe", first.n, "counted"],
      ["subscribe", second.n, "counted"],
      ["subscriberCount", "counted"],
      ["unsubscribe", first.n, "counted"],
      ["subscriberCount", "counted"],
    );
    expect([counted[0], counted[3], counted[5]]).toEqual([0, 2, 1]);
    second.destroy();
    await host().event("closed", second.n);
    expect(await host().run(["subscriberCount", "counted"])).toEqual([0]);
  });

  test("strings travel as text frames and bytes as binary ones, also published", async () => {
    const client = await host().connect();
    await host().run(
      ["subscribe", client.n, "kinds"],
      ["send", client.n, "größe 😀"],
      ["send", client.n, { bytes: [0, 255] }],
      ["publish", "kinds", "größe 😀"],
      ["publish", "kinds", { bytes: [255, 0] }],
      ["send", client.n, ""],
    );
    const expected = ["größe 😀", Buffer.of(0, 255), "größe 😀", Buffer.of(255, 0), ""];
    expect(await client.settled()).toEqual(expected);
  });

  test("an empty payload counts as sent", async () => {
    const client = await host().connect();
    const results = await host().run(["send", client.n, ""], ["send", client.n, { bytes: [] }]);
    expect(results).toEqual(["sent", "sent"]);
  });

  test("messages arrive whole, fragmented ones too, and their bytes stay the receiver's", async () => {
    const client = await host().connect();
    client.send("\ufeffgröße 😀");
    client.sendFragments(["one ", "two ", "three"]);
    client.send(Uint8Array.of(1, 2, 3));
    client.send(Uint8Array.of(4, 5, 6));
    const payloads = [];
    for (let i = 0; i < 4; i++) payloads.push((await host().event("message", client.n)).payload);
    expect(payloads).toEqual(["\ufeffgröße 😀", "one two three", { bytes: [1, 2, 3] }, { bytes: [4, 5, 6] }]);
    expect((await host().event("kept", client.n)).bytes).toEqual([1, 2, 3]);
    expect((await host().event("kept", client.n)).bytes).toEqual([4, 5, 6]);
  });

  test("cork runs its work at once and keeps the order", async () => {
    const client = await host().connect();
    const results = await host().run(
      ["subscribe", client.n, "corked"],
      ["publish", "corked", "1"],
      [
        "cork",
        client.n,
        [
          ["send", client.n, "2"],
          ["publish", "corked", "3"],
          ["send", client.n, sized("4", 20_000)],
          ["send", client.n, "5"],
        ],
      ],
      ["publish", "corked", "6"],
    );
    expect(labels(await client.settled())).toEqual(["1", "2", "3", "4", "5", "6"]);
    expect(results[2]).toEqual(["sent", null, "sent", "sent"]);
  });
}
