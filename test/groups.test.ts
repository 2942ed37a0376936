/** Which groups are used, created, waited for, and left alone. */
import { describe, expect, it } from 'vitest';
import { addGroups, addRisky, NAMES, scene } from './harness';
import * as faults from './tenant/faults';

const LOOKUP = /^GET \/groups\?/;

/** Lets Graph list other groups than there are, or in another order. */
const rewriteGroups = (change: (groups: { id: string; displayName: string }[]) => unknown[]) =>
  faults.rewrite((body) => ({ ...Object(body), value: change(Object(body).value) }));

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

  const LOWER_ID = '11111111-0000-4000-8000-000000000001';
  const HIGHER_ID = '99999999-0000-4000-8000-000000000009';
  const ORDERS = [
    ['in the order of the ids', (groups: unknown[]) => groups],
    ['the other way round', (groups: unknown[]) => groups.toReversed()],
  ] as const;

  it.each(ORDERS)('of the same age, the one with the lower id, if Graph lists them %s', async (_, order) => {
    const { tenant, run } = scene();
    for (const id of [LOWER_ID, HIGHER_ID]) tenant.addGroup({ id, displayName: NAMES.low });
    tenant.fault({ on: LOOKUP, give: rewriteGroups(order) });
    addRisky(tenant, 'low', 1);
    await run();
    expect(tenant.members(LOWER_ID)).toEqual(tenant.atRisk('low'));
    expect(tenant.members(HIGHER_ID)).toEqual([]);
  });

  it.each(ORDERS)('the oldest has the higher id, if Graph lists them %s', async (_, order) => {
    const { tenant, run, clock } = scene();
    tenant.addGroup({ id: HIGHER_ID, displayName: NAMES.low });
    await clock.advance(1_000);
    tenant.addGroup({ id: LOWER_ID, displayName: NAMES.low });
    tenant.fault({ on: LOOKUP, give: rewriteGroups(order) });
    addRisky(tenant, 'low', 1);
    await run();
    expect(tenant.members(HIGHER_ID)).toEqual(tenant.atRisk('low'));
    expect(tenant.members(LOWER_ID)).toEqual([]);
  });

  it.each(
    ORDERS.flatMap(([words, order]) =>
      [undefined, null, 'long ago'].map((date) => [String(date), words, order, date] as const),
    ),
  )('one whose age is told as %s comes last, if Graph lists them %s', async (_, _words, order, date) => {
    const { tenant, run } = scene();
    for (const id of [LOWER_ID, HIGHER_ID]) tenant.addGroup({ id, displayName: NAMES.low });
    const undated = (groups: { id: string }[]) =>
      groups.map((group) => (group.id === LOWER_ID ? { ...group, createdDateTime: date } : group));
    tenant.fault({ on: LOOKUP, give: rewriteGroups((groups) => order(undated(groups))) });
    addRisky(tenant, 'low', 1);
    await run();
    expect(tenant.members(HIGHER_ID)).toEqual(tenant.atRisk('low'));
    expect(tenant.members(LOWER_ID)).toEqual([]);
  });

  it('are found and named in one request, though there are hundreds', async () => {
    const { tenant, run, clock } = scene();
    const { ids } = addGroups(tenant);
    await clock.advance(1_000);
    for (let count = 0; count < 300; count += 1) tenant.addGroup({ displayName: NAMES.high });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.lines.flatMap((line) => line['ids'] ?? [])).toHaveLength(300);
    expect(ended.lines[0]).toMatchObject({ trouble: 'duplicate-groups', level: 'high' });
    expect(ended.lines[0]?.message).toContain(ids.high);
    // Sign-in, risky users, lookup, members of three groups.
    expect(ended.requests).toBe(6);
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
    const failure = ended.lines.find(({ trouble }) => trouble === 'group-unfit');
    expect(failure).toMatchObject({ level: 'medium', ids: [unfit] });
    expect(failure?.message).toContain(reason);
    expect(tenant.members(unfit)).toEqual([member]);
    expect(tenant.groupsNamed(NAMES.medium)).toHaveLength(1);
    expect(tenant.members(NAMES.high)).toEqual(tenant.atRisk('high'));
  });

  it.each([undefined, null])('groupTypes given as %s: not known to be a plain one', async (groupTypes) => {
    const { tenant, run } = scene();
    addGroups(tenant);
    addRisky(tenant, 'high', 1);
    const change = (groups: { displayName: string }[]) =>
      groups.map((group) => (group.displayName === NAMES.low ? { ...group, groupTypes } : group));
    tenant.fault({ on: LOOKUP, give: rewriteGroups(change) });
    const ended = await run();
    expect(ended.troubles).toEqual(['group-unfit']);
    expect(ended.lines[0]?.message).toContain('not a plain security group');
    expect(tenant.members(NAMES.high)).toEqual(tenant.atRisk('high'));
  });

  it('of two that are not fit, the reason of the older one is told and both are named', async () => {
    const { tenant, run, clock } = scene();
    const older = tenant.addGroup({ displayName: NAMES.low, mailEnabled: true });
    await clock.advance(1_000);
    const younger = tenant.addGroup({ displayName: NAMES.low, onPremisesSyncEnabled: true });
    const ended = await run();
    const failure = ended.lines.find(({ trouble }) => trouble === 'group-unfit');
    expect(failure?.message).toContain('mail-enabled');
    expect(failure?.['ids']).toEqual([older, younger]);
  });
});

describe('a created group', () => {
  it('is a plain security group that says what it is for', async () => {
    const { tenant, run } = scene();
    expect((await run()).ok).toBe(true);
    for (const displayName of Object.values(NAMES)) {
      expect(tenant.groupsNamed(displayName)).toMatchObject([
        {
          ...{ displayName, mailNickname: displayName, securityEnabled: true, mailEnabled: false },
          groupTypes: [],
          description: expect.stringMatching(/browse in isolation.*risky-users Worker/),
        },
      ]);
    }
  });

  it('is waited for until the last one is listed', async () => {
    const { tenant, run } = scene();
    const give = rewriteGroups((groups) => groups.filter(({ displayName }) => displayName !== NAMES.low));
    tenant.fault({ on: LOOKUP, after: 1, times: 3, give });
    const ended = await run();
    expect(ended.troubles).not.toContain('group-not-listed');
    expect(ended.milliseconds).toBe(7_000);
  });

  it('that is answered without an id fails its level, and the next run uses it', async () => {
    const { tenant, run, expectInStep } = scene();
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: /^POST \/groups$/, times: 1, give: faults.rewrite(() => ({})) });
    const ended = await run();
    expect(ended.lines[0]).toMatchObject({ trouble: 'group-create-failed', level: 'high', status: 201 });
    expect(ended.lines[0]?.message).toContain('(Graph created the group but gave no id)');
    expect((await run()).ok).toBe(true);
    expect(tenant.groups()).toHaveLength(3);
    expectInStep();
  });

  it('that Graph refuses to create is told with what Graph answered', async () => {
    const { tenant, run } = scene();
    tenant.fault({ on: /^POST \/groups$/, times: 1, give: faults.status(400) });
    const ended = await run();
    expect(ended.lines[0]).toMatchObject({ trouble: 'group-create-failed', level: 'high', status: 400 });
    expect(ended.lines[0]?.message).toContain('(Graph answered 400 Request_BadRequest)');
    expect(tenant.groups()).toHaveLength(2);
  });

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

  it('that is remembered is used, though one of its name that is not fit is listed before it', async () => {
    const { tenant, run } = scene();
    tenant.lag.groupListedAfterMs = 240_000;
    await run();
    const [ours] = tenant.groupsNamed(NAMES.high);
    const createdDateTime = '2020-01-01T00:00:00Z';
    const unfit = tenant.addGroup({ displayName: NAMES.high, mailEnabled: true, createdDateTime });
    addRisky(tenant, 'high', 1);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.lines[0]).toMatchObject({ trouble: 'duplicate-groups', ids: [unfit] });
    expect(tenant.members(ours?.id ?? '')).toEqual(tenant.atRisk('high'));
  });

  it('that answers 400 to everything at first is filled in the same run', async () => {
    const { tenant, run, expectInStep } = scene();
    addRisky(tenant, 'high', 3);
    const toGroup = ({ part, method }: faults.FaultTarget) => part || method === 'PATCH';
    const fault = tenant.fault({ on: toGroup, times: 4, give: faults.status(400) });
    expect((await run()).ok).toBe(true);
    expect(fault.hits()).toBe(4);
    expectInStep();
  });

  it('that is listed twenty seconds later is found by the last look', async () => {
    const { tenant, run } = scene({ latencyMs: 40 });
    tenant.lag.groupListedAfterMs = 20_000;
    expect((await run()).troubles).not.toContain('group-not-listed');
  });

  it('is called unlisted when the deadline comes before the last look', async () => {
    const { tenant, run, env } = scene();
    env['DEADLINE_SECONDS'] = '20';
    tenant.lag.groupListedAfterMs = 240_000;
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toContain('group-not-listed');
    expect(ended.milliseconds).toBeLessThanOrEqual(20_000);
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
