// Walks over Protobuf messages and their fields without making anything of them. Tags are those that take one byte.

export const bytesField = (number: number): number => (number << 3) | 2;
export const numberField = (number: number): number => number << 3;

export class Walker {
  /** Behind the varint read last. */
  #after = 0;
  /** Of the message or field found last. */
  contentEnd = 0;

  /** A varint of up to 53 bits. */
  #varint(buffer: Buffer, start: number): number {
    let value = 0;
    let scale = 1;
    let at = start;
    while ((buffer[at] as number) > 127) {
      value += ((buffer[at++] as number) & 127) * scale;
      scale *= 128;
    }
    this.#after = at + 1;
    return value + (buffer[at] as number) * scale;
  }

  /** Where the content of the message whose length is at `start` begins. */
  message(buffer: Buffer, start: number): number {
    const length = this.#varint(buffer, start);
    this.contentEnd = this.#after + length;
    return this.#after;
  }

  /** Where the content of the first field with the tag begins, between start and end, or -1. */
  field(buffer: Buffer, start: number, end: number, tag: number): number {
    let at = start;
    while (at < end) {
      const found = buffer[at] as number;
      const value = this.#varint(buffer, at + 1);
      const isBytes = (found & 7) === 2;
      const content = isBytes ? this.#after : at + 1;
      const contentEnd = isBytes ? this.#after + value : this.#after;
      if (found === tag) {
        this.contentEnd = contentEnd;
        return content;
      }
      at = contentEnd;
    }
    return -1;
  }

  /** The number in that field, or undefined. */
  number(buffer: Buffer, start: number, end: number, tag: number): number | undefined {
    const at = this.field(buffer, start, end, tag);
    return at === -1 ? undefined : this.#varint(buffer, at);
  }

  /** The text in that field; one that is not there is empty. */
  text(buffer: Buffer, start: number, end: number, tag: number): string {
    const at = this.field(buffer, start, end, tag);
    return at === -1 ? "" : buffer.toString("utf8", at, this.contentEnd);
  }
}
