/** How many round trips of a run came one after another. */

export interface Span {
  at: number;
  endedAt?: number;
}

/**
 * The longest chain of requests of which each started when the one before it had ended. Two of them need not have
 * waited for each other (a page of riskyUsers is paced, the members go on meanwhile), so it is at most too long.
 */
export function longestChain(spans: readonly Span[]): number {
  const byStart = [...spans].sort((a, b) => a.at - b.at);
  const ends: { endedAt: number; length: number }[] = [];
  let longest = 0;
  for (const { at, endedAt = Number.POSITIVE_INFINITY } of byStart) {
    const length = 1 + ends.reduce((most, end) => (end.endedAt <= at ? Math.max(most, end.length) : most), 0);
    ends.push({ endedAt, length });
    longest = Math.max(longest, length);
  }
  return longest;
}
