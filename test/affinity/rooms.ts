// Rooms as they are in the wild, a few large ones and many small ones, and how evenly nodes carry them. Pure.

/**
 * How many members each room has: the n-th an n-th of the first one's (Zipf's law with exponent 1), none less than two, and about
 * `members` together.
 */
export function zipfSizes(rooms: number, members: number): readonly number[] {
  const ranks = Array.from({ length: rooms }, (_, index) => index + 1);
  const largest = members / ranks.reduce((sum, rank) => sum + 1 / rank, 0);
  return ranks.map((rank) => Math.max(2, Math.round(largest / rank)));
}

/** The most that a node has, as a multiple of what it would have if all had as much. */
export function unevenness(loads: readonly number[]): number {
  return (Math.max(...loads) * loads.length) / loads.reduce((sum, load) => sum + load, 0);
}
