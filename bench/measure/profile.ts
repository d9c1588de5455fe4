// A .cpuprofile as a table: shares of self time by function and file; knows no runtime.

export interface ProfileRow {
  readonly name: string;
  /** Path and line, shortened to what lies in the project; empty for the runtime's own code. */
  readonly place: string;
  /** Of all samples that found the process at work. */
  readonly share: number;
}

interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
}

/** Waiting is not work. */
const idle = new Set(["(idle)", "(program)", "(root)"]);

const shorten = (url: string): string => url.replace(/^.*\/(?=(?:src|dist|bench|node_modules)\/)/, "");

/**
 * The functions with the most self time first. Samples are counted and their time deltas left aside: Bun takes no samples
 * while it waits and books the waiting on the last function that ran.
 */
export function summariseProfile(text: string, most = 15): readonly ProfileRow[] {
  const profile = JSON.parse(text) as CpuProfile;
  const frames = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const counts = new Map<string, { name: string; place: string; samples: number }>();
  let all = 0;
  for (const id of profile.samples) {
    const frame = frames.get(id);
    if (frame === undefined || idle.has(frame.functionName)) continue;
    const place = frame.url === "" ? "" : `${shorten(frame.url)}:${frame.lineNumber + 1}`;
    const name = frame.functionName || "(anonymous)";
    const count = counts.get(`${name} ${place}`) ?? { name, place, samples: 0 };
    count.samples++;
    all++;
    counts.set(`${name} ${place}`, count);
  }
  const rows = [...counts.values()].map(({ name, place, samples }) => ({
    name,
    place,
    share: samples / all,
  }));
  return rows.sort((left, right) => right.share - left.share).slice(0, most);
}
