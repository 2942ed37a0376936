/** Lists as a destination: what Cloudflare answers, and groups beside them. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import { bothAs } from '../tenant/both';
import { EACH_BEHAVIOUR } from '../tenant/cloudflare/behaviours';
import * as faults from '../tenant/faults';
import { addressOf, changed, described, foreign, listScene, neverUncovered, patches, resultOf } from './list-scene';
import { addGroups, addRisky, atEach, NAMES, ON, QUARTER_HOURLY, seeded, withStatus } from './scene';

const REFUSAL = { success: false, errors: [{ message: "item: 'ada@contoso.example'" }], messages: [], result: null };
const BOTH = { destinations: 'groups,lists' } as const;

describe('entries that are refused', () => {
  it.each([
    ['the first', [0]],
    ['the last', [299]],
    ['three far apart', [10, 150, 290]],
  ])('%s of 300: all others are in within eight runs, of ten PATCHes at most', async (_, places) => {
    const { tenant, cloudflare, run } = listScene();
    const users = addRisky(tenant, 'high', 300);
    for (const place of places) cloudflare.refusedValues.add(addressOf(tenant, users[place]));
    const random = seeded(13);
    for (const number of [1, 2, 3, 4, 5, 6, 7, 8]) {
      cloudflare.forgetRequests();
      const ended = await run({ random });
      expect([ended.ok, patches(cloudflare).length <= 10], `run ${number}`).toEqual([false, true]);
      if (number === 1) expect(ended.text).toContain('at most ten times a run');
      const ids = ended.lines.filter(({ event }) => event === 'add-failed').flatMap((line) => line['ids']);
      expect([...ids, ...described(cloudflare, NAMES.high)].sort()).toEqual([...users].sort());
    }
    expect(cloudflare.entries(NAMES.high)).toHaveLength(300 - places.length);
  });

  it.each([8, 12])('I6: %i keep nobody in, and no newcomer out for ever', async (count) => {
    const { tenant, cloudflare, run } = listScene();
    const leaving = addRisky(tenant, 'high', 2);
    await run();
    for (const user of addRisky(tenant, 'high', count)) cloudflare.refusedValues.add(addressOf(tenant, user));
    for (const user of leaving) tenant.dismiss(user);
    const [newcomer] = addRisky(tenant, 'high', 1);
    const random = seeded(3);
    await run({ random });
    expect(patches(cloudflare).at(-1)).toBe('high +0 -2');
    for (let minute = 0; minute < 40; minute += 1) await run({ random });
    expect(described(cloudflare, NAMES.high)).toEqual([newcomer]);
  });

  it('three alone end the level, and all are named', async () => {
    const { tenant, cloudflare, run } = listScene();
    const users = addRisky(tenant, 'high', 4);
    for (const user of users) cloudflare.refusedValues.add(addressOf(tenant, user));
    const failed = (await run()).told.filter(({ event }) => event === 'add-failed');
    const texts = ['does not take their address', 'at most ten times a run, or until three fail alone'];
    expect(failed).toMatchObject(texts.map((text) => ({ message: expect.stringContaining(text) })));
    expect(failed.flatMap(({ ids }) => ids)).toEqual(expect.arrayContaining(users));
    expect(patches(cloudflare)).toHaveLength(7);
  });

  it.each(EACH_BEHAVIOUR)('one among good ones, one level among others, with %s', async (_, behaviour) => {
    const { tenant, cloudflare, run, listed } = listScene({ cloudflare: behaviour });
    const others = atEach((level) => addRisky(tenant, level, 4).sort());
    const odd = tenant.addUser({ upn: 'Odd@contoso.example', level: 'medium' });
    cloudflare.refusedValues.add('odd@contoso.example');
    const ended = await run();
    const told = ended.lines.find(({ event }) => event === 'add-failed');
    expect([ended.ok, told?.['level'], told?.['ids']]).toEqual([false, 'medium', [odd]]);
    expect(told?.message).toMatch(/userPrincipalName.*EXEMPT_USER_IDS/);
    expect(listed()).toEqual(others);
  });

  it.each([1_000, 900])('I6: on Enterprise one refused address keeps nobody out of a list of %i', async (had) => {
    const { tenant, cloudflare, run } = listScene({ cloudflare: { entriesPerList: 5_000 } });
    addRisky(tenant, 'high', had);
    await run();
    cloudflare.refusedValues.add(addressOf(tenant, addRisky(tenant, 'high', 300).at(-1)));
    const random = seeded(2);
    for (let minute = 0; minute < 4; minute += 1) await run({ random });
    expect(cloudflare.entries(NAMES.high)).toHaveLength(had + 299);
  });
});

describe('a PATCH whose answer does not tell', () => {
  const DONE = {
    '504, but carried out': faults.status(504, { applied: true }),
    'half a body, but carried out': faults.cutBody(),
    'nothing, but carried out': faults.hang({ applied: true }),
  };
  const NOT_DONE = {
    '504': faults.status(504),
    '503 with Retry-After': faults.status(503, { headers: { 'Retry-After': '7' } }),
    '400': faults.status(400),
    '200 without success': faults.json(REFUSAL),
    '200 and a page': faults.html(),
    'a broken connection': faults.broken(),
    'nothing, deaf to its end': faults.hangIgnoringAbort(),
    'a redirect': faults.redirect('https://attacker.example/'),
    '429 with Retry-After': faults.throttled('7'),
  };
  /** Ada moves from high to low, Bo is released, and three are new. */
  async function changing() {
    const made = listScene();
    const { tenant, cloudflare, run } = made;
    const [ada = '', bo = ''] = addRisky(tenant, 'high', 3);
    await run();
    neverUncovered(cloudflare, addressOf(tenant, ada));
    tenant.setRisk(ada, 'low');
    tenant.dismiss(bo);
    addRisky(tenant, 'high', 3);
    cloudflare.forgetRequests();
    return made;
  }

  const once = Object.entries({ ...DONE, ...NOT_DONE });
  it.each(once)('%s: the list is read again, and the rest is sent', async (name, give) => {
    const { cloudflare, runInSync } = await changing();
    for (const change of ['append', 'remove'])
      cloudflare.fault({ on: (one) => one.method === 'PATCH' && one.body.includes(change), times: 1, give });
    const ended = await runInSync();
    expect([ended.events, ended.lines.at(-1)]).toMatchObject([[], { added: 4, removed: 2 }]);
    const high = cloudflare.listsNamed(NAMES.high)[0]?.id ?? '';
    const sent = cloudflare.requests.filter(({ path }) => path.includes(high)).map(({ method }) => method);
    const [patch, next] = cloudflare.requests.slice(cloudflare.requests.findIndex((one) => one.method === 'PATCH'));
    const waitMs = name.includes('Retry-After') ? 7_000 : /^504|no|half/.test(name) ? 500 : 0;
    expect((next?.at ?? 0) - (patch?.endedAt ?? 0)).toBeGreaterThanOrEqual(waitMs);
    const change = name.startsWith('429') ? 'PATCH PATCH' : `PATCH GET${name in NOT_DONE ? ' PATCH' : ''}`;
    expect(sent.join(' ')).toBe(`GET ${change} ${change}`);
  });

  const always = Object.entries(NOT_DONE);
  it.each(always)('%s, always: nobody leaves or is said to, and ten PATCHes to a list at most', async (name, give) => {
    const { cloudflare, env, run, listed } = await changing();
    // With time for everything.
    env['DEADLINE_SECONDS'] = '800';
    cloudflare.fault({ on: /^PATCH/, give });
    const before = listed();
    const ended = await run({ cron: QUARTER_HOURLY });
    expect([ended.ok, new Set(ended.events)]).toEqual([false, new Set(['add-failed', 'remove-failed'])]);
    expect([listed(), ended.lines.at(-1)]).toMatchObject([before, { added: 0, removed: 0 }]);
    // Only what is refused is halved: of anything else two adds, and two removals.
    const most = /^4|success/.test(name) ? 10 : 4;
    for (const level of ['high', 'low'])
      expect(patches(cloudflare).filter((one) => one.startsWith(level)).length, level).toBeLessThanOrEqual(most);
  });

  it('what somebody else has written meanwhile is there, though spelt otherwise, and theirs', async () => {
    const { tenant, cloudflare, run } = listScene();
    const bo = tenant.addUser({ upn: 'bo@contoso.example', level: 'high' });
    await run();
    tenant.dismiss(bo);
    tenant.addUser({ upn: 'ada@contoso.example', level: 'high' });
    cloudflare.forgetRequests();
    const values = ['ADA@contoso.example', 'bo@contoso.example'];
    const theirs = values.map((value) => ({ value, description: 'of the helpdesk' }));
    cloudflare.fault({ on: /^PATCH/, times: 2, give: faults.status(504) });
    cloudflare.after(({ method }) => method === 'PATCH' && cloudflare.putEntries(NAMES.high, ...theirs.splice(0, 1)));
    expect((await run()).ok).toBe(true);
    expect(patches(cloudflare)).toEqual(['high +1 -0', 'high +0 -1']);
    expect(described(cloudflare, NAMES.high)).toEqual(Array(2).fill('of the helpdesk'));
  });

  it.each(['append', 'remove'])('K7: a success to every %s, never done, fails from the second on', async (verb) => {
    const { tenant, cloudflare, run, runWell, expectInSync } = listScene();
    const [ada = ''] = addRisky(tenant, 'high', 3);
    if (verb === 'remove') await run();
    if (verb === 'remove') tenant.dismiss(ada);
    const give = faults.json({ success: true, errors: [], messages: [], result: {} });
    const rule = cloudflare.fault({ on: (one) => one.method === 'PATCH' && one.body.includes(verb), give });
    await run();
    for (let more = 0; more < 2; more += 1) {
      if (verb === 'append') addRisky(tenant, 'high', 1);
      const ended = await run();
      const ids = verb === 'remove' ? [ada] : tenant.atRisk('high');
      expect(ended.told).toMatchObject([{ event: 'contradicted', severity: 'error', level: 'high' }]);
      expect([...new Set(ended.told.flatMap((line) => line['ids']))].sort()).toEqual(ids);
      expect(ended.lines.at(-1)).toMatchObject({ added: 0, removed: 0 });
    }
    rule.remove();
    await runWell();
    expectInSync();
  });
});

/** What was answered first. */
let first: unknown;
it.each([
  ['a page without its last entry', resultOf((result) => result.slice(1))],
  ['pages that repeat', resultOf((result) => [...result.slice(1), result[1]])],
  ['the first page again and again', resultOf((result) => (first ??= result))],
  ['an entry too many', resultOf((result) => [...result, { value: 'more@contoso.example' }])],
  ['an entry described by a number', resultOf((result) => result.map((one) => ({ ...Object(one), description: 1 })))],
  ['an entry without a value', resultOf((result) => [...result.slice(1), { description: 'x' }])],
  ['null where there are entries', resultOf(() => null)],
  ['fewer than the lookup counted', changed(() => ({ result_info: { total_count: 3 } }))],
  ['no success', changed(() => ({ success: false }))],
  ['success with status 500', withStatus(500)],
  ['errors beside success', changed(() => ({ errors: [{ code: 1 }] }))],
])('a list of which comes %s is not whole: it is left alone, and the others go on', async (_, give) => {
  const { tenant, cloudflare, run, listed } = listScene({ cloudflare: { largestPage: 3 } });
  const [ada = '', bo = ''] = addRisky(tenant, 'high', 5);
  const [cy = ''] = addRisky(tenant, 'low', 5);
  await run();
  const before = cloudflare.entries(NAMES.high);
  const high = cloudflare.listsNamed(NAMES.high)[0]?.id;
  cloudflare.fault({ on: new RegExp(`^GET /lists/${high}/items`), give });
  tenant.dismiss(ada);
  tenant.setRisk(bo, 'low');
  tenant.setRisk(cy, 'high');
  const [dee = ''] = addRisky(tenant, 'low', 1);
  const ended = await run();
  expect([ended.ok, ended.events, ended.milliseconds < 50_000]).toEqual([false, ['list-unread'], true]);
  expect(ended.lines.find(({ event }) => event)).toMatchObject({ severity: 'error', level: 'high' });
  expect(cloudflare.entries(NAMES.high)).toEqual(before);
  // Who moves to the level that could not be read stays where they are.
  expect(listed().low).toEqual(expect.arrayContaining([bo, cy, dee]));
});

it.each(EACH_BEHAVIOUR)('refused: one error that names setting and permission, with %s', async (_, behaviour) => {
  for (const wrong of ['token', 'read-only', 'none', 'account', 'no account'] as const) {
    const { tenant, cloudflare, env, run } = listScene({ cloudflare: behaviour });
    await run();
    addRisky(tenant, 'high', 2);
    const knobs = { token: { token: 'another' }, 'read-only': { permission: 'read' }, none: { permission: 'none' } };
    Object.assign(cloudflare, new Map<string, object>(Object.entries(knobs)).get(wrong));
    if (wrong === 'account') env['CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID'] = '0'.repeat(32);
    const error = { code: '7003', message: 'Could not route' };
    if (wrong === 'no account') cloudflare.fault({ on: /./, give: faults.status(404, { error }) });
    cloudflare.forgetRequests();
    const ended = await run();
    const errors = ended.lines.filter(({ severity }) => severity === 'error');
    expect([ended.ok, errors.length], wrong).toEqual([false, 1]);
    const trace = { code: expect.stringMatching(/^\d{4,5}$/), 'request-id': expect.stringMatching(/-FRA$/) };
    expect(errors).toMatchObject([trace]);
    expect(errors[0]?.message.includes('is not a valid API token')).toBe(wrong === 'token');
    expect(errors[0]?.message).toMatch(/CLOUDFLARE_ZERO_TRUST_API_TOKEN.*Account > Zero Trust > Edit/);
    if (wrong.includes('account')) expect(errors[0]?.message).toContain('CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID');
    expect(patches(cloudflare).length).toBeLessThanOrEqual(wrong === 'read-only' ? 1 : 0);
  }
});

it.each([
  ['throttled for longer than the run', faults.throttled('120'), 'which other app keeps Cloudflare busy', 1],
  ['200 with a code of tokens', faults.json({ ...REFUSAL, errors: [{ code: 9109 }] }), 'not a valid API token', 1],
  ['400', faults.status(400), 'to remove them, delete their entries by hand', 2],
])('a removal from a full list, answered with %s, is told as that and ends', async (_, give, says, most) => {
  const { tenant, cloudflare, run } = listScene();
  const [user = ''] = addRisky(tenant, 'high', 1);
  await run();
  cloudflare.putEntries(NAMES.high, ...foreign(999));
  tenant.dismiss(user);
  cloudflare.forgetRequests();
  cloudflare.fault({ on: /^PATCH/, give });
  expect((await run()).told).toMatchObject([{ event: 'remove-failed', message: expect.stringContaining(says) }]);
  expect(patches(cloudflare)).toHaveLength(most);
});

it('I7: the changes of one list take no more than half of the run', async () => {
  const { tenant, cloudflare, run } = listScene();
  await run();
  for (const level of ['high', 'low'] as const) addRisky(tenant, level, 2);
  const high = cloudflare.listsNamed(NAMES.high)[0]?.id;
  cloudflare.fault({ on: new RegExp(`^PATCH /lists/${high}`), give: faults.hang() });
  cloudflare.fault({ on: new RegExp(`^GET /lists/${high}/items`), after: 1, give: faults.hang() });
  await run();
  const [first, last] = cloudflare.requests.filter(({ method }) => method === 'PATCH').slice(-2);
  expect((last?.at ?? 0) - (first?.at ?? 0)).toBeLessThanOrEqual(25_000);
  expect(described(cloudflare, NAMES.low).sort()).toEqual(tenant.atRisk('low'));
});

it('a block of two minutes by Cloudflare ends the run, not the service', async () => {
  const { tenant, cloudflare, run, expectInSync } = listScene();
  await run();
  cloudflare.requestsPerMinute = 2;
  addRisky(tenant, 'low', 1);
  expect((await run()).ok).toBe(false);
  cloudflare.requestsPerMinute = 600;
  for (let minute = 0; minute < 3; minute += 1) await run();
  expectInSync();
});

it('the brake and the second reading hold for each destination by itself, from one reading', async () => {
  const { tenant, cloudflare, env, run, members, listed } = listScene({ ...BOTH, env: { MAX_REMOVALS: '2' } });
  const users = addRisky(tenant, 'high', 2).sort();
  await run();
  cloudflare.putEntries(NAMES.low, { value: 'ada@contoso.example', description: tenant.addUser() });
  for (const id of users) tenant.dismiss(id);
  const readings = () => tenant.requests.filter(({ path }) => path.includes('riskyUsers')).length;
  tenant.forgetRequests();
  const ended = await run();
  const brake = ended.lines.find(({ event }) => event === 'too-many-removals');
  expect([ended.ok, ended.events, brake?.['destination']]).toEqual([false, ['too-many-removals'], 'lists']);
  expect(brake?.message).toMatch(/MAX_REMOVALS.*3/);
  expect([readings(), members().high, listed().high]).toEqual([2, [], users]);
  for (const id of users) tenant.addMember(NAMES.high, id);
  env['MAX_REMOVALS'] = '3';
  const rule = tenant.fault({ on: /riskyUsers/, after: 1, give: faults.status(400) });
  expect((await run()).events).toContain('second-reading-failed');
  expect([members().high, listed().high]).toEqual([users, users]);
  rule.remove();
  tenant.forgetRequests();
  expect((await run()).ok).toBe(true);
  expect([readings(), members().high, listed().high, listed().low]).toEqual([2, [], [], []]);
});

const TROUBLE = {
  hanging: faults.hangIgnoringAbort(),
  refused: faults.status(403),
  throttled: faults.throttled('40'),
  slow: faults.slow(14_000),
  endless: faults.endlessBody(),
};
const PLACES = [
  ['groups', /^GET \/groups/],
  ['groups', /^POST \/\$batch/],
  ['lists', ON.lists],
  ['lists', /^GET \/lists\/.*items/],
  ['lists', /^PATCH/],
] as const;
const kinds = Object.entries(TROUBLE);
const cases = PLACES.flatMap(([which, on]) => kinds.map(([kind, give]) => [which, kind, on, give] as const));

it.each(cases)('I12 independent: %s %s at %s, the other is in sync as soon as ever', async (which, kind, on, give) => {
  const { tenant, cloudflare, env, run, members, listed } = listScene({ ...BOTH, latencyMs: 20 });
  env['GROUP_IDS'] = addGroups(tenant).pin;
  const [ada = '', bo = ''] = addRisky(tenant, 'high', 4);
  await run();
  tenant.setRisk(ada, 'low');
  tenant.dismiss(bo);
  addRisky(tenant, 'medium', 3);
  (which === 'groups' ? tenant : cloudflare).fault({ on, give });
  tenant.forgetRequests();
  cloudflare.forgetRequests();
  // Cold, so that more requests hang than may be in flight.
  const ended = await run({ cache: {} });
  expect(which === 'groups' ? listed() : members()).toEqual(atEach(tenant.atRisk));
  const { requests } = which === 'groups' ? cloudflare : tenant;
  const last = requests.findLast(({ method }) => method !== 'GET');
  // A second lies between the two readings of riskyUsers.
  expect((last?.endedAt ?? 0) - (tenant.requests[0]?.at ?? 0)).toBeLessThan(3_000);
  expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
  if (kind === 'slow') return;
  expect([ended.ok, ended.lines.at(-1)?.message]).toEqual([false, expect.stringMatching(/^Not in sync/)]);
  for (const line of ended.lines) if (line.severity === 'error') expect(line['destination']).toBe(which);
});

it('a first fill on the Free plan starves no list', async () => {
  const { tenant, cloudflare, run, members, listed } = listScene({ ...BOTH, latencyMs: 100 });
  const counts = { high: 200, medium: 500, low: 600 };
  for (const level of RISK_LEVELS) addRisky(tenant, level, counts[level]);
  const plan = faults.freePlan(bothAs('free plan', tenant, cloudflare));
  expect([(await run({ fetch: plan.fetch })).ok, plan.refused() > 0]).toEqual([false, true]);
  expect(listed()).toEqual(atEach(tenant.atRisk));
  for (let more = 0; more < 3; more += 1) {
    plan.newInvocation();
    await run({ fetch: plan.fetch });
  }
  expect(members()).toEqual(listed());
});

it('the last request of a run has ended when the run has, though the sign-in was refused', async () => {
  const { tenant, cloudflare, run } = listScene({ cloudflare: { latencyMs: 3_000 } });
  tenant.secretExpired = true;
  await run();
  expect(cloudflare.requests.filter(({ endedAt }) => endedAt === undefined)).toEqual([]);
});
