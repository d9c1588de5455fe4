// What becomes of a publish once a wire format has read it, in either way: decoded, or with its data as it came.

import { FanwireError } from "../../src/errors.ts";
import { isCarried } from "../../src/wire/carried-data.ts";
import { checkData, type DataRule } from "../../src/wire/data.ts";
import { parseClientFrame } from "../../src/wire/inbound.ts";

/** Under each rule the publish's fields with the value of its data, or the code and the words that refuse it. */
export function outcomesUnder(rules: readonly DataRule[], read: () => unknown): unknown[] {
  return rules.map((rule) => {
    try {
      const frame = parseClientFrame(read());
      if (frame.type !== "publish") return frame;
      checkData(frame.data, rule);
      return { ...frame, data: isCarried(frame.data) ? frame.data.value : frame.data };
    } catch (failure) {
      if (failure instanceof FanwireError) return `${failure.code}: ${failure.message}`;
      throw failure;
    }
  });
}
