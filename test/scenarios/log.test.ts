/** The log, the heartbeat and the verdict: all that people ever see of a run. */
import { describe, expect, it } from 'vitest';
import { RunFailed } from '../../src/errors';
import { RISK_LEVELS } from '../../src/plan';
import { restrictedUnit } from '../tenant/errors';
import * as faults from '../tenant/faults';
import { addGroups, addRisky, type Ended, type Line, NAMES, ON, type Scene, scene } from './scene';

/** developers.cloudflare.com/workers/platform/limits: what is kept of the log of one run. */
const LOG_BYTES = 256 * 1_024;

/** The lists of ids that the lines hold. */
const idLists = (lines: Line[]) =>
  lines.flatMap((line) => [line['ids'], line['added'], line['removed']].filter((list) => Array.isArray(list)));

describe('Log: its lines', () => {
  it('tell who was added and removed, from where, and why', async () => {
    const { tenant, run, env } = scene();
    addGroups(tenant);
    const [moving = '', leaving = '', exempt = ''] = addRisky(tenant, 'low', 3);
    env['EXEMPT_USER_IDS'] = exempt;
    const low = { severity: 'log', destination: 'groups', level: 'low' };
    const message = `Added 2 users to ${NAMES.low}.`;
    expect((await run()).lines[0]).toMatchObject({ ...low, message, added: [moving, leaving] });
    tenant.setRisk(moving, 'high');
    tenant.dismiss(leaving);
    const { lines } = await run();
    expect(lines).toMatchObject([
      { ...low, level: 'high', message: `Added 1 user to ${NAMES.high}.`, added: [moving] },
      { ...low, message: `Removed 1 user from ${NAMES.low}: no longer at risk.`, removed: [leaving] },
      { ...low, message: `Removed 1 user from ${NAMES.low}: now at risk at another level.`, removed: [moving] },
      { message: 'In sync again: 1 added, 2 removed. At risk: 1 high, 0 medium, 1 low, of whom 1 exempt.', removed: 2 },
    ]);
  });

  it('name level, destination, status, code and request id of what failed, each reason by itself', async () => {
    const { tenant, run } = scene();
    addGroups(tenant);
    tenant.changeGroup(NAMES.low, { mailEnabled: true });
    const [ada = '', bo = ''] = addRisky(tenant, 'high', 2);
    const error = { code: 'Teapot_Short.Stout-1', message: 'x' };
    tenant.fault({ on: faults.changesOf(ada), give: faults.status(418, { error, headers: { 'request-id': 'r-1' } }) });
    tenant.fault({ on: faults.changesOf(bo), give: faults.refuse(restrictedUnit()) });
    const ended = await run();
    const message = expect.stringContaining(`${NAMES.high}: 1 user (Graph answered 418 Teapot_Short.Stout-1)`);
    const fields = { severity: 'error', event: 'add-failed', destination: 'groups', level: 'high' };
    expect(ended.told.slice(1)).toMatchObject([
      { ...fields, message, ids: [ada], status: 418, code: error.code, 'request-id': 'r-1' },
      { ...fields, ids: [bo], status: 403 },
    ]);
    expect(ended.lines.at(-1)?.message).toBe('Not in sync: 0 added, 0 removed. At risk: 2 high, 0 medium, 0 low.');
    // What Cron Events shows.
    expect(String(ended.error)).toBe('RunFailed: group-ineligible, add-failed: the error lines above say what to do');
  });
});

const fail = (error: Error) => {
  throw error;
};
const pinOf = ({ lines }: Ended) => lines.at(-1)?.['GROUP_IDS'];

it('Log: the GROUP_IDS of the last line is there when groups are made and when they are found, and helps as it is', async () => {
  const { tenant, run, env } = scene();
  const created = pinOf(await run());
  expect(created).toBe(RISK_LEVELS.map((level) => `${level}=${tenant.groupsNamed(NAMES[level])[0]?.id}`).join(','));
  expect(pinOf(await run({ cache: {} }))).toBe(created);
  env['GROUP_IDS'] = created;
  addRisky(tenant, 'high', 1);
  const pinned = await run({ cache: {} });
  expect([pinned.ok, tenant.members(NAMES.high).length, pinOf(pinned)]).toEqual([true, 1, undefined]);
  // And left out as long as a group cannot be used.
  env['GROUP_IDS'] = '';
  tenant.changeGroup(NAMES.low, { mailEnabled: true });
  expect(pinOf(await run())).toBeUndefined();
});

describe('Log: its size', () => {
  it('at most a hundred ids to a line and 500 to an event, everyone once, and the number of the others', async () => {
    const { tenant, run } = scene();
    addGroups(tenant);
    const few = addRisky(tenant, 'high', 250);
    const lists = idLists((await run()).lines);
    expect([lists.map(({ length }) => length), lists.flat()]).toEqual([[100, 100, 50], few]);
    addRisky(tenant, 'medium', 501);
    const { lines } = await run();
    expect(idLists(lines).flat()).toHaveLength(500);
    expect(lines.filter((line) => 'idsNotShown' in line)).toMatchObject([{ level: 'medium', idsNotShown: 1 }]);
  });

  it('keeps within 256 KB for 6,000 users refused for many reasons, and keeps its last line', async () => {
    const { tenant, run } = scene();
    for (const level of RISK_LEVELS) addRisky(tenant, level, 2_000);
    let code = 0;
    const give: faults.Fault['give'] = async () => {
      code += 1;
      // Not alike, which would end the level.
      return { status: code % 2 ? 418 : 400, headers: {}, body: { error: { code: `Code${code % 30}`, message: 'x' } } };
    };
    tenant.fault({ on: /members\/\$ref/, give: { inBatch: true, give } });
    const { text, lines } = await run();
    expect(text.length).toBeLessThanOrEqual(LOG_BYTES);
    expect(lines.some((line) => 'idsNotShown' in line)).toBe(true);
    expect(lines.at(-1)?.message).toMatch(/^Not in sync/);
  });
});

describe('I10 silent about people: nothing that a server says reaches the log', () => {
  const gossip = {
    headers: { 'request-id': 'alice example, 1 main street' },
    error: { code: 'Denied for Alice Example', message: 'alice.example@contoso.example may not do that.' },
  };
  const PEOPLE = /alice|contoso|main street|5ecret|eyJ|zt-Token/i;
  const places = [ON.token, ON.riskyUsers, ON.lookup, ON.members, ON.create, /^POST .*ref/, ON.batch, /^DELETE/];
  const cases = places.flatMap((on) => [400, 401, 403, 404, 418, 500].map((code) => [on, code] as const));

  it.each(cases)('%s answered %i', async (on, code) => {
    const { tenant, run } = scene({ clientSecret: '5ecret' });
    addGroups(tenant, { high: [tenant.addUser({ name: 'Alice Example' })] });
    tenant.deleteGroup(NAMES.low);
    tenant.confirmCompromised(tenant.addUser({ name: 'Alice Example' }));
    addRisky(tenant, 'high', 2);
    const fault = tenant.fault({ on, give: faults.status(code, gossip) });
    const ended = await run();
    expect(fault.hits()).toBeGreaterThan(0);
    const thrown = ended.error instanceof Error ? `${ended.error.stack} ${ended.error.cause}` : '';
    expect(`${ended.text} ${thrown}`).not.toMatch(PEOPLE);
  });

  it('nor what an error of the Worker itself says, which is not taken for an answer and ends the run', async () => {
    const { run } = scene();
    const drawn = [0.5, 0.5, 0.5, 0.5];
    const random = () => drawn.pop() ?? fail(new TypeError('alice.example@contoso.example'));
    const ended = await run({ random });
    expect([ended.events, ended.lines.at(-1)?.event]).toEqual([['unexpected'], 'unexpected']);
    expect(ended.text).toContain('(TypeError). Nothing more was done in this run; please report it.');
    expect(`${ended.text} ${ended.error}`).not.toMatch(PEOPLE);
    expect(ended.error).toBeInstanceOf(RunFailed);
  });
});

describe('Heartbeat', () => {
  const ADDRESS = 'https://beat.example/ping/5ecret-t0ken?rid=5ecret';
  const fine = async () => new Response('OK');

  /** A run with a heartbeat that is answered so. */
  async function beating(answer: () => Promise<Response>, prepare: (here: Scene) => unknown = () => {}) {
    const here = scene({ env: { HEARTBEAT_URL: ADDRESS } });
    addRisky(here.tenant, 'high', 1);
    prepare(here);
    const beats: RequestInit[] = [];
    const ended = await here.run({
      fetch: (url, init) => {
        if (url !== ADDRESS) return here.tenant.fetch(url, init);
        here.expectInSync();
        beats.push(init);
        return answer();
      },
    });
    expect(`${ended.text} ${ended.error}`).not.toMatch(/5ecret|beat\.example/);
    return { ...here, ended, beats };
  }

  /** What hands newcomers to Cloudflare takes all the time that there is. */
  const provisionSlowly = ({ tenant, env }: Scene) => {
    addGroups(tenant);
    tenant.permissions = [...tenant.permissions, 'Synchronization.ReadWrite.All'];
    const { servicePrincipalId } = tenant.addProvisioning({ delayMs: 60_000 });
    Object.assign(env, { SCIM_SERVICE_PRINCIPAL_ID: servicePrincipalId, DEADLINE_SECONDS: 30 });
  };

  it.each<[string, number, Parameters<typeof beating>[1]]>([
    ['ended well', 1, () => {}],
    ['failed', 0, ({ tenant }) => tenant.fault({ on: ON.riskyUsers, give: faults.status(403) })],
    ['failed at one level', 0, ({ tenant }) => tenant.addGroup({ displayName: NAMES.low, mailEnabled: true })],
    ['was dry', 0, ({ env }) => Object.assign(env, { DRY_RUN: 'true' })],
    ['met something that needs a look', 1, ({ tenant }) => tenant.setRisk(tenant.addUser(), 'hidden')],
    ['waited until its end for what only helps', 1, provisionSlowly],
  ])('is one GET with nothing of the tenant in it, or none, after a run that %s: %i', async (_, count, prepare) => {
    const init = { method: 'GET', redirect: 'manual', headers: {}, signal: expect.any(AbortSignal) };
    const { beats, ended } = await beating(fine, prepare);
    expect([beats, ended.text.includes('heartbeat')]).toEqual([Array(count).fill(init), false]);
  });

  it.each<[string, () => Promise<Response>, string, number]>([
    ['breaks', () => Promise.reject(new Error(`could not reach ${ADDRESS}`)), 'no answer', 0],
    ['is redirected', async () => new Response(null, { status: 302, headers: { location: ADDRESS } }), 'status 302', 0],
    ['hangs', () => new Promise(() => {}), 'no answer', 5_000],
    ['hangs until the deadline', () => new Promise(() => {}), 'no answer', 5_000],
  ])('that %s fails no run, and is given up', async (how, answer, reason, milliseconds) => {
    const { beats, ended } = await beating(answer, ({ tenant, env }) => {
      addGroups(tenant);
      if (!how.endsWith('deadline')) return;
      env['DEADLINE_SECONDS'] = '5';
      tenant.fault({ on: ON.batch, times: 1, give: faults.throttled('3') });
    });
    expect([ended.ok, ended.milliseconds]).toEqual([true, milliseconds]);
    expect(ended.told).toMatchObject([{ event: 'heartbeat-failed', message: expect.stringContaining(`(${reason})`) }]);
    expect(beats[0]?.signal?.aborted).toBe(true);
  });
});
