// Every shape by its kind: makes a workload again from plain data, in whichever process needs it.

import type { Workload, WorkloadSpec } from "../workload.ts";
import { fanout } from "./fanout.ts";
import { game } from "./game.ts";
import { rooms } from "./rooms.ts";
import { trading } from "./trading.ts";

type Kinds = Readonly<Record<string, (spec: WorkloadSpec) => Workload>>;

const kinds: Kinds = { fanout, game, rooms, trading };

export function createWorkload(spec: WorkloadSpec): Workload {
  const make = kinds[spec.kind];
  if (make === undefined) throw new Error(`there is no workload ${spec.kind}`);
  return make(spec);
}

export const workloadKinds: readonly string[] = Object.keys(kinds);
