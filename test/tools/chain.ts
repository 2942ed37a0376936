/** How many round trips of a run came one after another. */

type Span = { at: number; endedAt?: number };

/** By how many had to come before: each started when one of the wave before had ended, for whatever reason. */
export function wavesOf<One extends Span>(spans: readonly One[]): One[][] {
  const waves: One[][] = [];
  for (const span of [...spans].sort((a, b) => a.at - b.at)) {
    const before = waves.findLastIndex((wave) => wave.some(({ endedAt = Infinity }) => endedAt <= span.at));
    const wave = waves[before + 1];
    if (wave) wave.push(span);
    else waves.push([span]);
  }
  return waves;
}

export const longestChain = (spans: readonly Span[]): number => wavesOf(spans).length;
