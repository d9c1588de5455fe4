// What `fanout` says: the table per comparison, the two claims of the performance contract, the JSON record.

import { encode, largestText, percentileText } from "../measure/histogram.ts";
import { type Claim, describeClaim, describeFlags, number, type Part, table } from "../measure/report.ts";
import { type Interval, judge, median, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { Arm } from "../targets/servers.ts";
import { type FanoutComparison, groups } from "./fanout.ts";
import { costsOf, fits, type RoundFit } from "./fanout-costs.ts";

/** The performance contract of DESIGN.md, section 5. */
const slopeRatioBound = 1.03;
const interceptExcessBoundUs = 10;

export function reportFanout(comparison: FanoutComparison, settings: RunSettings): Part {
  const { engine, format, mode, windows } = comparison;
  const title = `fanout · ${engine} · ${format} · ${mode}`;
  const rounds = new Set(windows.map((window) => window.round)).size;
  const flags = [
    ...comparisonFlags({ rounds, quick: settings.quick }),
    ...windows.flatMap((window) => window.flags),
    ...unequalBytes(comparison),
  ];
  const refused = flags.some((flag) => flag.refuses === "everything");
  const random = seededRandom(settings.seed);
  const perRound = fits(comparison);
  const verdict = (figure: Interval, bound: number) => (refused ? "refused" : judge(figure, bound));
  const ratio = medianInterval(
    perRound.map((fit) => fit.fanwire.slope / fit.bare.slope),
    random,
  );
  const excess = medianInterval(
    perRound.map((fit) => fit.fanwire.intercept - fit.bare.intercept),
    random,
  );
  const claims: Claim[] = [
    {
      what: `${title}: b, CPU per subscriber, fanwire / bare`,
      figure: ratio,
      digits: 3,
      bound: slopeRatioBound,
      verdict: verdict(ratio, slopeRatioBound),
    },
    {
      what: `${title}: a, CPU per publication, fanwire − bare, µs`,
      figure: excess,
      digits: 1,
      bound: interceptExcessBoundUs,
      verdict: verdict(excess, interceptExcessBoundUs),
    },
  ];
  const line = (arm: "fanwire" | "bare") => {
    const part = (name: "intercept" | "slope" | "worstResidual") =>
      median(perRound.map((fit) => fit[arm][name]));
    const residual = `${number(part("worstResidual") * 100)} %`;
    return `${arm.padEnd(7)} a ${number(part("intercept"))} µs, b ${number(part("slope"), 2)} µs; worst residual ${residual}`;
  };
  const text = [
    title,
    costTable(comparison),
    "",
    latencyTable(comparison),
    "",
    line("fanwire"),
    line("bare"),
    bendLine(comparison, perRound),
    upkeepLine(comparison),
    ...claims.map(describeClaim),
    ...(comparison.repeated.length > 0
      ? [`${comparison.repeated.length} windows were disturbed and measured again`]
      : []),
    ...describeFlags(flags),
  ].join("\n");
  return { claims, text, record: record(comparison, perRound, claims, flags) };
}

/** How far the arms' difference is from being a line in S: what the two fitted figures do not tell. */
function bendLine(comparison: FanoutComparison, perRound: readonly RoundFit[]): string {
  const rounds = [...new Set(comparison.windows.map((window) => window.round))];
  const beyond = groups.map(({ subscribers }, place) => {
    const off = rounds.map((round, i) => {
      const { fanwire, bare } = perRound[i] as RoundFit;
      const y = (arm: Arm) => costsOf(comparison, arm, round)[place]?.y ?? Number.NaN;
      const line = fanwire.intercept - bare.intercept + (fanwire.slope - bare.slope) * subscribers;
      return y("fanwire") - y("bare") - line;
    });
    return `${number(median(off))} at ${subscribers}`;
  });
  return `the difference lies beside its own line by, µs: ${beyond.join(", ")}`;
}

function upkeepLine({ upkeepMsPerSecond: { fanwire, bare } }: FanoutComparison): string {
  return `upkeep without publications, taken off: fanwire ${number(fanwire)} ms per second, bare ${number(bare)}`;
}

/** The arms are comparable only while they send the same number of bytes; offsets gain a digit now and then. */
function unequalBytes({ totals }: FanoutComparison): Flag[] {
  return groups.flatMap(({ subscribers }) => {
    const ours = totals.fanwire.get(subscribers)?.frameBytes ?? 0;
    const bare = totals.bare.get(subscribers)?.frameBytes ?? 0;
    if (Math.abs(ours - bare) <= 0.01 * bare) return [];
    const detail = `${number(ours)} and ${number(bare)} bytes per message at ${subscribers} subscribers`;
    return [{ name: "unequal-bytes", detail, refuses: "everything", disturbance: false }];
  });
}

function costTable(comparison: FanoutComparison): string {
  const { windows, totals } = comparison;
  const rounds = [...new Set(windows.map((window) => window.round))];
  const random = seededRandom(1);
  const rows = groups.map((group, place) => {
    const { subscribers, ratePerSecond } = group;
    const cost = (arm: "fanwire" | "bare") =>
      rounds.map((round) => costsOf(comparison, arm, round)[place]?.y ?? Number.NaN);
    const ours = cost("fanwire");
    const bare = cost("bare");
    const ratio = medianInterval(
      ours.map((value, i) => value / (bare[i] as number)),
      random,
    );
    const mine = totals.fanwire.get(subscribers);
    const theirs = totals.bare.get(subscribers);
    return [
      String(subscribers),
      String(ratePerSecond),
      number((subscribers * ratePerSecond) / 1000, 1),
      number(mine?.frameBytes, 0),
      number(median(ours)),
      number(median(bare)),
      `${number(ratio.mid, 3)} [${number(ratio.low, 3)}, ${number(ratio.high, 3)}]`,
      number(median(ours.map((value, i) => value - (bare[i] as number)))),
      `${number(mine?.framesPerChunk, 2)} / ${number(theirs?.framesPerChunk, 2)}`,
      `${number((mine?.serverBusy ?? 0) * 100, 0)} / ${number((theirs?.serverBusy ?? 0) * 100, 0)}`,
      number(Math.max(mine?.generatorBusy ?? 0, theirs?.generatorBusy ?? 0) * 100, 0),
    ];
  });
  const head = [
    "S",
    "pub/s",
    "k deliv/s",
    "bytes",
    "fanwire µs/pub",
    "bare µs/pub",
    "ratio [95 %]",
    "difference",
  ];
  return table([...head, "msgs/chunk", "server busy %", "generator %"], rows);
}

function latencyTable({ totals }: FanoutComparison): string {
  const rows = groups.flatMap(({ subscribers }) =>
    (["fanwire", "bare"] as const).map((arm) => {
      const total = totals[arm].get(subscribers);
      if (total === undefined) return [];
      const { publications: count, fromIntended, fromSent, lastReceiver, lateness } = total;
      return [
        `${subscribers} ${arm}`,
        percentileText(fromIntended, 50, count),
        percentileText(fromIntended, 99, count),
        percentileText(fromSent, 50, count),
        percentileText(fromSent, 99, count),
        percentileText(lastReceiver, 50, count),
        percentileText(lastReceiver, 99, count),
        largestText(lastReceiver),
        percentileText(lateness, 99, count),
      ];
    }),
  );
  const head = [
    "µs",
    "delivery p50",
    "p99",
    "from send p50",
    "p99",
    "last receiver p50",
    "p99",
    "max",
    "lateness p99",
  ];
  return table(head, rows);
}

function record(
  comparison: FanoutComparison,
  perRound: ReturnType<typeof fits>,
  claims: readonly Claim[],
  flags: readonly Flag[],
): object {
  const { engine, format, mode, windows, repeated, totals, upkeepMsPerSecond } = comparison;
  const histograms = (["fanwire", "bare"] as const).flatMap((arm) =>
    [...totals[arm]].map(([subscribers, total]) => ({
      arm,
      subscribers,
      publications: total.publications,
      deliveries: total.deliveries,
      fromIntended: encode(total.fromIntended),
      fromSent: encode(total.fromSent),
      lastReceiver: encode(total.lastReceiver),
      lateness: encode(total.lateness),
    })),
  );
  return { engine, format, mode, claims, flags, upkeepMsPerSecond, perRound, windows, repeated, histograms };
}
