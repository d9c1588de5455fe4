// Every target of the suite, in the order tables have them. To add one: a protocol, a target, a line in each of two lists.

import type { Target } from "../target.ts";
import { bareBun, bareUws } from "./bare.ts";
import { centrifugoTargets } from "./centrifugo.ts";
import { fanwireBun, fanwireUws } from "./fanwire.ts";
import { rawFloor } from "./floor.ts";
import { guide } from "./guide.ts";
import { socketIoTargets } from "./socket-io.ts";

export const targets: readonly Target[] = [
  ...[fanwireBun, fanwireUws, bareBun, bareUws, rawFloor, guide],
  ...socketIoTargets,
  ...centrifugoTargets,
];
