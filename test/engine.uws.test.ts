// Holds src/engine/uws.ts, as compiled into dist, to the engine contract, on Node.js.
import { engineContract } from "./contract/engine.ts";

engineContract("uws");
