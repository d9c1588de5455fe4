// autocannon in a process of its own, on Node.js, where it is at home: one window of requests, its answer as one line of JSON.
//
//   node cannon.mjs '{"url":…,"headers":{…},"body":"<base64>","connections":…,"seconds":…}'
//
// autocannon counts latencies in whole milliseconds, which are longer than most answers here take. What it tells of each
// answer is exact, and that is what is kept: in nanoseconds, answers of 200 alone.

import autocannon from "autocannon";
import { build, encodeIntoCompressedBase64 } from "hdr-histogram-js";

const { url, headers, body, connections, seconds } = JSON.parse(process.argv[2]);
// The same scale as measure/histogram.ts, which Node.js cannot load.
const latencies = build({
  bitBucketSize: 32,
  autoResize: true,
  lowestDiscernibleValue: 1,
  highestTrackableValue: 3_600e9,
  numberOfSignificantValueDigits: 3,
  useWebAssembly: false,
});
let refused = 0;

const cpuBefore = process.cpuUsage();
const startedAt = process.hrtime.bigint();
const run = autocannon({
  url,
  method: "POST",
  headers,
  body: Buffer.from(body, "base64"),
  connections,
  duration: seconds,
  sampleInt: 1000,
});
run.on("response", (_client, status, _bytes, ms) => {
  if (status === 200) latencies.recordValue(Math.round(ms * 1e6));
  else refused += 1;
});
const { errors, timeouts } = await run;
const elapsedNs = Number(process.hrtime.bigint() - startedAt);
const { user, system } = process.cpuUsage(cpuBefore);
const [p50Ns, p99Ns] = [50, 99].map((percentile) => latencies.getValueAtPercentile(percentile));
const answered = latencies.totalCount;
const line = {
  answered,
  refused,
  errors: errors + timeouts,
  elapsedNs,
  generatorNs: (user + system) * 1000,
  p50Ns,
  p99Ns,
  latencies: encodeIntoCompressedBase64(latencies),
};
process.stdout.write(`${JSON.stringify(line)}\n`);
