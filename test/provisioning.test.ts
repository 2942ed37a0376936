/** On-demand provisioning: who has arrived at Cloudflare, and that it never fails or holds up the sync. */
import { describe, expect, it } from 'vitest';
import { addGroups, addRisky, NAMES, scene } from './harness';
import * as faults from './tenant/faults';
import type { ProvisioningOptions } from './tenant/provisioning';

const ROLES = [
  'IdentityRiskyUser.Read.All',
  'GroupMember.ReadWrite.All',
  'GroupMember.Read.All',
  'Group.Create',
];
const ON_DEMAND = /^POST \/servicePrincipals\/.*\/provisionOnDemand/;

function setUp(options?: ProvisioningOptions, roles = [...ROLES, 'Synchronization.ReadWrite.All']) {
  const here = scene({ permissions: roles, latencyMs: 20 });
  const { ids } = addGroups(here.tenant);
  const cloudflare = here.tenant.addProvisioning(options);
  here.env['SCIM_SERVICE_PRINCIPAL_ID'] = cloudflare.servicePrincipalId;
  return { ...here, ids, cloudflare };
}

describe('newcomers', () => {
  it('arrive at Cloudflare in the same run, five to a call, high first', async () => {
    const { tenant, run, ids, cloudflare, clock } = setUp();
    addRisky(tenant, 'low', 3);
    addRisky(tenant, 'high', 7);
    const start = clock.now();
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual([]);
    expect(cloudflare.arrived(ids.high)).toEqual(tenant.atRisk('high'));
    expect(cloudflare.arrived(ids.low)).toEqual(tenant.atRisk('low'));
    expect(cloudflare.calls.slice(0, 3).map(({ groupId, members }) => [groupId, members.length])).toEqual([
      [ids.high, 5],
      [ids.high, 2],
      [ids.low, 3],
    ]);
    expect(clock.now() - start).toBeLessThanOrEqual(110_000);
  });

  it('who are not in scope yet are offered again after ten seconds', async () => {
    const { tenant, run, ids, cloudflare } = setUp({ delayMs: 1_000 });
    addRisky(tenant, 'high', 1);
    const details = { errorCode: 'NotEffectivelyEntitled' };
    const give = faults.json({ key: JSON.stringify({ result: 'Skipped', details }), value: '{}' });
    const fault = tenant.fault({ on: ON_DEMAND, times: 2, give });
    const ended = await run();
    expect(ended.troubles).toEqual([]);
    expect(fault.hits()).toBe(2);
    expect(cloudflare.arrived(ids.high)).toEqual(tenant.atRisk('high'));
    const calls = tenant.requests.filter(({ path }) => path.endsWith('/provisionOnDemand'));
    expect((calls[1]?.at ?? 0) - (calls[0]?.endedAt ?? 0)).toBeGreaterThanOrEqual(9_900);
  });

  it('of a group that is not assigned are offered while the deadline allows, then counted', async () => {
    const { tenant, run, ids, cloudflare } = setUp({ delayMs: 1_000 });
    cloudflare.unassigned.add(ids.high);
    addRisky(tenant, 'high', 2);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['provisioning-left']);
    expect(cloudflare.calls.length).toBeGreaterThanOrEqual(3);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
  });

  it('are never more than five calls in ten seconds, and what does not fit is counted', async () => {
    const { tenant, run, cloudflare } = setUp({ delayMs: 1_000 });
    addRisky(tenant, 'high', 300);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    const starts = cloudflare.calls.map(({ at }) => at);
    for (let index = 5; index < starts.length; index += 1) {
      expect((starts[index] ?? 0) - (starts[index - 5] ?? 0)).toBeGreaterThanOrEqual(10_000);
    }
    expect(starts.length).toBeGreaterThan(10);
    expect(ended.lines.find(({ trouble }) => trouble === 'provisioning-left')?.message).toMatch(/\d+ users/);
  });

  it('of a group that this run created are left to the regular cycle', async () => {
    const { tenant, run, ids, cloudflare } = setUp();
    tenant.deleteGroup(ids.high);
    addRisky(tenant, 'high', 2);
    expect((await run()).ok).toBe(true);
    expect(cloudflare.calls).toEqual([]);
  });

  it('cause no call at all when there are none, nor in a dry run', async () => {
    const { tenant, run, env, cloudflare } = setUp();
    addRisky(tenant, 'high', 2);
    env['DRY_RUN'] = 'true';
    await run();
    env['DRY_RUN'] = 'false';
    env['EXEMPT_USER_IDS'] = tenant.atRisk('high').join(',');
    await run();
    expect(cloudflare.calls).toEqual([]);
    expect(tenant.requests.filter(({ path }) => path.startsWith('/servicePrincipals'))).toEqual([]);
  });

  it('are pushed, but not those who leave: they wait for the regular cycle', async () => {
    const { tenant, run, ids, cloudflare } = setUp();
    const [user = ''] = addRisky(tenant, 'high', 1);
    await run();
    tenant.dismiss(user);
    const calls = cloudflare.calls.length;
    await run();
    expect(cloudflare.calls).toHaveLength(calls);
    expect(cloudflare.arrived(ids.high)).toEqual([user]);
    tenant.provisioningCycle();
    expect(cloudflare.arrived(ids.high)).toEqual([]);
  });
});

describe('job and rule', () => {
  it('are found once for the life of the isolate', async () => {
    const { tenant, run } = setUp();
    addRisky(tenant, 'high', 1);
    await run();
    addRisky(tenant, 'high', 1);
    await run();
    expect(tenant.requests.filter(({ path }) => path.endsWith('/synchronization/jobs'))).toHaveLength(1);
    expect(tenant.requests.filter(({ path }) => path.endsWith('/schema'))).toHaveLength(1);
  });

  it('are those of the active job whose schema maps groups', async () => {
    const { tenant, run, ids, cloudflare } = setUp({
      jobs: [
        { schedule: 'Disabled', rules: [{ mappings: [{ source: 'Group' }] }] },
        { rules: [{ mappings: [{ source: 'User' }, { source: 'Group', enabled: false }] }] },
        { rules: [{ mappings: [{ source: 'User' }] }, { mappings: [{ source: 'Group' }] }] },
      ],
    });
    addRisky(tenant, 'medium', 2);
    expect((await run()).troubles).toEqual([]);
    expect(cloudflare.arrived(ids.medium)).toEqual(tenant.atRisk('medium'));
  });

  it.each([
    ['no active job', { jobs: [{ schedule: 'Paused' as const }] }, 'provisioning-no-job'],
    ['no job', { jobs: [] }, 'provisioning-no-job'],
    [
      'no mapping of groups',
      { jobs: [{ rules: [{ mappings: [{ source: 'User' }] }] }] },
      'provisioning-no-job',
    ],
    ['a job in quarantine', { jobs: [{ code: 'Quarantine' as const }] }, 'provisioning-quarantine'],
  ])('%s is a warning', async (_, options, trouble) => {
    const { tenant, run, expectInStep } = setUp(options);
    addRisky(tenant, 'high', 2);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual([trouble]);
    expectInStep();
  });
});

describe('trouble ends provisioning for the run, as a warning, and never the sync', () => {
  it('a missing permission is named', async () => {
    const { tenant, run, expectInStep } = setUp({}, ROLES);
    addRisky(tenant, 'high', 2);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['provisioning-refused']);
    expect(ended.lines[1]?.message).toContain('Synchronization.ReadWrite.All');
    expectInStep();
  });

  it.each([
    ['404', faults.status(404)],
    ['429', faults.throttled('5')],
    ['503', faults.status(503)],
    ['500', faults.status(500)],
    ['a broken connection', faults.broken()],
    ['HTML', faults.html()],
  ])('%s', async (_, give) => {
    const { tenant, run, expectInStep, cloudflare } = setUp();
    addRisky(tenant, 'high', 60);
    const fault = tenant.fault({ on: ON_DEMAND, give });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles.some((trouble) => trouble.startsWith('provisioning-'))).toBe(true);
    expect(ended.lines.every(({ severity }) => severity !== 'error')).toBe(true);
    expectInStep();
    if (_ !== 'HTML') expect(fault.hits()).toBeLessThanOrEqual(5);
    expect(cloudflare.calls).toEqual([]);
  });

  it('a call that is never answered ends with its limit or the run', async () => {
    const { tenant, run, expectInStep } = setUp();
    addRisky(tenant, 'high', 2);
    tenant.fault({ on: ON_DEMAND, give: faults.hang() });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    expect(ended.troubles).toContain('provisioning-left');
    expectInStep();
  });

  it('ends with the first call that is throttled, and sends none of those that wait', async () => {
    const { tenant, run, cloudflare } = setUp({ delayMs: 1_000 });
    addRisky(tenant, 'high', 60);
    const { give } = faults.throttled('60');
    tenant.fault({
      on: ON_DEMAND,
      times: 1,
      after: 1,
      give: {
        inBatch: false,
        give: async (place) => {
          await place.world.clock.sleep(2_000);
          return give(place);
        },
      },
    });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['provisioning-failed', 'provisioning-left']);
    expect(cloudflare.calls.length).toBeLessThan(5);
    expect(ended.milliseconds).toBeLessThan(20_000);
  });

  it('is not blamed on the setting when the run has no time left for it', async () => {
    const { tenant, run, env } = setUp();
    env['DEADLINE_SECONDS'] = '20';
    addRisky(tenant, 'high', 3);
    tenant.fault({ on: /^GET \/servicePrincipals/, give: faults.hang() });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['provisioning-left']);
    expect(ended.lines.find(({ trouble }) => trouble === 'provisioning-left')?.message).toContain('3 users');
  });

  it('leaves time for the heartbeat', async () => {
    const { tenant, run, env, cloudflare, ids } = setUp();
    env['HEARTBEAT_URL'] = 'https://beat.example/ping';
    cloudflare.unassigned.add(ids.high);
    addRisky(tenant, 'high', 60);
    let beats = 0;
    const ended = await run({
      fetch: (url, init) => {
        if (!url.startsWith('https://beat.example')) return tenant.fetch(url, init);
        beats += 1;
        return Promise.resolve(new Response());
      },
    });
    expect(ended.ok).toBe(true);
    expect(beats).toBe(1);
    expect(ended.troubles).toEqual(['provisioning-left']);
  });

  it.each([
    ['Failure', 'EntryExportFailed'],
    ['Skipped', 'DuplicateTargetEntries'],
  ])('HTTP 200 is not success: %s is a warning with its code', async (result, errorCode) => {
    const { tenant, run } = setUp();
    addRisky(tenant, 'high', 3);
    tenant.fault({
      on: ON_DEMAND,
      give: faults.json({ key: JSON.stringify({ result, details: { errorCode } }), value: '{}' }),
    });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.lines.find(({ trouble }) => trouble === 'provisioning-skipped')?.message).toContain(
      errorCode,
    );
  });

  it('a redundant export counts as done', async () => {
    const { tenant, run, ids, cloudflare } = setUp();
    const [user = ''] = addRisky(tenant, 'high', 1);
    await run();
    tenant.removeMember(NAMES.high, user);
    expect(cloudflare.arrived(ids.high)).toEqual([user]);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(cloudflare.calls.at(-1)?.result).toBe('RedundantExport');
    expect(ended.troubles).toEqual([]);
  });
});
