// `npm start`: runs a node from the sources on Bun, on a machine where nothing is prepared yet. Arguments are passed on.

import { bun, run, setup } from "./setup.mjs";

await setup();
// If this process is killed without a chance to pass the signal on, the node does not stay behind.
process.exitCode = await run(bun, ["--no-orphans", "src/main.ts", ...process.argv.slice(2)]);
