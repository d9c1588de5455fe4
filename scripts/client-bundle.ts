// The client as one file for pages that have no bundler, the console's first of all: `bun scripts/client-bundle.ts` renews it.

import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const file = join(root, "src/console/page/client.js");
const banner =
  "// The client (src/client/) as one file for pages: written by `bun scripts/client-bundle.ts`, not by hand.\n\n";

/** Minified, as applications make it. */
export async function bundleClient(): Promise<string> {
  const entrypoints = [join(root, "src/client/client.ts")];
  const { outputs } = await Bun.build({ entrypoints, minify: true, format: "esm", target: "browser" });
  return `${(await outputs[0]!.text()).trim()}\n`;
}

/** What is in the page's folder, and what should be. */
export async function pageCopy(): Promise<{ readonly there: string; readonly wanted: string }> {
  return { there: await Bun.file(file).text(), wanted: banner + (await bundleClient()) };
}

if (import.meta.main) await Bun.write(file, banner + (await bundleClient()));
