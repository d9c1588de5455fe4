// What the floor is spoken to: the publisher sends whole server frames, and the floor writes the bytes it got to every subscriber.

import { maskedFrame, opcode } from "../../client/frames.ts";
import { oneAFrame, type ProtocolFactory } from "../protocol.ts";
import { envelopeOf } from "./bare.ts";

/** A server's frame: no mask. */
function serverFrame(payload: Buffer): Buffer {
  const masked = maskedFrame(opcode.binary, payload);
  const headBytes = masked.length - payload.length - 4;
  const frame = Buffer.concat([masked.subarray(0, headBytes), payload]);
  frame[1] = (frame[1] as number) & 0x7f;
  return frame;
}

export const floorProtocol: ProtocolFactory = (mode) => ({
  path: ({ role }) => `/${role}`,
  greeting: () => undefined,
  publication(topic, payload) {
    const { head, tail } = envelopeOf(mode, topic);
    return serverFrame(Buffer.from(`${head}${payload}${tail}`));
  },
  read: oneAFrame(),
});
