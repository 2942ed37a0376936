/** A tenant, a clock and a Worker for one test, which fails by itself if the Worker did what no Worker may. */
import { expect, onTestFinished } from 'vitest';
import type { Cache } from '../../src/context';
import type { Io } from '../../src/io';
import type { RiskLevel } from '../../src/plan';
import { run as runWorker } from '../../src/run';
import { bothAs, settingsFor } from '../tenant/both';
import { type FakeClock, fakeClock } from '../tenant/clock';
import { type CloudflareOptions, createCloudflare } from '../tenant/cloudflare/cloudflare';
import { connecting, type FaultTarget } from '../tenant/faults';
import { isGuid, seeded } from '../tenant/guids';
import { GROUP_NAMES as NAMES } from '../tenant/names';
import { createTenant, type RecordedRequest, type Tenant, type TenantOptions } from '../tenant/tenant';

export { NAMES, seeded };

/** Of an address, of the stand-in's error texts and of its token (I10). */
const NEVER_LOGGED = /@|contoso|item:|not found:|exceeds|invalid|throttling your|Authentication error|zt-Token/i;
/** All that lists alone ask of Entra. */
const OF_LISTS = ['POST /token', 'GET /identityProtection/riskyUsers'];

export const EVERY_MINUTE = '* * * * *';
export const QUARTER_HOURLY = '*/15 * * * *';

/** What faults and counts are about. */
export const ON = {
  riskyUsers: /^GET \/identityProtection\/riskyUsers/,
  lookup: /^GET \/groups\?/,
  members: /^GET \/groups\/[^/]+\/members\?/,
  create: /^POST \/groups\??$/,
  batch: /^POST \/\$batch/,
  token: /^POST \/token/,
  lists: /^GET \/lists\?/,
};
export const membersOf = (groupId: string) => new RegExp(`^GET /groups/${groupId}/members`);
export const batchTo = (groupId: string) => (one: FaultTarget) => one.path === '/$batch' && one.body.includes(groupId);
/** The true answer, but for its status. */
export const withStatus = (status: number) => connecting(async ({ process }) => ({ ...(await process()), status }));

export type Line = { severity: 'log' | 'warn' | 'error'; message: string; event?: string; [field: string]: unknown };

export type Scene = ReturnType<typeof scene>;
/** How a run ended, and what it logged. */
export type Ended = Awaited<ReturnType<Scene['run']>>;

const half = () => 0.5;
export type RunOptions = { cron?: string; cache?: Cache; fetch?: Io['fetch']; random?: () => number };

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
}: SceneOptions = {}) {
  const tenant = createTenant({ random: seeded(7), ...tenantOptions, clock });
  const { flights } = tenant;
  const cloudflare = createCloudflare({ random: seeded(8), ...cloudflareOptions, clock, flights });
  const withLists = destinations?.includes('lists') ?? false;
  tenant.upnForbidden = !withLists;
  onTestFinished(() =>
    expect([tenant.violations, cloudflare.violations, tenant.maxInFlight > 6]).toEqual([[], [], false]),
  );
  const account = withLists ? cloudflare : undefined;
  const env: Record<string, unknown> = {
    ...settingsFor(tenant, account),
    ...(destinations && { DESTINATIONS: destinations }),
    ...settings,
  };
  const warm: Cache = {};
  let runs = 0;

  async function run({ cron = EVERY_MINUTE, cache = warm, fetch, random = half }: RunOptions = {}) {
    const lines: Line[] = [];
    const texts: string[] = [];
    const record = (severity: Line['severity']) => (text: string) => {
      // JSON in one line, the sentence first, and none of nobody.
      expect(text).toMatch(/^\{"message":"(?!(Added|Removed) 0)[A-Z0-9][^\n]*\}$/);
      texts.push(text);
      lines.push({ severity, ...JSON.parse(text) });
    };
    const sink = { log: record('log'), warn: record('warn'), error: record('error') };
    runs += 1;
    const client = bothAs(`run ${runs}`, tenant, account);
    const io: Io = { fetch: fetch ?? client, now: clock.now, sleep: clock.sleep, random };
    // Runs are a minute apart: the cron of the whole world stands on the minute.
    await clock.advance(60_000 - (clock.now() % 60_000));
    const start = clock.now();
    const sent = () => tenant.requests.length + cloudflare.requests.length;
    const before = sent();
    const error = await clock.run(() => runWorker(env, cron, io, sink, cache).catch((thrown: unknown) => thrown));
    const told = lines.filter(({ event }) => event !== undefined);
    // Nothing from outside may end a run so; what breaks in the Worker itself, a test breaks by chance.
    if (random === half) expect(told.filter(({ event }) => event === 'unexpected')).toEqual([]);
    if (withLists) expect(texts.join()).not.toMatch(NEVER_LOGGED);
    const asked = tenant.requests.map(({ method, path }) => `${method} ${path}`);
    if (destinations === 'lists') expect(OF_LISTS).toEqual(expect.arrayContaining(asked));
    /** Of this run, the token's included; its last line says the same. */
    const figures = { requests: sent() - before, milliseconds: clock.now() - start };
    if (!fetch && lines.at(-1)?.['requests']) expect(lines.at(-1)).toMatchObject(figures);
    return {
      ...{ ok: error === undefined, error, lines, text: texts.join('\n'), ...figures },
      ...{ told, events: told.map(({ event = '' }) => event) },
    };
  }

  /** The members of the three groups; undefined where there is no such group. */
  const members = () =>
    atEach((level) => {
      const [group] = tenant.groupsNamed(NAMES[level]);
      return group?.id ? tenant.members(group.id) : undefined;
    });

  /** The object ids that stand in the three lists; undefined where there is no such list. */
  const listed = () =>
    atEach((level) => {
      const [list] = cloudflare.listsNamed(NAMES[level]);
      const ids =
        list && cloudflare.entries(list.id).flatMap(({ description = '' }) => (isGuid(description) ? description : []));
      return ids && [...new Set(ids)].sort();
    });

  /** I1 as a sentence of the tests: each destination holds exactly those at risk at their level. */
  function expectInSync() {
    const atRisk = atEach(tenant.atRisk);
    if (destinations !== 'lists') expect(members()).toEqual(atRisk);
    if (withLists) expect(listed()).toEqual(atRisk);
  }
  /** A run that ends well, after which I1 holds. */
  async function runInSync(runOptions?: RunOptions) {
    const ended = await run(runOptions);
    expect(ended.ok).toBe(true);
    expectInSync();
    return ended;
  }
  return { clock, tenant, cloudflare, env, members, listed, run, expectInSync, runInSync };
}

export function atEach<Value>(value: (level: RiskLevel) => Value): Record<RiskLevel, Value> {
  return { high: value('high'), medium: value('medium'), low: value('low') };
}

/** Adds that many users at risk and gives their ids. */
export function addRisky(tenant: Tenant, level: RiskLevel, count: number): string[] {
  return Array.from({ length: count }, () => tenant.addUser({ level }));
}

/** The three groups, made by an administrator, and the setting that pins them. */
export function addGroups(tenant: Tenant, members: Partial<Record<RiskLevel, string[]>> = {}) {
  const ids = atEach((level) => tenant.addGroup({ displayName: NAMES[level], members: members[level] ?? [] }));
  return { ids, pin: `high=${ids.high},medium=${ids.medium},low=${ids.low}` };
}

/** Three groups older than any memory of them; `strangers` are members who are not at risk. */
export async function settled(options?: SceneOptions) {
  const here = scene(options);
  const groups = addGroups(here.tenant);
  await here.clock.advance(900_000);
  const strangers = (level: RiskLevel, count: number) =>
    Array.from({ length: count }, () => {
      const id = here.tenant.addUser();
      here.tenant.addMember(groups.ids[level], id);
      return id;
    });
  return { ...here, ...groups, strangers };
}

/** With somebody to add (`fresh`) and somebody to release (`stale`) at each level. */
export async function busy() {
  const here = await settled({ latencyMs: 200 });
  const { tenant, strangers, members } = here;
  const stale = atEach((level) => strangers(level, 1)[0] ?? '');
  const fresh = atEach((level) => addRisky(tenant, level, 1)[0] ?? '');
  /** In line but for low, of which this is said. */
  const allBut = (low: string[] | undefined) => ({ high: tenant.atRisk('high'), medium: tenant.atRisk('medium'), low });
  return { ...here, stale, fresh, before: members(), allBut };
}

/** And somebody who stands in low and is at high risk now. */
export async function moving() {
  const here = await busy();
  const [mover = ''] = addRisky(here.tenant, 'high', 1);
  here.tenant.addMember(here.ids.low, mover);
  return { ...here, mover };
}

/** The requests that fit, tested against "METHOD /path?". */
export function sentTo({ requests }: Pick<Tenant, 'requests'>, on: RegExp): RecordedRequest[] {
  return requests.filter(({ method, path }) => on.test(`${method} ${path}?`));
}

/** Requests after which something was changed, or could have been. */
export function writes(tenant: Tenant): string[] {
  return sentTo(tenant, /^(?!GET|POST \/token)/).map(({ method, path }) => `${method} ${path}`);
}
