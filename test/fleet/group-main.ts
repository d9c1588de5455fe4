// Runs a group of clients in the runtime this is started in: a plan comes as the first line of standard input, then one command a line,
// and each is answered by one line. Ends with its input. group-main.ts <the client's module>

import process from "node:process";
import { createInterface } from "node:readline";
import { Group } from "./group.ts";

const { createClient } = await import(process.argv[2]!);
let group: Group | undefined;

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { command, args } = JSON.parse(line);
    if (command === "plan") group = new Group(createClient, args[0]);
    else {
      const work = group![command as "stop"] as (...args: unknown[]) => unknown;
      process.stdout.write(`${JSON.stringify((await work.apply(group, args)) ?? null)}\n`);
    }
  })
  .on("close", () => process.exit(0));
