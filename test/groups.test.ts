/** Which groups are used, created, waited for, and left alone. */
import { describe, expect, it } from 'vitest';
import { addGroups, addRisky, NAMES, scene } from './harness';
import * as faults from './tenant/faults';

describe('groups of the same name', () => {
  it('the oldest fit one is used, a warning names the other, and none is created', async () => {
    const { tenant, run, clock } = scene();
    const { ids } = addGroups(tenant);
    await clock.advance(1_000);
    const impostor = tenant.addGroup({ displayName: NAMES.high, members: [tenant.addUser()] });
    const before = tenant.members(impostor);
    addRisky(tenant, 'high', 2);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
    expect(tenant.members(impostor)).toEqual(before);
    expect(tenant.groups()).toHaveLength(4);
    const warning = ended.lines.find(({ trouble }) => trouble === 'duplicate-groups');
    expect(warning).toMatchObject({ severity: 'warn', ids: [impostor] });
    expect(warning?.message).toContain(ids.high);
    expect((await run()).troubles).toEqual(['duplicate-groups']);
  });

  it('of the same age, the one with the lower id', async () => {
    const { tenant, run } = scene();
    const pair = [
      tenant.addGroup({ displayName: NAMES.low }),
      tenant.addGroup({ displayName: NAMES.low }),
    ].sort();
    addRisky(tenant, 'low', 1);
    await run();
    expect(tenant.members(pair[0] ?? '')).toEqual(tenant.atRisk('low'));
    expect(tenant.members(pair[1] ?? '')).toEqual([]);
  });

  it('an older mail-enabled one beside a fit one is passed over', async () => {
    const { tenant, run, clock } = scene();
    tenant.addGroup({ displayName: NAMES.high, mailEnabled: true });
    await clock.advance(1_000);
    const { ids } = addGroups(tenant);
    addRisky(tenant, 'high', 1);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
  });
});

describe('a group that is not fit fails its level with the reason, and the others go on', () => {
  it.each([
    ['dynamic', { groupTypes: ['DynamicMembership'], membershipRule: 'user.accountEnabled -eq true' }],
    ['synced from on-premises', { onPremisesSyncEnabled: true }],
    ['not a security group', { securityEnabled: false }],
    ['mail-enabled', { mailEnabled: true }],
    ['not a plain security group', { groupTypes: ['Unified'] }],
  ])('%s', async (reason, properties) => {
    const { tenant, run } = scene();
    const member = tenant.addUser();
    const unfit = tenant.addGroup({ displayName: NAMES.medium, ...properties, members: [member] });
    addRisky(tenant, 'high', 1);
    addRisky(tenant, 'medium', 1);
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.lines.find(({ trouble }) => trouble === 'group-unfit')?.message).toContain(reason);
    expect(tenant.members(unfit)).toEqual([member]);
    expect(tenant.groupsNamed(NAMES.medium)).toHaveLength(1);
    expect(tenant.members(NAMES.high)).toEqual(tenant.atRisk('high'));
  });
});

describe('a created group', () => {
  it('that the lookup lists only later is waited for, and no second one is made by a cold run', async () => {
    const { tenant, run, coldRun, expectInStep } = scene();
    tenant.lag.groupListedAfterMs = 9_000;
    addRisky(tenant, 'high', 1);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['group-created', 'group-created', 'group-created']);
    expect(ended.milliseconds).toBeGreaterThanOrEqual(9_000);
    expect((await coldRun()).ok).toBe(true);
    expect(tenant.groups()).toHaveLength(3);
    expectInStep();
  });

  it('that the lookup does not list for minutes is remembered by the isolate', async () => {
    const { tenant, run, expectInStep } = scene();
    tenant.lag.groupListedAfterMs = 240_000;
    addRisky(tenant, 'high', 1);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toContain('group-not-listed');
    for (let minute = 0; minute < 5; minute += 1) {
      addRisky(tenant, 'low', 1);
      expect((await run()).ok).toBe(true);
    }
    expect(tenant.groups()).toHaveLength(3);
    expectInStep();
  });

  it('that is listed twenty seconds later is found by the last look', async () => {
    const { tenant, run } = scene({ latencyMs: 40 });
    tenant.lag.groupListedAfterMs = 20_000;
    expect((await run()).troubles).not.toContain('group-not-listed');
  });

  it('is not called unlisted where the runtime refused to look', async () => {
    const { tenant, run } = scene({ latencyMs: 40 });
    addRisky(tenant, 'high', 60);
    tenant.lag.groupListedAfterMs = 2_500;
    // Sign-in, two readings, three creations, a first look and the first additions; then the runtime refuses.
    const plan = faults.freePlan((input, init) => tenant.fetch(input, init), 10);
    const ended = await run({ fetch: plan.fetch });
    expect(ended.troubles).not.toContain('group-not-listed');
    expect(tenant.members(NAMES.high)).toHaveLength(60);
  });

  it('that is made unfit meanwhile is left alone, also by the isolate that remembers it', async () => {
    const { tenant, run, coldRun } = scene();
    await run();
    const [group] = tenant.groupsNamed(NAMES.high);
    tenant.changeGroup(NAMES.high, { groupTypes: ['DynamicMembership'] });
    addRisky(tenant, 'high', 1);
    for (const ended of [await run(), await coldRun()]) {
      expect(ended.troubles).toEqual(['group-unfit']);
      expect(tenant.members(group?.id ?? '')).toEqual([]);
    }
  });

  it('is forgotten after ten minutes, so that one deleted meanwhile is made again', async () => {
    const { tenant, run, clock, expectInStep } = scene();
    addRisky(tenant, 'high', 1);
    await run();
    tenant.deleteGroup(NAMES.high);
    const early = await run();
    expect(early.ok).toBe(false);
    await clock.advance(600_000);
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('that answers 404 for two seconds is filled in the same run', async () => {
    const { tenant, run, expectInStep } = scene();
    tenant.lag.groupReachableAfterMs = 2_000;
    for (const level of ['high', 'medium', 'low'] as const) addRisky(tenant, level, 3);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expectInStep();
  });

  it('that answers 404 to the next run as well is waited for there', async () => {
    const { tenant, run, coldRun, expectInStep } = scene();
    await run();
    const [user = ''] = addRisky(tenant, 'high', 1);
    const id = tenant.groupsNamed(NAMES.high)[0]?.id;
    tenant.fault({ on: new RegExp(`^GET /groups/${id}/members`), times: 1, give: faults.status(404) });
    expect((await coldRun()).ok).toBe(true);
    expect(tenant.members(NAMES.high)).toEqual([user]);
    expectInStep();
  });

  it.each([
    ['504', faults.status(504, { applied: true })],
    ['500', faults.status(500, { applied: true })],
    ['502', faults.status(502, { applied: true })],
    ['503 without Retry-After', faults.status(503, { applied: true })],
    ['408', faults.status(408, { applied: true })],
    ['a broken connection', faults.broken({ applied: true })],
    ['no answer', faults.hang({ applied: true })],
  ])('answered with %s although it happened: no second one, and the next run uses it', async (_, give) => {
    const { tenant, run, expectInStep } = scene();
    tenant.fault({ on: /^POST \/groups$/, times: 1, give });
    addRisky(tenant, 'high', 1);
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toContain('group-create-failed');
    expect((await run()).ok).toBe(true);
    expect(tenant.groups()).toHaveLength(3);
    expectInStep();
  });

  it.each([
    ['429', faults.status(429)],
    ['429 with Retry-After', faults.throttled('3')],
    ['503 with Retry-After', faults.status(503, { headers: { 'Retry-After': '2' } })],
  ])('answered with %s did not happen, and is asked for again in the same run', async (_, give) => {
    const { tenant, run, expectInStep } = scene({ latencyMs: 20 });
    tenant.fault({ on: /^POST \/groups$/, times: 1, give });
    addRisky(tenant, 'high', 1);
    expect((await run()).ok).toBe(true);
    expect(tenant.groups()).toHaveLength(3);
    expectInStep();
  });
});

describe('pinned groups', () => {
  it('a pinned id that does not exist fails its level only, and nothing is created', async () => {
    const { tenant, run, env } = scene();
    const { ids } = addGroups(tenant);
    tenant.deleteGroup(ids.low);
    env['GROUP_IDS'] = `high=${ids.high},medium=${ids.medium},low=${ids.low}`;
    for (const level of ['high', 'medium', 'low'] as const) addRisky(tenant, level, 2);
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toEqual(['group-unread']);
    expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
    expect(tenant.members(ids.medium)).toEqual(tenant.atRisk('medium'));
    expect(tenant.groupsNamed(NAMES.low)).toEqual([]);
  });

  it('a lookup that fails creates nothing', async () => {
    const { tenant, run } = scene();
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: /^GET \/groups\?/, give: faults.status(500) });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(tenant.groups()).toEqual([]);
  });
});
