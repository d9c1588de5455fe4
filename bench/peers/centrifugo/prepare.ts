// Builds Centrifugo for the benchmark suite, or says in one sentence why it cannot.

import { ensureCentrifugo } from "../../suite/targets/centrifugo-build.ts";

console.log((await ensureCentrifugo()) ?? "Centrifugo is there.");
