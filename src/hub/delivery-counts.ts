// What was delivered, in plain numbers: the hot path adds to them and a scrape reads them. Knows no metric by name.

import type { ByFormat } from "../wire/format.ts";
import type { Mode } from "../wire/frames.ts";

/** Counts of topics of one mode. Triples are by the format's index. */
export interface DeliveryCounts {
  /** Frames times the subscribers they were published to natively. */
  readonly native: ByFormat;
  /** Frames sent to one connection by itself: in the answer to a subscribe, or because it was behind. */
  readonly fed: ByFormat;
  /** Payloads handed to the engine, each once however many subscribers it had. */
  readonly publishedBytes: ByFormat;
  /** Payloads times subscribers. */
  readonly deliveredBytes: ByFormat;
  /** Deliveries that never were: volatile publications times the subscribers who were behind. */
  missed: number;
}

export type DeliveryCountsByMode = Readonly<Record<Mode, DeliveryCounts>>;

export function noDeliveries(): DeliveryCountsByMode {
  const none = (): DeliveryCounts => ({
    native: [0, 0, 0],
    fed: [0, 0, 0],
    publishedBytes: [0, 0, 0],
    deliveredBytes: [0, 0, 0],
    missed: 0,
  });
  return { volatile: none(), stream: none(), latest: none() };
}
