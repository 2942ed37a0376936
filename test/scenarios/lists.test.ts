/** Lists as a destination: which addresses stand where, when they may go, and what others do to the lists. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import { EACH_BEHAVIOUR } from '../tenant/cloudflare/behaviours';
import * as faults from '../tenant/faults';
import { without } from '../tenant/list-faults';
import { guestUpn, GROUP_NAMES as NAMES } from '../tenant/names';
import { addresses, described, foreign, levelsOf, listScene, neverUncovered, patches, resultOf } from './list-scene';
import { addRisky, ON } from './scene';

const ADA = 'ada@contoso.example';

describe.each(EACH_BEHAVIOUR)('with %s', (_, behaviour) => {
  it('makes the lists, follows everyone with one PATCH for adds and one for removals, and then only reads', async () => {
    const { tenant, cloudflare, run, runInSync, runWell, expectInSync } = listScene({ cloudflare: behaviour });
    const [high = [], medium = [], low = []] = RISK_LEVELS.map((level) => addRisky(tenant, level, 8));
    tenant.addUser();
    const first = await runInSync();
    expect(first.events).toEqual(Array(3).fill('list-created'));
    expect(first.text).toMatch(/Name it in the Gateway policy/);
    expect(patches(cloudflare)).toEqual(['high +8 -0', 'medium +8 -0', 'low +8 -0']);
    for (const level of RISK_LEVELS) {
      const description = expect.stringContaining(`risky-users:${level}`);
      expect(cloudflare.listsNamed(NAMES[level])).toMatchObject([{ type: 'EMAIL', description }]);
    }
    const staying = [...medium.slice(0, 3), ...high.slice(4)];
    neverUncovered(cloudflare, ...staying.map((id) => tenant.user(id)?.userPrincipalName ?? ''));
    for (const id of high.slice(0, 2)) tenant.dismiss(id);
    for (const id of medium.slice(0, 3)) tenant.setRisk(id, 'high');
    for (const id of low.slice(0, 2)) tenant.confirmCompromised(id);
    for (const id of high.slice(4, 6)) tenant.setRisk(id, 'low');
    tenant.setUpn(high[7] ?? '', 'Married@Contoso.example');
    cloudflare.forgetRequests();
    await runWell();
    expectInSync();
    expect(patches(cloudflare)).toEqual(['high +6 -0', 'low +2 -0', 'high +0 -4', 'medium +0 -3', 'low +0 -2']);
    cloudflare.forgetRequests();
    tenant.forgetRequests();
    const idle = await run();
    expect(idle.lines).toMatchObject([{ message: expect.stringContaining('In sync, nothing to do') }]);
    if (behaviour.largestPage === undefined) expect(idle.requests).toBe(5);
    expect(idle.lines.at(-1)?.['foreignEntries']).toBeUndefined();
    expect([...cloudflare.requests, ...tenant.requests].filter(({ method }) => method !== 'GET')).toEqual([]);
  });
});

describe('an address is not removed while anyone may need it', () => {
  /** What Entra says of the two, run by run, and the levels at which the address then stands. */
  const SHARED = {
    'whom the description names is released first': ['none/high: high', 'none/none: '],
    'whom the description names is released last': ['high/none: high', 'none/none: '],
    'it moves only with the last of them': ['low/high: high+low', 'low/low: low', 'none/high: high'],
    'the other one is in doubt': ['none/hidden: high'],
    'the other one is exempt, and named in another list': ['none/none: high+low'],
  };
  it.each(Object.entries(SHARED))('%s', async (name, steps) => {
    const { tenant, cloudflare, run, env } = listScene();
    // Two users with one address at the high level, the first of them named by its description.
    const named = tenant.addUser({ upn: ADA, level: 'high' });
    expect((await run()).ok).toBe(true);
    const second = tenant.addUser({ upn: 'Ada@Contoso.example', level: 'high' });
    if (name.includes('exempt')) {
      env['EXEMPT_USER_IDS'] = second;
      cloudflare.putEntries(NAMES.low, { value: ADA, description: second });
    }
    if (!steps.includes('none/none: ')) neverUncovered(cloudflare, ADA);
    await run();
    for (const step of steps) {
      const [, first = '', other = '', levels] = /(.*)\/(.*): (.*)/.exec(step) ?? [];
      tenant.setRisk(named, first);
      tenant.setRisk(second, other);
      expect(await run()).toMatchObject({ ok: true, events: other === 'hidden' ? ['in-doubt'] : [] });
      expect(levelsOf(cloudflare, ADA).join('+'), step).toBe(levels);
    }
  });

  it("moves with whose it was, though it is somebody else's now who comes with them", async () => {
    const { tenant, cloudflare, run, runWell } = listScene();
    const was = tenant.addUser({ upn: ADA, level: 'low' });
    const is = tenant.addUser({ upn: ADA });
    await run();
    neverUncovered(cloudflare, ADA);
    tenant.setUpn(was, 'new@contoso.example');
    for (const id of [is, was]) tenant.setRisk(id, 'high');
    await runWell();
    expect(levelsOf(cloudflare, ADA)).toEqual(['high']);
  });

  it('moved while the new list has room for one of their two addresses: nobody leaves', async () => {
    const { tenant, cloudflare, run, runWell } = listScene();
    const ada = tenant.addUser({ upn: ADA, level: 'low' });
    await run();
    neverUncovered(cloudflare, ADA);
    tenant.setUpn(ada, 'new@contoso.example');
    tenant.setRisk(ada, 'high');
    cloudflare.putEntries(NAMES.high, ...foreign(999));
    const message = expect.stringContaining(' 1 user at risk');
    expect((await run()).told).toMatchObject([{ event: 'list-full', ids: [ada], message }]);
    expect(described(cloudflare, NAMES.low)).toEqual([ada]);
    cloudflare.removeEntry(NAMES.high, 'theirs0@contoso.example');
    await runWell();
    expect(addresses(cloudflare, 'low')).toEqual([]);
  });
});

describe('whom no list can hold', () => {
  const UNUSABLE = [guestUpn('bo@fabrikam.example'), null, 'no address', `${'a'.repeat(250)}@contoso.example`];

  it('makes the run fail with lists alone, by id, until they are exempt; the others go in', async () => {
    const { tenant, cloudflare, run, runWell, env } = listScene();
    const nowhere = UNUSABLE.map((upn) => tenant.addUser({ upn, level: 'high' }));
    const doubtful = tenant.addUser({ upn: guestUpn('cy@fabrikam.example'), level: 'hidden' });
    const [user = ''] = addRisky(tenant, 'high', 1);
    const ended = await run();
    const told = ended.lines.find(({ event }) => event === 'not-listable');
    expect([ended.ok, told?.severity, told?.['ids']]).toEqual([false, 'error', expect.arrayContaining(nowhere)]);
    expect(told?.message).toMatch(/^4 users .*DESTINATIONS.*EXEMPT_USER_IDS/);
    expect(described(cloudflare, NAMES.high)).toEqual([user]);
    env['EXEMPT_USER_IDS'] = nowhere.join();
    tenant.dismiss(doubtful);
    await runWell();
  });

  it('is a warning with groups as well, which hold them', async () => {
    const { tenant, run, members } = listScene({ destinations: 'groups,lists' });
    const nowhere = UNUSABLE.map((upn) => tenant.addUser({ upn, level: 'low' }));
    await run();
    expect(await run()).toMatchObject({ ok: true, events: ['not-listable'] });
    expect(members().low).toEqual(nowhere.sort());
    // An address that is not told keeps everybody's from being removed.
    tenant.fault({ on: ON.riskyUsers, give: without('userPrincipalName') });
    expect(await run()).toMatchObject({ ok: false, events: ['not-listable'] });
  });
});

it.each([
  ['1,000', 1_000, 998, 2],
  ['5,000', 5_000, 4_998, 2],
  ['1,000, exactly full', 1_000, 1_000, 0],
  ['5,000, past 1,000', 5_000, 998, 5],
  ['1,000, from a larger plan', 1_000, 1_200, 0],
])('a full list of %s takes what fits, names the rest, and removes nobody', async (_, entriesPerList, taken, fit) => {
  const { tenant, cloudflare, run } = listScene({ cloudflare: { entriesPerList } });
  const id = cloudflare.addList({ name: NAMES.high, entries: foreign(taken) });
  const waiting = addRisky(tenant, 'high', 5);
  const ended = await run();
  const written = cloudflare.entries(id).flatMap(({ description }) => description ?? []);
  expect([ended.ok, written.length, cloudflare.entries(id).length]).toEqual([fit === 5, fit, taken + fit]);
  expect(ended.lines.at(-1)?.['foreignEntries']).toBe(taken);
  const named = ended.lines.flatMap(({ severity, ids }) => (severity === 'error' && Array.isArray(ids) ? ids : []));
  expect([...written, ...named].sort()).toEqual(waiting.sort());
  const isOver = taken > entriesPerList;
  if (fit < 5) expect(ended.events.at(-1)).toBe(isOver ? 'add-failed' : 'list-full');
  expect(patches(cloudflare).length).toBeLessThanOrEqual(isOver ? 10 : 5);
});

describe('which list is ours', () => {
  const older = (one: unknown, n: number) => ({ ...Object(one), id: `x${n}`, type: 'DOMAIN', created_at: '2020' });
  const withId = (id: string) => (all: unknown[]) => [{ ...Object(all[0]), id }, ...all.slice(1)];
  it.each([
    ['older lists of another type', (all: unknown[]) => [...all, ...all.map(older)], []],
    ['a list twice', (all: unknown[]) => [...all, ...all.slice(0, 1)], ['lists-unread']],
    ['an id that begins otherwise', withId('../rules'), ['lists-unread']],
    ['an id that goes on', withId('a/items'), ['lists-unread']],
  ])('by a lookup that holds %s', async (_, change, events) => {
    const { tenant, cloudflare, run, listed } = listScene();
    await run();
    const users = addRisky(tenant, 'high', 1);
    cloudflare.fault({ on: ON.lists, give: resultOf(change) });
    expect((await run()).events).toEqual(events);
    expect(listed().high).toEqual(events.length > 0 ? [] : users);
  });

  it('one that was renamed fails its level, and none is made or used in its place', async () => {
    const { tenant, cloudflare, run, listed } = listScene();
    const [ada = ''] = addRisky(tenant, 'high', 1);
    await run();
    const id = cloudflare.listsNamed(NAMES.high)[0]?.id ?? '';
    cloudflare.changeList(id, { name: 'Isolated people' });
    tenant.setRisk(ada, 'low');
    addRisky(tenant, 'high', 1);
    for (const high of [undefined, []]) {
      const ended = await run();
      expect([ended.ok, ended.events]).toEqual([false, ['list-renamed']]);
      expect(ended.text).toContain(id);
      expect(listed()).toEqual({ high, medium: [], low: [ada] });
      expect(described(cloudflare, id)).toEqual([ada]);
      // An administrator makes another one of the name.
      cloudflare.addList({ name: NAMES.high });
    }
  });

  it('deleted meanwhile: it fails, and the next run makes it', async () => {
    const { runInSync, tenant, cloudflare, run } = listScene();
    await run();
    for (const level of RISK_LEVELS) addRisky(tenant, level, 2);
    const { id = '' } = cloudflare.listsNamed(NAMES.high)[0] ?? {};
    cloudflare.before(({ path }) => path === `/lists/${id}` && cloudflare.deleteList(id));
    expect(await run()).toMatchObject({ ok: false, events: ['add-failed'] });
    expect([cloudflare.lists().length, addresses(cloudflare, 'low').length]).toEqual([2, 2]);
    await runInSync();
  });

  it.each([
    ['400', faults.status(400), 'another list has that name, or the account has its 100 lists'],
    ['200, yet without an id', faults.json({ success: true, errors: [], result: {} }), 'www.cloudflarestatus.com'],
  ])('not made, with %s: the error says what may be wrong', async (_, give, says) => {
    const { cloudflare, run } = listScene();
    cloudflare.fault({ on: /^POST/, give });
    const { ok, told } = await run();
    expect([ok, told]).toMatchObject([false, Array(3).fill({ message: expect.stringContaining(says) })]);
  });

  it('is made only after two whole lookups, two seconds apart, that have none of the name', async () => {
    const { tenant, cloudflare, run, runWell, expectInSync } = listScene();
    addRisky(tenant, 'high', 1);
    // Made, although the answers do not say so.
    cloudflare.fault({ on: /^POST/, times: 3, give: faults.status(504, { applied: true }) });
    expect(await run()).toMatchObject({ ok: false, events: Array(3).fill('list-not-created') });
    cloudflare.forgetRequests();
    const nothing = faults.json({ success: true, errors: [], messages: [], result: null });
    cloudflare.fault({ on: ON.lists, times: 1, give: nothing });
    await runWell();
    const [first, second] = cloudflare.requests.filter(({ path }) => path === '/lists').map(({ at }) => at);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(2_000);
    expectInSync();
    cloudflare.deleteList(NAMES.low);
    cloudflare.fault({ on: ON.lists, after: 1, times: 1, give: faults.json({ success: true, errors: [] }) });
    expect((await run()).events).toEqual(['lists-unread']);
    expect(cloudflare.lists()).toHaveLength(2);
  });
});
