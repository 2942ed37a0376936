/** A tenant, a clock and a Worker for one test, which fails by itself if the Worker did what no Worker may. */
import { expect, onTestFinished } from 'vitest';
import type { Io } from '../src/io';
import { RISK_LEVELS, type RiskLevel } from '../src/plan';
import { type Memory, run } from '../src/run';
import { bothAs } from './tenant/both';
import { type FakeClock, fakeClock } from './tenant/clock';
import { type Cloudflare, type CloudflareOptions, createCloudflare } from './tenant/cloudflare/cloudflare';
import { isGuid } from './tenant/guids';
import { createTenant, type Tenant, type TenantOptions } from './tenant/tenant';

export const NAMES = {
  high: 'IdentityProtection-RiskyUser-RiskLevel-high',
  medium: 'IdentityProtection-RiskyUser-RiskLevel-medium',
  low: 'IdentityProtection-RiskyUser-RiskLevel-low',
} as const;

export const EVERY_MINUTE = '* * * * *';
export const QUARTER_HOURLY = '*/15 * * * *';

export interface Line {
  severity: 'log' | 'warn' | 'error';
  message: string;
  trouble?: string;
  [field: string]: unknown;
}

/** How a run ended, and what it logged. */
export interface Ended {
  ok: boolean;
  error: unknown;
  lines: Line[];
  text: string;
  milliseconds: number;
  /** Requests of this run, the token's included. */
  requests: number;
  troubles: string[];
}

export interface Scene {
  clock: FakeClock;
  tenant: Tenant;
  /** Out of the Worker's reach unless lists are a destination. */
  cloudflare: Cloudflare;
  env: Record<string, unknown>;
  run(options?: RunOptions): Promise<Ended>;
  /** Runs in an isolate that remembers nothing. */
  coldRun(options?: RunOptions): Promise<Ended>;
  /** The members of the three groups; undefined where there is no such group. */
  members(): Record<RiskLevel, string[] | undefined>;
  /** The object ids that stand in the three lists; undefined where there is no such list. */
  listed(): Record<RiskLevel, string[] | undefined>;
  /** I1 as a sentence of the tests: each destination holds exactly those at risk at their level. */
  expectInStep(): void;
}

export interface RunOptions {
  cron?: string;
  memory?: Memory;
  fetch?: Io['fetch'];
  random?: () => number;
}

type SceneOptions = Omit<TenantOptions, 'clock'> & {
  clock?: FakeClock;
  env?: Record<string, unknown>;
  /** Not set: groups alone, as in the default. */
  destinations?: 'groups' | 'lists' | 'groups,lists';
  cloudflare?: Omit<CloudflareOptions, 'clock' | 'flights'>;
};

/** A tenant nobody has used yet. The test fails if at its end the tenant has seen a violation. */
export function scene({
  env: settings = {},
  clock = fakeClock(),
  destinations,
  cloudflare: cloudflareOptions = {},
  ...tenantOptions
}: SceneOptions = {}): Scene {
  const tenant = createTenant({ random: seeded(7), ...tenantOptions, clock });
  const { flights } = tenant;
  const cloudflare = createCloudflare({ random: seeded(8), ...cloudflareOptions, clock, flights });
  const withLists = destinations?.includes('lists') ?? false;
  tenant.upnForbidden = !withLists;
  onTestFinished(() => expect([...tenant.violations, ...cloudflare.violations]).toEqual([]));
  const { tenantId, clientId, clientSecret } = tenant.ids;
  const env: Record<string, unknown> = {
    AZURE_AD_TENANT_ID: tenantId,
    AZURE_AD_CLIENT_ID: clientId,
    AZURE_AD_CLIENT_SECRET: clientSecret,
    ...(destinations && { DESTINATIONS: destinations }),
    ...(withLists && {
      CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID: cloudflare.accountId,
      CLOUDFLARE_ZERO_TRUST_API_TOKEN: cloudflare.token,
    }),
    ...settings,
  };
  const warm: Memory = {};
  let runs = 0;

  async function runWith(memory: Memory, { cron = EVERY_MINUTE, fetch, random = () => 0.5 }: RunOptions) {
    const lines: Line[] = [];
    const texts: string[] = [];
    const record = (severity: Line['severity']) => (text: string) => {
      texts.push(text);
      lines.push({ severity, ...JSON.parse(text) });
    };
    const sink = { log: record('log'), warn: record('warn'), error: record('error') };
    runs += 1;
    const client = bothAs(`run ${runs}`, tenant, withLists ? cloudflare : undefined);
    const io: Io = { fetch: fetch ?? client, now: clock.now, sleep: clock.sleep, random };
    // Runs are a minute apart: the cron of the whole world stands on the minute.
    await clock.advance(60_000 - (clock.now() % 60_000));
    const start = clock.now();
    const sent = () => tenant.requests.length + cloudflare.requests.length;
    const before = sent();
    let error: unknown;
    await clock.run(async () => {
      try {
        await run(env, cron, io, sink, memory);
      } catch (thrown) {
        error = thrown;
      }
    });
    return {
      ok: error === undefined,
      error,
      lines,
      text: texts.join('\n'),
      milliseconds: clock.now() - start,
      requests: sent() - before,
      troubles: lines.flatMap(({ trouble }) => (trouble === undefined ? [] : [trouble])),
    };
  }

  function members() {
    const of = (level: RiskLevel) => {
      const [group] = tenant.groupsNamed(NAMES[level]);
      return group?.id ? tenant.members(group.id) : undefined;
    };
    return { high: of('high'), medium: of('medium'), low: of('low') };
  }

  function listed() {
    const of = (level: RiskLevel) => {
      const [list] = cloudflare.listsNamed(NAMES[level]);
      const ids =
        list &&
        cloudflare
          .entries(list.id)
          .flatMap(({ description = '' }) => (isGuid(description) ? description : []));
      return ids && [...new Set(ids)].sort();
    };
    return { high: of('high'), medium: of('medium'), low: of('low') };
  }

  return {
    clock,
    tenant,
    cloudflare,
    env,
    run: (runOptions = {}) => runWith(runOptions.memory ?? warm, runOptions),
    coldRun: (runOptions = {}) => runWith({}, runOptions),
    members,
    listed,
    expectInStep() {
      const atRisk = {
        high: tenant.atRisk('high'),
        medium: tenant.atRisk('medium'),
        low: tenant.atRisk('low'),
      };
      if (destinations !== 'lists') expect(members()).toEqual(atRisk);
      if (withLists) expect(listed()).toEqual(atRisk);
    },
  };
}

/** Adds that many users at risk and gives their ids. */
export function addRisky(tenant: Tenant, level: RiskLevel, count: number): string[] {
  return Array.from({ length: count }, () => tenant.addUser({ level }));
}

/** The three groups, made by an administrator, and the setting that pins them. */
export function addGroups(tenant: Tenant, members: Partial<Record<RiskLevel, string[]>> = {}) {
  const ids = { high: '', medium: '', low: '' };
  for (const level of RISK_LEVELS) {
    ids[level] = tenant.addGroup({ displayName: NAMES[level], members: members[level] ?? [] });
  }
  return { ids, pin: `high=${ids.high},medium=${ids.medium},low=${ids.low}` };
}

/** Requests after which something was changed, or could have been. */
export function writes(tenant: Tenant): string[] {
  return tenant.requests
    .filter(({ method, path }) => method !== 'GET' && path !== '/token')
    .map(({ method, path }) => `${method} ${path}`);
}

/** A random number generator that gives the same numbers every time. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
