// Protocol 1, coming back: with `since` a client gets what it missed, nothing between and nothing twice, or is told the truth.

import { describe, expect, test } from "bun:test";
import type { Frame, Peer } from "../../support/peer.ts";
import { fresh } from "../../support/served.ts";
import { as, type ProtocolSuite, setting, upTo } from "./setting.ts";

/** How far the publisher may be ahead of the reader: well within the history, however slow the machine is. */
const mostAhead = 400;

/**
 * Publishes one after the other until it is told to stop; resolves to how many. `reached`: the last publication the reader has
 * seen, which is waited for.
 */
function publishing(publisher: Peer, topic: string, reached: () => number): { stop(): Promise<number> } {
  let running = true;
  const work = (async () => {
    let count = 0;
    while (running) {
      if (count - reached() > mostAhead) {
        await publisher.request({ type: "ping" });
        continue;
      }
      const burst = upTo(5).map((i) => ({ type: "publish", topic, data: count + i }));
      await publisher.requests(...burst);
      count += 5;
    }
    return count;
  })();
  return {
    stop() {
      running = false;
      return work;
    },
  };
}

export const recovery: ProtocolSuite = (engine, format) => {
  describe("recovery", () => {
    const server = setting(engine, format);
    const since = ({ epoch, offset }: Frame, seen?: number) => ({ since: { epoch, offset: seen ?? offset } });

    test("brings what was missed, from memory or from history, and messages continue from there", async () => {
      // The ring holds 8: the first of these is beyond it, the last is within.
      for (const missed of [100, 9, 8, 7, 1, 0]) {
        const topic = fresh("room");
        const [peer, publisher] = [await server.connect(), await server.connect()];
        const position = await peer.request({ type: "subscribe", topic });
        await peer.request({ type: "unsubscribe", topic });
        const bursts = upTo(missed).map((data) => ({ type: "publish", topic, data }));
        await publisher.requests(...bursts);
        const answer = await peer.request({ type: "subscribe", topic, ...since(position) });
        expect(answer).toMatchObject({ recovered: true, epoch: position.epoch, offset: missed });
        expect(answer.publications!.map(({ data }) => data)).toEqual(upTo(missed));
        await publisher.request({ type: "publish", topic, data: "next" });
        expect(await peer.settled()).toMatchObject([{ data: "next", offset: missed + 1 }]);
      }
    });

    test("has nothing between and nothing twice while publishing goes on", async () => {
      const topic = fresh("room");
      const publisher = await server.connect(as("ben"));
      const seen: number[] = [];
      let first = 0;
      const stream = publishing(publisher, topic, () => seen.at(-1) ?? first);
      let peer = await server.connect();
      let position = await peer.request({ type: "subscribe", topic });
      first = Number(position.offset);
      for (let round = 0; round < 40; round++) {
        for (const { offset } of await peer.messages(1 + (round % 5), topic)) seen.push(offset!);
        // Leaving by unsubscribing and by the loss of the connection, for as long as it takes to miss a ring's worth.
        if (round % 2 === 0) {
          peer.raw.destroy();
          peer = await server.connect();
        } else {
          peer.send({ type: "unsubscribe", topic });
          for (let wait = 0; wait < round % 4; wait++) await publisher.request({ type: "ping" });
          for (const frame of await peer.settled()) if (frame.type === "message") seen.push(frame.offset!);
        }
        position = await peer.request({
          type: "subscribe",
          topic,
          ...since(position, seen.at(-1)),
        });
        expect(position.recovered).toBe(true);
        for (const { offset } of position.publications!) seen.push(offset!);
        expect(position.offset).toBe(seen.at(-1));
      }
      const last = await stream.stop();
      while (seen.at(-1) !== last) seen.push((await peer.messages(1, topic))[0]!.offset!);
      expect(seen).toEqual(upTo(last).slice(first));
    });

    test("of more than 256 KiB continues as messages behind the `ok`, in order", async () => {
      const topic = fresh("room");
      const [peer, publisher] = [await server.connect(), await server.connect()];
      const position = await peer.request({ type: "subscribe", topic });
      await peer.request({ type: "unsubscribe", topic });
      const text = "x".repeat(20_000);
      for (const data of upTo(60)) await publisher.request({ type: "publish", topic, data: [data, text] });
      const answer = await peer.request({ type: "subscribe", topic, ...since(position) });
      await publisher.request({ type: "publish", topic, data: "live" });
      const inside = answer.publications!.length;
      expect(answer).toMatchObject({ recovered: true, offset: inside });
      expect(inside * text.length).toBeWithin(128 * 1024, 256 * 1024);
      const messages = await peer.messages(61 - inside);
      const offsets = [...answer.publications!, ...messages].map(({ offset }) => offset);
      expect(offsets).toEqual(upTo(61));
      expect(messages.at(-1)!.data).toBe("live");
      expect(await peer.settled()).toEqual([]);
    });

    test("of less than history holds is whole, of more is refused: `recovered` says which", async () => {
      const topic = fresh("tiny");
      const [peer, publisher] = [await server.connect(), await server.connect()];
      const position = await peer.request({ type: "subscribe", topic });
      await peer.request({ type: "unsubscribe", topic });
      await publisher.requests(...upTo(20).map((data) => ({ type: "publish", topic, data })));
      const reached = await peer.request({ type: "subscribe", topic, ...since(position, 15) });
      expect(reached).toMatchObject({ recovered: true, offset: 20 });
      expect(reached.publications!.map(({ offset }) => offset)).toEqual([16, 17, 18, 19, 20]);
      // Neither the 8 in memory nor the 5 in history reach back to offset 3.
      const lost = await peer.request({ type: "subscribe", topic, ...since(position, 2) });
      expect(lost).toMatchObject({ recovered: false, epoch: position.epoch, offset: 20, publications: [] });
      await publisher.request({ type: "publish", topic, data: 21 });
      expect((await peer.settled()).map(({ offset }) => offset)).toEqual([21]);
    });

    test("is refused for a position of another epoch, and for one not reached yet", async () => {
      const topic = fresh("room");
      const [peer, publisher] = [await server.connect(), await server.connect()];
      const { epoch } = await publisher.request({ type: "publish", topic, data: 1 });
      for (const foreign of [
        { epoch: "another", offset: 0 },
        { epoch: "another", offset: 1 },
        { epoch, offset: 2 },
        { epoch, offset: Number.MAX_SAFE_INTEGER },
      ]) {
        const answer = await peer.request({ type: "subscribe", topic, since: foreign });
        expect(answer).toMatchObject({ recovered: false, epoch, offset: 1, publications: [] });
      }
      await publisher.request({ type: "publish", topic, data: 2 });
      expect((await peer.settled()).map(({ offset }) => offset)).toEqual([2]);
    });

    test("from offset 0 of the epoch brings everything", async () => {
      const topic = fresh("room");
      const peer = await server.connect();
      const { epoch } = await peer.request({ type: "publish", topic, data: 1 });
      await peer.request({ type: "publish", topic, data: 2 });
      const answer = await peer.request({ type: "subscribe", topic, since: { epoch, offset: 0 } });
      expect(answer).toMatchObject({ recovered: true, publications: [{ offset: 1 }, { offset: 2 }] });
    });
  });
};
