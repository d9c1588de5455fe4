// `npm test`: everything that is checked, on a machine where nothing is prepared yet. `--fast` leaves out the browser
// and test/**/*.slow.test.ts; other arguments go to `bun test`, such as the name of a file.

import { join } from "node:path";
import { ensurePrograms } from "./debian.mjs";
import { bun, install, must, mustNode, root, run, runQuietly, say, setup } from "./setup.mjs";

const args = process.argv.slice(2).filter((arg) => arg !== "--fast");
const fast = process.argv.includes("--fast");

await setup();
// The bridge's tests run against a real Redis, those of deployment behind a real HAProxy, and the console's drive a real browser.
if (fast) await ensurePrograms(["redis-server", "haproxy"]);
else {
  await ensurePrograms(
    ["redis-server", "haproxy", "nginx", "chromium"],
    "or leave out what needs a browser: npm run test:fast",
  );
  await install("Node.js 22 and Deno, which the client is tested in", join(root, "test", "runtimes"));
  await install("the servers that the benchmark suite compares with", join(root, "bench", "peers"));
}
// Always, because the tests that run on Node.js run what was built.
await must("building the package", process.execPath, ["scripts/build.mjs"]);
await mustNode("checking format and lint (biome)", "@biomejs/biome/bin/biome", ["check", "."]);
await mustNode("checking types (tsc)", "typescript/bin/tsc", ["--noEmit"]);
// Minutes of computing in virtual time, without a socket: beside all the others, which mostly wait.
const computing = ["simulation", "redis-presence"].map((name) => `test/${name}.slow.test.ts`);
if (fast || args.some((arg) => !arg.startsWith("-"))) {
  const skipped = fast ? ["--path-ignore-patterns", "**/*.slow.test.ts"] : [];
  await must("running the tests", bun, ["--no-orphans", "test", ...skipped, ...args]);
} else {
  const skipped = computing.flatMap((file) => ["--path-ignore-patterns", file]);
  const beside = runQuietly(bun, ["--no-orphans", "test", ...computing.map((file) => `./${file}`), ...args]);
  say("running the tests; those that only compute run beside them, and are shown at the end");
  const code = await run(bun, ["--no-orphans", "test", ...skipped, ...args]);
  say("what ran beside them");
  const { code: besideCode, output } = await beside;
  process.stdout.write(output);
  process.exitCode = code || besideCode;
}
