/** Which groups are used, made and left alone. */
import { describe, expect, it } from 'vitest';
import * as faults from '../tenant/faults';
import { altered } from '../tenant/list-faults';
import { addRisky, busy, NAMES, ON, scene, settled, withStatus } from './scene';

describe('groups of the same name', () => {
  it('the oldest eligible one is used, a warning names the others, and none is made', async () => {
    const { tenant, run, ids } = await settled();
    const older = { mailEnabled: true, createdDateTime: '2020-01-01T00:00:00Z' };
    const mail = tenant.addGroup({ displayName: NAMES.low, ...older });
    const member = tenant.addUser();
    const others = [1, 2].map(() => tenant.addGroup({ displayName: NAMES.high, members: [member] })).sort();
    const odd: Record<string, object> = { [mail]: { createdDateTime: null }, [others[1] ?? '']: { groupTypes: null } };
    tenant.fault({ on: ON.lookup, give: altered(({ id }) => odd[String(id)] ?? {}) });
    for (const level of ['high', 'low'] as const) addRisky(tenant, level, 2);
    const ended = await run();
    expect(ended.ok).toBe(true);
    for (const level of ['high', 'low'] as const) expect(tenant.members(ids[level])).toEqual(tenant.atRisk(level));
    for (const id of others) expect(tenant.members(id)).toEqual([member]);
    const [warning, ...more] = ended.told.filter(({ event, level }) => event === 'duplicate-names' && level === 'high');
    expect(warning).toMatchObject({ ids: others, message: expect.stringContaining(ids.high) });
    expect([more, tenant.groups().length]).toEqual([[], 6]);
  });

  const DATES = ['2026-05-04T02:59:00Z', '2026-05-04T02:59:30Z'];
  it.each(DATES)('of one made at %s and one at 02:59:30 the older is used, or the lower id', async (date) => {
    const { tenant, run } = scene();
    const [lower, higher] = ['11111111-0000-4000-8000-000000000001', '99999999-0000-4000-8000-000000000009'];
    for (const id of [higher, lower]) tenant.addGroup({ id, displayName: NAMES.low });
    const made = (one: object) => ({ ...one, createdDateTime: Object(one).id === lower ? date : DATES[1] });
    const give = faults.rewrite((body) => ({ ...Object(body), value: Object(body).value.map(made).reverse() }));
    tenant.fault({ on: ON.lookup, give });
    addRisky(tenant, 'low', 1);
    await run();
    expect([tenant.members(lower), tenant.members(higher)]).toEqual([tenant.atRisk('low'), []]);
  });
});

it.each([
  ['dynamic', { groupTypes: ['DynamicMembership'], membershipRule: 'user.accountEnabled -eq true' }],
  ['synced from on-premises', { onPremisesSyncEnabled: true }],
  ['not a security group', { securityEnabled: false }],
  ['mail-enabled', { mailEnabled: true }],
  ['not a plain security group', { groupTypes: ['Unified'] }],
])('I5: a group that is %s, pinned or not, fails its level, and the others go on', async (reason, properties) => {
  const { tenant, run, env, pin, ids, stale, allBut, members } = await busy();
  const younger = tenant.addGroup({ displayName: NAMES.low, mailEnabled: true });
  tenant.fault({ on: ON.lookup, give: altered(({ id }) => (id === ids.low ? properties : {})) });
  const told = { event: 'group-ineligible', level: 'low', message: expect.stringContaining(reason) };
  expect((await run()).told).toMatchObject([{ ...told, ids: [ids.low, younger] }]);
  env['GROUP_IDS'] = pin;
  expect((await run()).told).toMatchObject([told]);
  expect(members()).toEqual(allBut([stale.low]));
  expect(tenant.groups()).toHaveLength(4);
});

describe('a group that is made', () => {
  it('is a plain security group that says what it is for', async () => {
    const { tenant, run } = scene();
    expect((await run()).events).toEqual(['group-created', 'group-created', 'group-created']);
    const kind = { securityEnabled: true, mailEnabled: false, groupTypes: [] };
    const description = expect.stringMatching(/browse in isolation.*risky-users Worker/);
    for (const name of Object.values(NAMES))
      expect(tenant.groupsNamed(name)).toMatchObject([{ displayName: name, mailNickname: name, ...kind, description }]);
  });

  const FAILED = ['group-not-created'];
  it.each<[string, faults.Fault, number, string[]]>([
    ['refused', faults.status(400), 2, FAILED],
    ['answered without an id', faults.rewrite(() => ({})), 3, FAILED],
    ['answered with an error beside the id', faults.rewrite((body) => ({ ...Object(body), error: {} })), 3, []],
    ['answered 202', withStatus(202), 3, FAILED],
    ['answered with 503 without Retry-After although it happened', faults.status(503, { applied: true }), 3, FAILED],
    ['not answered although it happened', faults.hang({ applied: true }), 3, FAILED],
    ['throttled, so that it surely did not happen', faults.throttled('3'), 3, []],
    ['answered with 503 and Retry-After', faults.status(503, { headers: { 'Retry-After': '2' } }), 3, []],
  ])('but %s: in this run or the next one it is used or made, and there is one', async (_, give, count, events) => {
    const { tenant, run, runInSync } = scene();
    tenant.fault({ on: ON.create, times: 1, give });
    addRisky(tenant, 'high', 1);
    const ended = await run();
    expect(ended.events.filter((event) => event !== 'group-created')).toEqual(events);
    expect([tenant.groups().length, ended.lines.at(-1)]).toMatchObject([count, { added: 1 - events.length }]);
    await runInSync();
    expect(tenant.groups()).toHaveLength(3);
  });

  it('and is not found everywhere at once fails the run, and the next one fills it', async () => {
    const { runInSync, tenant, run } = scene();
    tenant.lag.groupReachableAfterMs = 30_000;
    addRisky(tenant, 'high', 3);
    expect((await run()).events).toEqual(['group-created', 'group-created', 'group-created', 'add-failed']);
    await runInSync();
  });

  it('is remembered for ten minutes where it is not listed yet, and then forgotten, if it was deleted meanwhile', async () => {
    const { runInSync, tenant, run, clock } = scene();
    tenant.lag.groupListedAfterMs = 240_000;
    for (let minute = 0; minute < 6; minute += 1) {
      addRisky(tenant, 'high', 1);
      await runInSync();
    }
    expect(tenant.groups()).toHaveLength(3);
    tenant.deleteGroup(NAMES.high);
    expect((await run()).ok).toBe(false);
    await clock.advance(600_000);
    await runInSync();
  });
});
