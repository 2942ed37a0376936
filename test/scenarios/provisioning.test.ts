/** On-demand provisioning: who has arrived at Cloudflare, and that it never fails or delays the sync. */
import { describe, expect, it } from 'vitest';
import * as faults from '../tenant/faults';
import { circle } from '../tenant/list-faults';
import type { ProvisioningOptions } from '../tenant/provisioning';
import { addRisky, type Ended, NAMES, ON, sentTo, settled } from './scene';

const ROLES = ['IdentityRiskyUser.Read.All', 'GroupMember.ReadWrite.All', 'GroupMember.Read.All', 'Group.Create'];
const JOBS = /^GET \/servicePrincipals\/.*\/jobs$/;
const SCHEMA = /^GET \/servicePrincipals\/.*\/schema$/;
const ON_DEMAND = /^POST \/servicePrincipals\/.*\/provisionOnDemand/;

async function setUp(options?: ProvisioningOptions) {
  const here = await settled({ permissions: [...ROLES, 'Synchronization.ReadWrite.All'], latencyMs: 20 });
  const cloudflare = here.tenant.addProvisioning(options);
  here.env['SCIM_SERVICE_PRINCIPAL_ID'] = cloudflare.servicePrincipalId;
  return { ...here, cloudflare };
}

/** What the log says of those who were handed over. */
const handed = ({ lines }: Ended) => lines.flatMap(({ message }) => (message.startsWith('Handed') ? [message] : []));

describe('newcomers', () => {
  it('arrive at Cloudflare in the same run: five calls of five, high first; the others wait for the regular cycle', async () => {
    const { tenant, runInSync, ids, cloudflare } = await setUp({ delayMs: 1_000 });
    addRisky(tenant, 'low', 300);
    addRisky(tenant, 'high', 7);
    const ended = await runInSync();
    const message = 'Handed 22 users to Cloudflare by on-demand provisioning. 285 users wait for the regular cycle.';
    expect([ended.events, handed(ended)]).toEqual([[], [message]]);
    expect(cloudflare.arrived(ids.high)).toEqual(tenant.atRisk('high'));
    expect(cloudflare.calls.map(({ members }) => members.length)).toEqual([5, 2, 5, 5, 5]);
  });

  it('are offered if they were added for sure (504, but listed then), and not if gone or refused', async () => {
    const { tenant, run, ids, cloudflare } = await setUp();
    const [gone = '', refused = '', unclear = '', added = ''] = addRisky(tenant, 'high', 4);
    tenant.deleteUser(gone, { riskEntry: 'stale' });
    tenant.fault({ on: faults.changesOf(refused), give: faults.status(403) });
    tenant.fault({ on: faults.changesOf(unclear), give: faults.status(504, { applied: true }) });
    await run();
    expect(cloudflare.calls).toHaveLength(1);
    expect(cloudflare.arrived(ids.high)).toEqual([unclear, added].sort());
  });

  it('are offered once; a redundant export counts as done, and a release waits for the cycle', async () => {
    const { tenant, run, ids, cloudflare } = await setUp();
    const [user = ''] = addRisky(tenant, 'high', 1);
    await run();
    tenant.removeMember(NAMES.high, user);
    expect((await run()).events).toEqual([]);
    tenant.dismiss(user);
    await run();
    expect(cloudflare.calls.map(({ result }) => result)).toEqual(['Success', 'RedundantExport']);
    expect(cloudflare.arrived(ids.high)).toEqual([user]);
  });

  it('cause no request at all when there are none, in a dry run, without time, or in a group just made', async () => {
    const { tenant, run, runInSync, env, ids } = await setUp();
    await run();
    addRisky(tenant, 'high', 2);
    for (const more of [{ DRY_RUN: 'true' }, { DRY_RUN: 'false', DEADLINE_SECONDS: '5' }])
      expect([Object.assign(env, more), (await run()).events]).toEqual([env, []]);
    tenant.deleteGroup(ids.high);
    env['DEADLINE_SECONDS'] = '50';
    expect((await runInSync()).events).toEqual(['group-created']);
    expect(sentTo(tenant, /servicePrincipals/)).toEqual([]);
  });
});

describe('job and rule', () => {
  it('are found once for the life of the isolate, and again after a call that did not work', async () => {
    const { tenant, run, cloudflare } = await setUp();
    tenant.fault({ on: ON_DEMAND, after: 2, times: 1, give: faults.status(404) });
    for (const count of [2, 2, 2, 4]) {
      addRisky(tenant, 'high', 1);
      await run();
      expect(sentTo(tenant, /\/(jobs|schema)\?/)).toHaveLength(count);
    }
    expect(cloudflare.calls).toHaveLength(3);
  });

  const groups = [{ source: 'Group' }];
  it.each<ProvisioningOptions>([
    { jobs: [{}, {}] },
    { jobs: [{ schedule: 'Disabled', rules: [{ mappings: groups }] }, {}] },
    { jobs: [{ rules: [{ mappings: [{ source: 'User' }, { source: 'Group', enabled: false }] }] }, {}] },
    { jobs: [{ rules: [{ mappings: [{ source: 'User' }] }, { mappings: groups }] }] },
  ])('are the active one that maps groups: %j', async (options) => {
    const { tenant, run, ids, cloudflare } = await setUp(options);
    addRisky(tenant, 'medium', 2);
    expect((await run()).events).toEqual([]);
    expect(cloudflare.arrived(ids.medium)).toEqual(tenant.atRisk('medium'));
  });
});

describe('what goes wrong is one warning, and never the sync', () => {
  const [failed, refused, skipped] = ['provisioning-failed', 'provisioning-refused', 'provisioning-skipped'];
  const told = (result: object) => faults.json({ key: JSON.stringify(result), value: '{}' });
  const exportFailed = told({ result: 'Failure', details: { errorCode: 'ExportFailed' } });
  it.each([
    ['the jobs', '403', JOBS, faults.status(403), refused, 'Synchronization.ReadWrite.All'],
    ['the schema', '403', SCHEMA, faults.status(403), refused, 'Synchronization.ReadWrite.All'],
    ['a call', '401 and nothing else', ON_DEMAND, faults.bare(401), refused, ''],
    ['the jobs', 'pages without an end', JOBS, circle(), failed, 'next link'],
    ['the schema', 'no rules', SCHEMA, faults.json({}), 'provisioning-no-job', ''],
    ['a call', '429', ON_DEMAND, faults.throttled('5'), failed, 'Graph answered 429 TooManyRequests'],
    ['a call', 'nothing', ON_DEMAND, faults.hang(), failed, 'no whole answer came'],
    ['a call', '200 and a failure with a code', ON_DEMAND, exportFailed, skipped, '(ExportFailed)'],
    ['a call', '200 and a failure without', ON_DEMAND, told({ result: 'Failure' }), skipped, '(Failure)'],
    ['a call', '200 and words', ON_DEMAND, told({ result: 'Alice Example is out' }), skipped, '(no code)'],
    ['a call', '200 and a key that is not JSON', ON_DEMAND, faults.json({ key: 'Success' }), skipped, '(no result)'],
  ])('%s answered with %s', async (_, _answer, on, give, event, words) => {
    const { tenant, runInSync, cloudflare } = await setUp();
    addRisky(tenant, 'high', 60);
    const fault = tenant.fault({ on, give });
    // No other token is asked for, which would be refused.
    tenant.fault({ on: ON.token, after: 1, give: faults.status(401) });
    const ended = await runInSync();
    expect(ended.events).toEqual([event]);
    expect(ended.told[0]?.message).toContain(words);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    if (on === ON_DEMAND) expect(fault.hits()).toBeLessThanOrEqual(10);
    expect(cloudflare.calls).toEqual([]);
    if (event === skipped) expect(handed(ended)[0]).toMatch(/^Handed 0 users .* 60 users wait/);
  });
});
