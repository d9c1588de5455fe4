// A publish as it is read without decoding its data, in either format. Knows no format.

/** As any decoder would make it, but for its `data`; a field that is not there is undefined. Nothing of it is validated. */
export interface CarriedPublish<Data> {
  readonly type: "publish";
  topic: string | undefined;
  data: Data | undefined;
  id: number | undefined;
  event: string | undefined;
  key: string | undefined;
  removed: boolean | undefined;
  idempotencyKey: string | undefined;
  echo: boolean | undefined;
}

/** The fields, those that are nearly always there first. */
export const publishFields = [
  "type",
  "topic",
  "data",
  "id",
  "event",
  "key",
  "removed",
  "idempotencyKey",
  "echo",
] as const;
export type PublishField = (typeof publishFields)[number];

export function emptyPublish<Data>(): CarriedPublish<Data> {
  return {
    type: "publish",
    topic: undefined,
    data: undefined,
    id: undefined,
    event: undefined,
    key: undefined,
    removed: undefined,
    idempotencyKey: undefined,
    echo: undefined,
  };
}
