// `npm test`: everything that is checked, on a machine where nothing is prepared yet. `--fast` leaves out the browser
// and test/**/*.slow.test.ts; other arguments go to `bun test`, such as the name of a file.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { bun, must, mustNode, say, setup } from "./setup.mjs";

const args = process.argv.slice(2).filter((arg) => arg !== "--fast");
const fast = process.argv.includes("--fast");

await setup();
if (!fast) await ensureChromium();
// Always, because the tests that run on Node.js run what was built.
await must("building the package", process.execPath, ["scripts/build.mjs"]);
await mustNode("checking format and lint (biome)", "@biomejs/biome/bin/biome", ["check", "."]);
await mustNode("checking types (tsc)", "typescript/bin/tsc", ["--noEmit"]);
const skipped = fast ? ["--path-ignore-patterns", "**/*.slow.test.ts"] : [];
await must("running the tests", bun, ["--no-orphans", "test", ...skipped, ...args]);

/** The console's tests drive a real browser. */
async function ensureChromium() {
  if (onPath("chromium")) return;
  if (process.getuid?.() !== 0 || !onPath("apt-get")) {
    say("chromium is missing and only root on Debian could install it here. Install it and come again:");
    say("  sudo apt-get update && sudo apt-get install -y --no-install-recommends chromium");
    say("or leave out whatever needs it: npm run test:fast");
    process.exit(1);
  }
  process.env.DEBIAN_FRONTEND = "noninteractive";
  await must("updating the list of Debian packages", "apt-get", ["update", "-q"]);
  const install = ["install", "-y", "-q", "--no-install-recommends", "chromium"];
  await must("installing chromium", "apt-get", install);
}

function onPath(command) {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
