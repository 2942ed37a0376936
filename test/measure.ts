/** Measures the bundle against a tenant of one size: the first fill, nothing to do, some moving, some departing. */
import { RISK_LEVELS, type RiskLevel } from '../src/plan';
import { type Bound, lowerBound } from './bound';
import { type RunResult, settingsFor, startBundle } from './bundle';
import { longestChain } from './chain';
import { type Usage, usageOf, workerdPid } from './process';
import { MINUTE_MILLISECONDS, skippingClock } from './skipping-clock';
import { GROUP_NAMES } from './tenant/names';
import { createTenant, type Tenant } from './tenant/tenant';

const LATENCY_MILLISECONDS = 50;
/** A little less than a second: the clocks of two processes on a busy machine. */
const IDENTITY_PROTECTION_MILLISECONDS = 975;
const SHARES: Readonly<Record<RiskLevel, number>> = { high: 0.2, medium: 0.3, low: 0.5 };
const CHANGING_SHARE = 0.01;
/** The usual cron, and one for what does not fit into it. */
const EVERY_MINUTE = { cron: '* * * * *', deadlineSeconds: 50 };
const SLOWER = { cron: '*/15 * * * *', deadlineSeconds: 840 };
const MOST_BOUND_SECONDS = 35;
/** A run with nothing to do is repeated for a mean, as often as fits into this time. */
const QUIET_MILLISECONDS = 4_000;
const MOST_QUIET_RUNS = 20;

export interface Case {
  size: number;
  pinned: boolean;
}

export interface Measured {
  name: string;
  bound: Bound;
  requests: number;
  chain: number;
  /** As the last line of the log tells it: without what Miniflare takes to start a run. */
  milliseconds: number;
  /** Of the workerd process; undefined where the system does not tell. */
  cpuMilliseconds: number | undefined;
}

export interface CaseResult {
  cron: string;
  deadlineSeconds: number;
  runs: Measured[];
  before: Usage | undefined;
  after: Usage | undefined;
}

/** Throws if any run does not end with the groups in step. */
export async function measureCase({ size, pinned }: Case): Promise<CaseResult> {
  const clock = skippingClock();
  const tenant = createTenant({
    clock,
    latencyMs: LATENCY_MILLISECONDS,
    identityProtectionMs: IDENTITY_PROTECTION_MILLISECONDS,
  });
  addUsers(tenant, size);
  const groupIds = pinned ? pinGroups(tenant) : {};
  const changing = Math.max(1, Math.round(size * CHANGING_SHARE));
  const schedule = scheduleFor(tenant, changing);
  const { cron, deadlineSeconds } = schedule;
  const bundle = await startBundle({
    env: {
      ...settingsFor(tenant),
      ...groupIds,
      DEADLINE_SECONDS: String(deadlineSeconds),
      MAX_REMOVALS: String(size),
    },
    fetch: tenant.fetch,
  });
  const pid = workerdPid();
  const usage = () => (pid === undefined ? undefined : usageOf(pid));
  const before = usage();
  const runs: Measured[] = [];

  async function measure(name: string, change: () => void, times = 1): Promise<void> {
    change();
    const bound = boundOf(tenant, { pinned, cold: runs.length === 0 });
    tenant.forgetRequests();
    const cpuBefore = usage()?.cpuMilliseconds;
    let milliseconds = 0;
    for (let count = 0; count < times; count += 1) {
      clock.skip(MINUTE_MILLISECONDS);
      const result = await bundle.run({ cron });
      milliseconds += ownMilliseconds(result);
      const wrong = result.outcome === 'ok' ? faults(tenant) : result.lines.map(({ text }) => text);
      if (wrong.length > 0) throw new Error(`${name}, ${size} users: ${wrong.join('; ')}`);
    }
    const cpuAfter = usage()?.cpuMilliseconds;
    const requests = tenant.requests.slice(-tenant.requests.length / times);
    runs.push({
      name,
      bound,
      requests: requests.length,
      chain: longestChain(requests),
      milliseconds: milliseconds / times,
      cpuMilliseconds:
        cpuAfter === undefined || cpuBefore === undefined ? undefined : (cpuAfter - cpuBefore) / times,
    });
  }

  try {
    await measure('first fill', () => {});
    const quiet = boundOf(tenant, { pinned, cold: false }).milliseconds;
    const times = Math.max(1, Math.min(MOST_QUIET_RUNS, Math.floor(QUIET_MILLISECONDS / quiet)));
    await measure('nothing to do', () => {}, times);
    await measure('1 % move', () => {
      for (const id of tenant.atRisk('low').slice(0, changing)) tenant.setRisk(id, 'high');
    });
    await measure('1 % depart', () => {
      for (const id of tenant.atRisk('low').slice(0, changing)) tenant.dismiss(id);
    });
    return { cron, deadlineSeconds, runs, before, after: usage() };
  } finally {
    await bundle.dispose();
  }
}

function ownMilliseconds({ lines }: RunResult): number {
  const { milliseconds }: { milliseconds?: unknown } = JSON.parse(lines.at(-1)?.text ?? '{}');
  if (typeof milliseconds !== 'number') throw new Error('the last line of the log does not tell its time');
  return milliseconds;
}

function addUsers(tenant: Tenant, size: number): void {
  const counts = { high: Math.round(size * SHARES.high), medium: Math.round(size * SHARES.medium) };
  for (let count = 0; count < size; count += 1) {
    const level = count < counts.high ? 'high' : count < counts.high + counts.medium ? 'medium' : 'low';
    tenant.addUser({ level });
  }
}

function pinGroups(tenant: Tenant): Record<string, string> {
  const pairs = RISK_LEVELS.map(
    (level) => `${level}=${tenant.addGroup({ displayName: GROUP_NAMES[level] })}`,
  );
  return { GROUP_IDS: pairs.join(',') };
}

/** Both readings and the first fill must fit, with air. */
function scheduleFor(tenant: Tenant, changing: number): typeof EVERY_MINUTE {
  const fill = boundOf(tenant, { pinned: false, cold: true }).milliseconds;
  const size = tenant.users().length;
  const depart = lowerBound(
    {
      atRisk: size,
      cold: false,
      pinned: false,
      groupsToCreate: 0,
      members: [size],
      joins: [],
      leaves: [changing],
      departs: true,
    },
    LATENCY_MILLISECONDS,
  ).milliseconds;
  return Math.max(fill, depart) > MOST_BOUND_SECONDS * 1_000 ? SLOWER : EVERY_MINUTE;
}

/** What the tenant's present state asks of a run. */
function boundOf(tenant: Tenant, { pinned, cold }: { pinned: boolean; cold: boolean }): Bound {
  const exists = tenant.groups().length > 0;
  const wanted = RISK_LEVELS.map((level) => tenant.atRisk(level));
  const present = RISK_LEVELS.map((level) => (exists ? tenant.members(GROUP_NAMES[level]) : []));
  const all = new Set(wanted.flat());
  const without = (ids: readonly string[], others: readonly string[] = []) => {
    const known = new Set(others);
    return ids.filter((id) => !known.has(id));
  };
  const leaves = present.map((ids, index) => without(ids, wanted[index]));
  return lowerBound(
    {
      atRisk: all.size,
      cold,
      pinned,
      groupsToCreate: exists ? 0 : RISK_LEVELS.length,
      members: exists ? present.map((ids) => ids.length) : [],
      joins: wanted.map((ids, index) => without(ids, present[index]).length),
      leaves: leaves.map((ids) => ids.length),
      departs: leaves.flat().some((id) => !all.has(id)),
    },
    LATENCY_MILLISECONDS,
  );
}

function faults(tenant: Tenant): string[] {
  const wrong = RISK_LEVELS.filter(
    (level) => tenant.members(GROUP_NAMES[level]).join() !== tenant.atRisk(level).join(),
  );
  return [...wrong.map((level) => `${GROUP_NAMES[level]} is not in step`), ...tenant.violations];
}
