// Holds src/engine/bun.ts to the engine contract.
import { engineContract } from "./contract/engine.ts";

engineContract("bun");
