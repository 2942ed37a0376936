/** What of a run's CPU is ours: the bundle beside an empty Worker that makes as many requests, in turns. */
import { setTimeout as pause } from 'node:timers/promises';
import { type BundleOptions, startBundle } from './bundle';
import { wavesOf } from './chain';
import { createWorld, type Kind, LATENCY_MS, measureRuns } from './measure';

export const SIZE = 500;
/** Fresh processes for each Worker, in turns: the moods of the machine meet both alike. */
const ROUNDS = 9;
/** Measured runs of one process. */
const RUNS = { cold: 1, warm: 10 };

const EMPTY = `let waves;
export default {
  async scheduled(controller, env) {
    waves = waves ? env.warm : env.cold;
    for (const length of waves)
      await Promise.all(Array.from({ length }, () => fetch('https://empty.example/')));
  },
};`;

/** Milliseconds of CPU of the whole workerd process in runs with nothing to do, a sample a round. Throws if one fails. */
export async function measureCpu(kind: Kind) {
  const world = createWorld(kind, SIZE);
  const { env, fetch } = world;
  const measured = async (options: BundleOptions, runs: Partial<typeof RUNS> = RUNS) => {
    const bundle = await startBundle(options);
    const measure = async (times = 0) => {
      const { cpuMs, requests } = await measureRuns(world, bundle, times);
      return { cpuMs, waves: wavesOf(requests).map((wave) => wave.length) };
    };
    const both = async () => ({ cold: await measure(runs.cold), warm: await measure(runs.warm) });
    return both().finally(() => bundle.dispose());
  };
  // The first fill.
  await measured({ env, fetch }, { cold: 1 });
  const costs = (['warm', 'cold'] as const).map((run) => {
    const samples: { ours: number[]; empty: number[] } = { ours: [], empty: [] };
    return { kind, run, requests: 0, ...samples };
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    const ours = await measured({ env, fetch });
    const waves = { cold: ours.cold.waves, warm: ours.warm.waves };
    const answer = () => pause(LATENCY_MS, new Response(null));
    const empty = await measured({ script: EMPTY, env: waves, fetch: answer });
    for (const cost of costs) {
      cost.requests = waves[cost.run].reduce((sum, count) => sum + count, 0);
      cost.ours.push(ours[cost.run].cpuMs);
      cost.empty.push(empty[cost.run].cpuMs);
    }
  }
  return costs;
}
