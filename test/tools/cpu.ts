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
  const measured = async (options: BundleOptions) => {
    const bundle = await startBundle(options);
    const measure = async (times: number) => {
      const { cpuMs, requests } = await measureRuns(world, bundle, times);
      return { cpuMs, requests: requests.length, waves: wavesOf(requests).map((wave) => wave.length) };
    };
    const costs = { cold: await measure(RUNS.cold), warm: await measure(RUNS.warm) };
    await bundle.dispose();
    return costs;
  };
  // The first fill.
  await measured({ env, fetch });
  const rounds: Record<'ours' | 'empty', Awaited<ReturnType<typeof measured>>>[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const ours = await measured({ env, fetch });
    const waves = { cold: ours.cold.waves, warm: ours.warm.waves };
    const answer = () => pause(LATENCY_MS, new Response(null));
    rounds.push({ ours, empty: await measured({ script: EMPTY, env: waves, fetch: answer }) });
  }
  return (['warm', 'cold'] as const).map((run) => {
    const [ours, empty] = [rounds.map((round) => round.ours[run]), rounds.map((round) => round.empty[run])];
    const samples = { ours: ours.map(({ cpuMs }) => cpuMs), empty: empty.map(({ cpuMs }) => cpuMs) };
    return { run, requests: ours.at(-1)?.requests ?? 0, ...samples };
  });
}
