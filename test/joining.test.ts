// Topics that a client is joined to without asking, where that has to be tried again: what the client asked for meanwhile goes first.

import { expect, test } from "bun:test";
import type { Position } from "../src/bridge/bridge.ts";
import type { Snapshot } from "../src/wire/frames.ts";
import { connect, deferred, endServersAfterEach, start } from "./support/in-process.ts";

endServersAfterEach();

const everyone = "broadcast:all";

/** A server whose snapshots of `broadcast:all` fail until they are allowed to come. */
async function withFailingSnapshots() {
  let snapshot: (position: Position) => Snapshot | Promise<Snapshot> = () => {
    throw new Error("not well");
  };
  const server = await start({ snapshots: { broadcast: (_, position) => snapshot(position) } });
  const allow = (given: typeof snapshot = (position) => ({ data: "state", ...position })) => {
    snapshot = given;
  };
  return { server, allow };
}

test("a late join is announced with the snapshot, at its position, before what follows it", async () => {
  const { server, allow } = await withFailingSnapshots();
  const peer = await connect(server);
  for (const data of [1, 2, 3]) await server.broadcast(data);
  allow(({ epoch }) => ({ data: "state", epoch, offset: 1 }));
  const reset = await peer.take("reset");
  expect(reset).toMatchObject({ topic: everyone, offset: 1 });
  expect(reset.snapshot).toMatchObject({ data: "state", offset: 1 });
  expect((await peer.messages(2, everyone)).map(({ offset }) => offset)).toEqual([2, 3]);
});

test("a client that subscribed by itself is not joined anew", async () => {
  const { server, allow } = await withFailingSnapshots();
  const [eager, patient] = [await connect(server), await connect(server)];
  const since = await server.broadcast("before");
  const joined = await eager.request({ type: "subscribe", topic: everyone, since });
  expect(joined).toMatchObject({ recovered: true });
  allow();
  await patient.take("reset");
  expect(await eager.settled()).toEqual([]);
});

test("a subscribe that waits for its snapshot is not cut off by another attempt", async () => {
  const { server, allow } = await withFailingSnapshots();
  const peer = await connect(server);
  const [asked, given] = [deferred<Position>(), deferred<Snapshot>()];
  allow((position) => {
    asked.resolve(position);
    return given.promise;
  });
  const answer = peer.request({ type: "subscribe", topic: everyone });
  const position = await asked.promise;
  // Attempts are made once a second.
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  given.resolve({ data: "state", ...position });
  expect(await answer).toMatchObject({ type: "ok", snapshot: { data: "state" } });
});

test("a client that unsubscribed is not joined any more", async () => {
  const { server, allow } = await withFailingSnapshots();
  const [gone, patient] = [await connect(server), await connect(server)];
  const left = await gone.request({ type: "unsubscribe", topic: everyone });
  expect(left).toMatchObject({ code: "not-subscribed" });
  allow();
  await patient.take("reset");
  await server.broadcast("hello");
  await patient.messages(1, everyone);
  expect(await gone.settled()).toEqual([]);
});
