// Every protocol by the name its targets give; a process of the generator makes its own from that.

import type { Mode, Protocol, ProtocolFactory } from "../protocol.ts";
import { bareProtocol } from "./bare.ts";
import { centrifugoJson } from "./centrifugo-json.ts";
import { centrifugoProtobuf } from "./centrifugo-protobuf.ts";
import { fanwireProtocol } from "./fanwire.ts";
import { floorProtocol } from "./floor.ts";
import { guideProtocol } from "./guide.ts";
import { socketIo, socketIoMsgpack } from "./socket-io.ts";

const factories: Readonly<Record<string, ProtocolFactory>> = {
  bare: bareProtocol,
  fanwire: fanwireProtocol,
  floor: floorProtocol,
  guide: guideProtocol,
  "socket.io": socketIo,
  "socket.io-msgpack": socketIoMsgpack,
  centrifugo: centrifugoJson,
  "centrifugo-protobuf": centrifugoProtobuf,
};

export function createProtocol(name: string, mode: Mode): Protocol {
  const factory = factories[name];
  if (factory === undefined) throw new Error(`there is no protocol ${name}`);
  return factory(mode);
}

export const protocolNames: readonly string[] = Object.keys(factories);
