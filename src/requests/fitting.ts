// The front of a list that fits into an answer's size; knows nothing of what the list holds.

/** As many from the front as fit into a size, about as JSON, and one at least. */
export function fitting<Item>(items: readonly Item[], maxBytes: number): Item[] {
  const kept: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    bytes += Buffer.byteLength(JSON.stringify(item));
    if (bytes > maxBytes && kept.length > 0) break;
    kept.push(item);
  }
  return kept;
}
