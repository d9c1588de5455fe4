// The reasons to distrust a window of `cross-cpu`; knows no arm.

import { number } from "../measure/report.ts";
import type { Flag } from "../measure/validity.ts";
import type { CpuWindow } from "./cross-cpu.ts";

/** More than these shares of a core are a reason to distrust a window. */
const foreignShare = 0.1;
const stealShare = 0.01;
const fullShare = 0.8;

export function windowFlags(window: CpuWindow): Flag[] {
  const { arm, wanted, accepted, received, lost, disordered, wallNs } = window;
  const flags: Flag[] = [];
  const add = (name: string, detail: string, disturbance = false) =>
    flags.push({ name, detail: `${arm}: ${detail}`, refuses: "everything", disturbance });
  const share = (ns: number) => `${number((ns / wallNs) * 100)} % of a core`;
  if (accepted < wanted) add("underachieved", `${accepted} of ${wanted} publications were accepted`);
  if (received > wanted) add("too-many-received", `${received} received of ${wanted}`);
  if (lost > 0 || received < wanted)
    add("lost", `${Math.max(lost, wanted - received)} of ${wanted} are missing`);
  if (disordered > 0) add("disordered", `${disordered} doubles or late ones`);
  if (window.unexpected > 0) add("unexpected-frames", `${window.unexpected} frames were no publication`);
  if (window.publishingNs + window.redisNs > fullShare * wallNs) {
    add(
      "server-saturated",
      `publishing node and Redis took ${share(window.publishingNs + window.redisNs)}`,
      true,
    );
  }
  if (window.receivingNs > fullShare * wallNs) {
    add("server-saturated", `the receiving node took ${share(window.receivingNs)}`, true);
  }
  if (window.foreignNs > foreignShare * wallNs) {
    add("foreign-load", `other processes used ${share(window.foreignNs)}`, true);
  }
  if (window.stealNs > stealShare * wallNs)
    add("steal", `the hypervisor took ${share(window.stealNs)}`, true);
  if (Math.abs(window.messagesPerTurn / window.messagesWanted - 1) > 0.1) {
    add(
      "other-batches",
      `${number(window.messagesPerTurn, 2)} messages a turn, not ${window.messagesWanted}`,
    );
  }
  return flags;
}
