// Every protocol by the name its targets give; a process of the generator makes its own from that.

import type { Mode, Protocol, ProtocolFactory } from "../protocol.ts";
import { bareProtocol } from "./bare.ts";
import { fanwireProtocol } from "./fanwire.ts";
import { floorProtocol } from "./floor.ts";

const factories: Readonly<Record<string, ProtocolFactory>> = {
  bare: bareProtocol,
  fanwire: fanwireProtocol,
  floor: floorProtocol,
};

export function createProtocol(name: string, mode: Mode): Protocol {
  const factory = factories[name];
  if (factory === undefined) throw new Error(`there is no protocol ${name}`);
  return factory(mode);
}

export const protocolNames: readonly string[] = Object.keys(factories);
