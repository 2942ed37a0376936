/** On-demand provisioning: who has arrived at Cloudflare, and that it never fails or holds up the sync. */
import { describe, expect, it } from 'vitest';
import { addGroups, addRisky, type Ended, NAMES, scene } from './harness';
import * as faults from './tenant/faults';
import type { ProvisioningOptions } from './tenant/provisioning';

const ROLES = [
  'IdentityRiskyUser.Read.All',
  'GroupMember.ReadWrite.All',
  'GroupMember.Read.All',
  'Group.Create',
];
const JOBS = /^GET \/servicePrincipals\/.*\/jobs$/;
const SCHEMA = /^GET \/servicePrincipals\/.*\/schema$/;
const ON_DEMAND = /^POST \/servicePrincipals\/.*\/provisionOnDemand/;

function setUp(options?: ProvisioningOptions, roles = [...ROLES, 'Synchronization.ReadWrite.All']) {
  const here = scene({ permissions: roles, latencyMs: 20 });
  const { ids } = addGroups(here.tenant);
  const cloudflare = here.tenant.addProvisioning(options);
  here.env['SCIM_SERVICE_PRINCIPAL_ID'] = cloudflare.servicePrincipalId;
  return { ...here, ids, cloudflare };
}

/** The lines that tell who has arrived. */
const handedOver = ({ lines }: Ended) =>
  lines.flatMap(({ message, provisioned }) =>
    message.startsWith('Handed') ? [{ message, provisioned }] : [],
  );

describe('newcomers', () => {
  it('arrive at Cloudflare in the same run, five to a call, high first', async () => {
    const { tenant, run, ids, cloudflare, clock } = setUp();
    addRisky(tenant, 'low', 3);
    addRisky(tenant, 'high', 7);
    const start = clock.now();
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual([]);
    expect(handedOver(ended)).toEqual([
      { message: 'Handed 10 users to Cloudflare by on-demand provisioning.', provisioned: 10 },
    ]);
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

  it('are handed over though the run ends early: joins that must wait too long for Graph', async () => {
    const { tenant, run, cloudflare, ids } = setUp();
    addRisky(tenant, 'high', 25);
    tenant.fault({ on: /^PATCH/, after: 1, give: faults.throttled('300') });
    const ended = await run();
    expect(ended.troubles).toEqual(['out-of-time']);
    expect(cloudflare.arrived(ids.high)).toHaveLength(20);
  });

  it('are left to the regular cycle when the runtime refuses further requests', async () => {
    const { tenant, run, cloudflare } = setUp();
    addRisky(tenant, 'high', 25);
    // The sign-in, two readings, three of members and twenty joins; then the runtime refuses.
    const plan = faults.freePlan((input, init) => tenant.fetch(input, init), 7);
    const ended = await run({ fetch: plan.fetch });
    expect(ended.troubles).toEqual(['out-of-time']);
    expect(plan.refused()).toBe(1);
    expect(cloudflare.calls).toEqual([]);
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

  it('are looked for again by the next run, as long as there is none', async () => {
    const { tenant, run, ids, cloudflare } = setUp();
    tenant.fault({ on: JOBS, times: 1, give: faults.json({ value: [] }) });
    addRisky(tenant, 'high', 1);
    expect((await run()).troubles).toEqual(['provisioning-no-job']);
    const [later = ''] = addRisky(tenant, 'low', 1);
    expect((await run()).troubles).toEqual([]);
    expect(cloudflare.arrived(ids.low)).toEqual([later]);
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

  const rewriteFirst = (change: object) =>
    faults.rewrite((body) => {
      const [first, ...others] = Object(body).value;
      return { value: [{ ...first, ...change }, ...others] };
    });

  it.each([
    ['no schedule', { schedule: null }],
    ['a schedule without a state', { schedule: {} }],
  ])('are not those of a job with %s', async (_, change) => {
    const { tenant, run, ids, cloudflare } = setUp({ jobs: [{}, {}] });
    tenant.fault({ on: JOBS, give: rewriteFirst(change) });
    addRisky(tenant, 'medium', 2);
    expect((await run()).troubles).toEqual([]);
    expect(cloudflare.arrived(ids.medium)).toEqual(tenant.atRisk('medium'));
    const [, second] = tenant.requests.filter(({ path }) => path.includes('/jobs'));
    expect(second?.path).not.toContain(cloudflare.jobId);
  });

  it.each([
    ['no status', { status: null }],
    ['a status without a code', { status: {} }],
  ])('may be those of a job with %s', async (_, change) => {
    const { tenant, run, ids, cloudflare } = setUp();
    tenant.fault({ on: JOBS, give: rewriteFirst(change) });
    addRisky(tenant, 'medium', 2);
    expect((await run()).troubles).toEqual([]);
    expect(cloudflare.arrived(ids.medium)).toEqual(tenant.atRisk('medium'));
  });

  it('may stand beside a rule without mappings', async () => {
    const { tenant, run, ids, cloudflare } = setUp({
      jobs: [{ rules: [{ mappings: [] }, { mappings: [{ source: 'Group' }] }] }],
    });
    const give = faults.rewrite((body) => {
      const [first, ...others] = Object(body).synchronizationRules;
      return { synchronizationRules: [{ ...first, objectMappings: null }, ...others] };
    });
    tenant.fault({ on: SCHEMA, give });
    addRisky(tenant, 'medium', 2);
    expect((await run()).troubles).toEqual([]);
    expect(cloudflare.arrived(ids.medium)).toEqual(tenant.atRisk('medium'));
  });

  it.each([
    ['the jobs', 403, JOBS, 'provisioning-refused', 'Synchronization.ReadWrite.All'],
    ['the schema', 403, SCHEMA, 'provisioning-refused', 'Synchronization.ReadWrite.All'],
    ['the jobs', 400, JOBS, 'provisioning-failed', '(Graph answered 400 Request_BadRequest)'],
    ['the schema', 400, SCHEMA, 'provisioning-failed', '(Graph answered 400 Request_BadRequest)'],
  ])('%s answered with %i are a warning', async (_, status, on, trouble, words) => {
    const { tenant, run, cloudflare } = setUp();
    addRisky(tenant, 'high', 2);
    tenant.fault({ on, give: faults.status(status) });
    const ended = await run();
    expect(ended.ok).toBe(true);
    const warnings = ended.lines.filter(({ severity }) => severity === 'warn');
    expect(warnings).toMatchObject([
      { trouble, status, code: expect.any(String), requestId: expect.any(String) },
    ]);
    expect(warnings[0]?.message).toContain(words);
    expect(cloudflare.calls).toEqual([]);
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
    ['404', faults.status(404), 'Graph answered 404 Request_ResourceNotFound'],
    ['429', faults.throttled('5'), 'Graph answered 429 TooManyRequests'],
    ['503', faults.status(503), 'Graph answered 503 ServiceUnavailable'],
    ['500', faults.status(500), 'Graph answered 500 InternalServerError'],
    ['a broken connection', faults.broken(), 'no whole answer came from Graph'],
  ])('%s is told once, with its reason, and those who wait are counted', async (_, give, reason) => {
    const { tenant, run, expectInStep, cloudflare } = setUp();
    addRisky(tenant, 'high', 60);
    const fault = tenant.fault({ on: ON_DEMAND, give });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['provisioning-failed', 'provisioning-left']);
    const [failed, left] = ended.lines.filter(({ severity }) => severity === 'warn');
    expect(failed?.message).toContain(`(${reason})`);
    expect(left?.message).toContain('60 users');
    expect(handedOver(ended)).toEqual([]);
    expectInStep();
    expect(fault.hits()).toBeLessThanOrEqual(5);
    expect(cloudflare.calls).toEqual([]);
  });

  it('whatever it was, the next run looks for the job again', async () => {
    const { tenant, run } = setUp();
    tenant.fault({ on: ON_DEMAND, times: 1, give: faults.status(404) });
    for (let runs = 0; runs < 2; runs += 1) {
      addRisky(tenant, 'high', 1);
      await run();
    }
    expect(tenant.requests.filter(({ path }) => path.endsWith('/jobs'))).toHaveLength(2);
  });

  it('a call that is never answered ends with its limit or the run', async () => {
    const { tenant, run, expectInStep } = setUp();
    addRisky(tenant, 'high', 2);
    tenant.fault({ on: ON_DEMAND, give: faults.hang() });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    expect(ended.troubles).toEqual(['provisioning-failed', 'provisioning-left']);
    expectInStep();
  });

  it('a call that the end of the run cuts short is counted, and blamed on nothing', async () => {
    const { tenant, run, env } = setUp();
    env['DEADLINE_SECONDS'] = '20';
    addRisky(tenant, 'high', 2);
    tenant.fault({ on: ON_DEMAND, give: faults.hang() });
    expect((await run()).troubles).toEqual(['provisioning-left']);
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
    addRisky(tenant, 'high', 7);
    tenant.fault({ on: /^GET \/servicePrincipals/, give: faults.hang() });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['provisioning-left']);
    expect(ended.lines.find(({ trouble }) => trouble === 'provisioning-left')?.message).toContain(
      'for 7 users',
    );
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

  const told = (result: object) => faults.json({ key: JSON.stringify(result), value: '{}' });

  it.each([
    [
      'a failure with a code',
      told({ result: 'Failure', details: { errorCode: 'EntryExportFailed' } }),
      'EntryExportFailed',
    ],
    [
      'a skip with a code',
      told({ result: 'Skipped', details: { errorCode: 'DuplicateTargetEntries' } }),
      'DuplicateTargetEntries',
    ],
    ['a failure without a code', told({ result: 'Failure', details: {} }), 'Failure'],
    ['a failure without details', told({ result: 'Failure' }), 'Failure'],
    ['words that are no code', told({ result: 'Alice Example is out' }), 'no code'],
    ['a key without a result', told({}), 'no result'],
    ['a key that is not JSON', faults.json({ key: 'Success', value: '{}' }), 'no result'],
    ['no key', faults.json({}), 'no result'],
    ['HTML', faults.html(), 'no result'],
  ])('HTTP 200 is not success: %s is one warning', async (_, give, code) => {
    const { tenant, run, expectInStep } = setUp();
    addRisky(tenant, 'high', 7);
    const fault = tenant.fault({ on: ON_DEMAND, give });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['provisioning-skipped']);
    expect(ended.lines.find(({ trouble }) => trouble !== undefined)?.message).toContain(
      `did not take 7 users (${code})`,
    );
    expect(handedOver(ended)).toEqual([]);
    expect(fault.hits()).toBe(2);
    expectInStep();
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
    expect(handedOver(ended)).toMatchObject([{ provisioned: 1 }]);
  });
});
