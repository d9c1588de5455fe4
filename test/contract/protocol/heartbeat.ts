// Protocol 1, the heartbeat: silence is asked about before it is judged, and only what the client sends breaks it.

import { describe, expect, test } from "bun:test";
import { fresh } from "../../support/served.ts";
import { secret } from "../../support/token.ts";
import { opcodes } from "../../support/websocket.ts";
import { as, type ProtocolSuite, setting } from "./setting.ts";

const options = {
  jwtSecret: secret,
  limits: { heartbeatMs: 300, heartbeatTimeoutMs: 700 },
} as const;

export const heartbeat: ProtocolSuite = (engine, format) => {
  describe("the heartbeat", () => {
    const server = setting(engine, format, options);

    test("pings a silent peer and ends it 4005, also while it is being pushed to; one that answers stays", async () => {
      const topic = fresh("game");
      const silent = await server.connect({ answersPings: false });
      const listening = await server.connect();
      const publisher = await server.connect(as("ben"));
      for (const peer of [silent, listening]) await peer.request({ type: "subscribe", topic });
      const pushing = setInterval(() => publisher.send({ type: "publish", topic, data: "x" }), 50);
      try {
        await silent.raw.nextPing();
        expect(await silent.raw.closed()).toEqual({ code: 4005, reason: "heartbeat-timeout" });
        expect((await silent.messages(10)).length).toBe(10);
        // Longer than the other one lived.
        for (let ping = 0; ping < 3; ping++) await listening.raw.nextPing();
        expect(await listening.request({ type: "ping" })).toMatchObject({ type: "pong" });
      } finally {
        clearInterval(pushing);
      }
    });

    test("counts any frame as a sign of life, not only a pong", async () => {
      const talking = await server.connect({ answersPings: false });
      const silent = await server.connect({ answersPings: false });
      const speech = setInterval(() => talking.send({ type: "ping" }), 100);
      try {
        expect(await silent.raw.closed()).toMatchObject({ code: 4005 });
        expect(await talking.request({ type: "ping" })).toMatchObject({ type: "pong" });
      } finally {
        clearInterval(speech);
      }
    });

    test("does not judge peers by a silence of the server's own", async () => {
      const listening = await server.connect();
      // This one's answer arrives while the server cannot read it.
      const late = await server.connect({ answersPings: false });
      await late.raw.nextPing();
      server.signal("SIGSTOP");
      late.raw.sendFrame({ opcode: opcodes.pong });
      await new Promise((resolve) => setTimeout(resolve, 1500));
      server.signal("SIGCONT");
      for (const peer of [late, listening]) {
        await peer.raw.nextPing();
        expect(await peer.request({ type: "ping" })).toMatchObject({ type: "pong" });
      }
    });
  });
};
