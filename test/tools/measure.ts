/** Measures the bundle in worlds of one size: its runs beside what is possible, its CPU beside that of an empty Worker. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';
import { bothAs, settingsFor } from '../tenant/both';
import { createCloudflare } from '../tenant/cloudflare/cloudflare';
import { GROUP_NAMES } from '../tenant/names';
import { createTenant } from '../tenant/tenant';
import { lowerBound, type Task } from './bound';
import { MINUTE_MS, skippingClock, startBundle } from './bundle';
import { wavesOf } from './chain';

export const KINDS = ['groups', 'pinned groups', 'lists'] as const;
type Kind = (typeof KINDS)[number];

const LATENCY_MS = 50;
/** A little less than a second: the clocks of two processes on a busy machine. */
const IDENTITY_PROTECTION_MS = 975;
/** A fifth is high, half is low. */
const UP_TO = { high: 0.2, medium: 0.5 };
const CHANGING_SHARE = 0.01;
/** The usual cron, and one for more users at risk than fit into it. */
const EVERY_MINUTE = { most: 5_000, cron: '* * * * *', deadlineSeconds: 50 };
const SLOWER = { cron: '*/15 * * * *', deadlineSeconds: 840 };
/** A run with nothing to do is repeated for a mean, if it is short. */
const REPEATED = { most: 1_000, times: 20 };
/** What a run leaves behind ends meanwhile. */
const AFTERWARDS_MS = 25;
export const CPU_SIZE = 500;
/** What is compared with an empty Worker: fresh processes for each, in turns, so the moods of the machine meet both alike. */
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

function createWorld(kind: Kind, size: number) {
  const clock = skippingClock();
  const tenant = createTenant({ clock, latencyMs: LATENCY_MS, identityProtectionMs: IDENTITY_PROTECTION_MS });
  const { flights } = tenant;
  const cloudflare = kind === 'lists' ? createCloudflare({ clock, flights, latencyMs: LATENCY_MS }) : undefined;
  const levelAt = (share: number) => (share < UP_TO.high ? 'high' : share < UP_TO.medium ? 'medium' : 'low');
  for (let count = 0; count < size; count += 1) tenant.addUser({ level: levelAt(count / size) });
  const pin = (level: RiskLevel) => `${level}=${tenant.addGroup({ displayName: GROUP_NAMES[level] })}`;
  const env = {
    ...settingsFor(tenant, cloudflare),
    ...(cloudflare && { DESTINATIONS: 'lists' }),
    ...(kind === 'pinned groups' && { GROUP_IDS: RISK_LEVELS.map(pin).join() }),
    MAX_REMOVALS: String(size),
  };
  /** Means of so many runs, a minute apart, and the requests of the last. Throws if one does not end in sync. */
  async function measure(bundle: Awaited<ReturnType<typeof startBundle>>, times: number, cron = EVERY_MINUTE.cron) {
    await pause(AFTERWARDS_MS);
    const before = workerdUsage().cpuMs;
    let milliseconds = 0;
    for (let count = 0; count < times; count += 1) {
      clock.skippedMs += MINUTE_MS;
      tenant.forgetRequests();
      cloudflare?.forgetRequests();
      const { outcome, lines } = await bundle.run({ cron });
      const wrong = [...tenant.violations, ...(cloudflare?.violations ?? []), ...(outcome === 'ok' ? [] : lines)];
      if (wrong.length > 0) throw new Error(`${size} users, ${kind}: ${JSON.stringify(wrong)}`);
      // As the log tells it: without what Miniflare takes to start a run.
      milliseconds += Number(JSON.parse(lines.at(-1)?.text ?? '{}').milliseconds) / times;
    }
    await pause(AFTERWARDS_MS);
    const { cpuMs, peakMegabytes } = workerdUsage();
    const requests = [...tenant.requests, ...(cloudflare?.requests ?? [])];
    return { requests, milliseconds, cpuMs: (cpuMs - before) / times, peakMegabytes };
  }
  return { tenant, env, fetch: bothAs('worker', tenant, cloudflare), measure };
}

export async function measureCase(kind: Kind, size: number) {
  const { tenant, env, fetch, measure } = createWorld(kind, size);
  const changing = Math.max(1, Math.round(size * CHANGING_SHARE));
  const lows = () => tenant.atRisk('low').slice(0, changing);
  const present = RISK_LEVELS.map((level) => tenant.atRisk(level).length);
  const [high = 0, medium = 0, low = 0] = present;
  const pinned = kind === 'pinned groups';
  const quiet: Task = {
    ...{ destination: kind === 'lists' ? 'lists' : 'groups', cold: false, pinned, atRisk: size, toCreate: 0 },
    ...{ present, adds: [], removals: [], releases: false },
  };
  const fill = { cold: true, toCreate: pinned ? 0 : 3, present: pinned ? [0, 0, 0] : [], adds: present };
  const left = { atRisk: size - changing, present: [high + changing, medium, low - changing] };
  const plan: readonly [name: string, act: () => void, task: Partial<Task>][] = [
    ['first fill', () => {}, fill],
    ['nothing to do', () => {}, {}],
    ['1 % move', () => lows().map((id) => tenant.setRisk(id, 'high')), { adds: [changing], removals: [changing] }],
    ['1 % released', () => lows().map((id) => tenant.dismiss(id)), { ...left, removals: [changing], releases: true }],
  ];
  const { cron, deadlineSeconds } = size <= EVERY_MINUTE.most ? EVERY_MINUTE : SLOWER;
  const bundle = await startBundle({ ...env, DEADLINE_SECONDS: String(deadlineSeconds) }, fetch);
  const runs = [];
  for (const [name, act, task] of plan) {
    act();
    const times = name === 'nothing to do' && size <= REPEATED.most ? REPEATED.times : 1;
    const measured = await measure(bundle, times, cron);
    const bound = lowerBound({ ...quiet, ...task }, LATENCY_MS);
    runs.push({ size, kind, cron, deadlineSeconds, name, bound, ...measured });
  }
  await bundle.dispose();
  return runs;
}

/** Milliseconds of CPU of the whole workerd process in runs with nothing to do, a sample a round. Throws if one fails. */
export async function measureCpu(kind: Kind) {
  const { env, fetch, measure } = createWorld(kind, CPU_SIZE);
  const measured = async (...options: Parameters<typeof startBundle>) => {
    const bundle = await startBundle(...options);
    const cost = async (times: number) => {
      const { cpuMs, requests } = await measure(bundle, times);
      return { cpuMs, requests: requests.length, waves: wavesOf(requests).map((wave) => wave.length) };
    };
    const costs = { cold: await cost(RUNS.cold), warm: await cost(RUNS.warm) };
    await bundle.dispose();
    return costs;
  };
  // The first fill.
  await measured(env, fetch);
  const rounds: Record<'ours' | 'empty', Awaited<ReturnType<typeof measured>>>[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const ours = await measured(env, fetch);
    const waves = { cold: ours.cold.waves, warm: ours.warm.waves };
    const answer = () => pause(LATENCY_MS, new Response(null));
    rounds.push({ ours, empty: await measured(waves, answer, EMPTY) });
  }
  return (['warm', 'cold'] as const).map((run) => {
    const [ours, empty] = [rounds.map((round) => round.ours[run]), rounds.map((round) => round.empty[run])];
    const samples = { ours: ours.map(({ cpuMs }) => cpuMs), empty: empty.map(({ cpuMs }) => cpuMs) };
    return { run, requests: ours.at(-1)?.requests ?? 0, ...samples };
  });
}

/** What the one workerd of this process has used so far, as Linux tells it; not numbers where the system does not. */
function workerdUsage(): { cpuMs: number; peakMegabytes: number } {
  for (const id of existsSync('/proc') ? readdirSync('/proc') : []) {
    const status = textOf(`/proc/${id}/status`);
    const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1];
    if (field('Name') !== 'workerd' || field('PPid') !== String(process.pid)) continue;
    // /proc/<pid>/stat counts hundredths of a second only.
    const threads = readdirSync(`/proc/${id}/task`).map((thread) => textOf(`/proc/${id}/task/${thread}/schedstat`));
    const nanoseconds = threads.reduce((sum, text) => sum + (parseInt(text, 10) || 0), 0);
    return { cpuMs: nanoseconds / 1e6, peakMegabytes: Number(field('VmHWM')) / 1_024 };
  }
  return { cpuMs: Number.NaN, peakMegabytes: Number.NaN };
}

/** Nothing of a process or thread that has ended meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
