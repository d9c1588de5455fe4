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

/** Reads what stands in one format, from where it is on. Each answers undefined, or no, where that is not as it usually is. */
export interface FieldReader<Data> {
  /** The field's name that begins here; also undefined where it was there before. */
  readName(): PublishField | undefined;
  passType(): boolean;
  readData(): Data | undefined;
  readId(): number | undefined;
  readFlag(): boolean | undefined;
  readText(): string | undefined;
}

/** Reads one field, name and value, into the publish; answers whether all is well so far. */
export function readField<Data>(reader: FieldReader<Data>, publish: CarriedPublish<Data>): boolean {
  const name = reader.readName();
  // Not as a case: V8 compares strings by their addresses where it has seen nothing else.
  if (name === undefined) return false;
  switch (name) {
    case "type":
      return reader.passType();
    case "data":
      publish.data = reader.readData();
      return publish.data !== undefined;
    case "id":
      publish.id = reader.readId();
      return publish.id !== undefined;
    case "removed":
    case "echo":
      publish[name] = reader.readFlag();
      return publish[name] !== undefined;
    default:
      publish[name] = reader.readText();
      return publish[name] !== undefined;
  }
}
