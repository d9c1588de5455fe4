// One fault from beginning to end: a cluster under load, the fault, the load after it, the verdict.

import type { Fault } from "./cases.ts";
import { Cluster } from "./cluster.ts";
import { Load } from "./load.ts";
import { judge, type Verdict } from "./verdict.ts";

export async function runFault(fault: Fault): Promise<Verdict> {
  await using cluster = await Cluster.start(fault.directives ?? []);
  const load = new Load(cluster, fault);
  try {
    await load.start();
    load.isHeavy = fault.isHeavy === true;
    await fault.happen(cluster, load);
    load.isHeavy = false;
    await load.goesOn();
    await load.settle();
    return judge(load, fault, cluster.lostLinks, cluster.complaints);
  } finally {
    await load.end();
  }
}
