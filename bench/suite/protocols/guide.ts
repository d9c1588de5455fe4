// The guide's protocol: JSON messages for one user per connection, who is named by a token. Pure bytes.

import { createHmac } from "node:crypto";
import { maskedFrame, opcode } from "../../client/frames.ts";
import { type Greeting, type Member, oneAFrame, type Protocol } from "../protocol.ts";

/** What the generator's tokens are signed with; the server is started with the same. */
export const guideSecret = "the-secret-of-a-benchmark";

const text = (message: object) => maskedFrame(opcode.text, Buffer.from(JSON.stringify(message)));
/** Names of one length, so that every publication has the same bytes in front of it. */
const roomOf = (topic: number) => `topic-${String(topic).padStart(6, "0")}`;

function tokenOf({ role, number }: Member): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: `${role}-${number}` })}`;
  return `${signed}.${createHmac("sha256", guideSecret).update(signed).digest("base64url")}`;
}

class GuideGreeting implements Greeting {
  readonly #unjoined: Set<string>;

  constructor({ role, topics }: Member) {
    this.#unjoined = new Set(role === "subscriber" ? topics.map(roomOf) : []);
  }

  first(): readonly Buffer[] {
    return [];
  }

  heard(buffer: Buffer, start: number, end: number): readonly Buffer[] | "ready" {
    const message = JSON.parse(buffer.toString("utf8", start, end)) as { type: string; roomId?: string };
    if (message.type === "connected") {
      const joins = [...this.#unjoined].map((roomId) => text({ type: "room:join", roomId }));
      return joins.length === 0 ? "ready" : joins;
    }
    if (message.type === "room:joined") this.#unjoined.delete(message.roomId as string);
    return this.#unjoined.size === 0 ? "ready" : [];
  }
}

/** The design has one kind of delivery: at most once, in the order in which Redis sent it. */
export const guideProtocol = (): Protocol => ({
  path: (member) => `/?token=${tokenOf(member)}`,
  greeting: (member) => new GuideGreeting(member),
  publication: (topic, payload) => text({ type: "room:send", roomId: roomOf(topic), content: payload }),
  read: oneAFrame(),
});
