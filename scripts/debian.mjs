// Programs that npm cannot bring, from Debian's packages: installed where that is allowed, else it is said how.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { must, say } from "./setup.mjs";

/**
 * Sees to it that programs are there, each from the Debian package of its name. Where one is missing and nobody may install it,
 * this process ends with 1 and says what to do; `otherwise` is one more line to say then.
 */
export async function ensurePrograms(programs, otherwise) {
  // Servers are kept where Debian's ordinary users do not look; what is started from here shall find them too.
  process.env.PATH = [process.env.PATH ?? "", "/usr/local/sbin", "/usr/sbin", "/sbin"].join(delimiter);
  const missing = programs.filter((program) => !onPath(program));
  if (missing.length === 0) return;
  const names = missing.join(" ");
  const install = ["install", "-y", "-q", "--no-install-recommends", ...missing];
  if (process.getuid?.() !== 0 || !onPath("apt-get")) {
    say(`missing: ${names}. Only root on Debian could install that here. Install it and come again:`);
    say(`  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${names}`);
    if (otherwise) say(otherwise);
    process.exit(1);
  }
  process.env.DEBIAN_FRONTEND = "noninteractive";
  await must("updating the list of Debian packages", "apt-get", ["update", "-q"]);
  await must(`installing ${names}`, "apt-get", install);
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
