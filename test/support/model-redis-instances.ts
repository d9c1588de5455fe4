// What the scripts of src/bridge/scripts-instances.ts do, once more and in TypeScript, over a model of Redis's data.

import type { instanceScripts } from "../../src/bridge/scripts-instances.ts";
import { bytes, text } from "./model-redis-data.ts";
import type { ModelScript } from "./model-redis-topics.ts";

const fence: ModelScript = (data, [lease, instances], [instance, number, leaseMs]) => {
  if (Number(data.string(lease!) ?? 0) > Number(number)) return 0;
  data.setString(lease!, text(number), Number(leaseMs));
  data.set(instances!).add(text(instance));
  return 1;
};

const renewLease: ModelScript = (data, [lease, instances, registry], [instance, number, leaseMs]) => {
  if (data.string(lease!) !== text(number)) return 0;
  data.expire(lease!, Number(leaseMs));
  data.expire(registry!, Number(leaseMs));
  data.set(instances!).add(text(instance));
  return 1;
};

const release: ModelScript = (data, [lease, registry], [number]) => {
  if (data.string(lease!) !== text(number)) return 0;
  data.delete(lease!);
  data.delete(registry!);
  return 1;
};

const claimId: ModelScript = (data, [key], [candidate]) => {
  if (!data.exists(key!)) data.setString(key!, text(candidate));
  return bytes(data.string(key!)!);
};

const readRegistry: ModelScript = (data, [instances], [leases, registry]) =>
  [...data.set(instances!)].flatMap((instance) => {
    const entry = data.string(text(registry) + instance);
    return entry !== undefined && data.exists(text(leases) + instance) ? [bytes(instance), bytes(entry)] : [];
  });

export const modelInstanceScripts: Readonly<Record<keyof typeof instanceScripts, ModelScript>> = {
  ...{ fence, renewLease, release, claimId, readRegistry },
};
