/** On-demand provisioning of the stand-in tenant. */
import { expect, test } from 'vitest';
import { GROUP_NAMES } from './tenant/names';
import { type Probe, probe, type Reply } from './tenant/probe';
import type { ProvisioningOptions } from './tenant/provisioning';

const ROLES = ['Synchronization.ReadWrite.All', 'GroupMember.ReadWrite.All', 'GroupMember.Read.All'];

function setUp(options?: ProvisioningOptions, permissions: readonly string[] = ROLES) {
  const p = probe({ permissions });
  const application = p.tenant.addProvisioning(options);
  const members = Array.from({ length: 6 }, () => p.tenant.addUser());
  const group = p.tenant.addGroup({ displayName: GROUP_NAMES.high, members });
  const jobs = `/servicePrincipals/${application.servicePrincipalId}/synchronization/jobs`;
  const body = (ids: readonly string[], change: object = {}) => ({
    parameters: [
      {
        ruleId: application.ruleId,
        subjects: [
          {
            ...{ objectId: group, objectTypeName: 'Group' },
            links: { members: ids.map((id) => ({ objectId: id, objectTypeName: 'User' })) },
          },
        ],
        ...change,
      },
    ],
  });
  const call = (content: object) => p.send('POST', `${jobs}/${application.jobId}/provisionOnDemand`, content);
  return { ...p, application, members, group, jobs, body, call };
}

/** What the JSON inside `key` says. */
function outcome({ status, body }: Reply): unknown {
  const key = typeof body === 'object' && body !== null && 'key' in body ? String(body.key) : '{}';
  return [status, JSON.parse(key)];
}

const SUCCESS = { result: 'Success', details: {} };
const skipped = (errorCode: string) => ({
  result: 'Skipped',
  details: { errorCode, errorMessage: expect.any(String) },
});

test('jobs and schema are listed as documented', async () => {
  const { get, application, jobs } = setUp();
  expect(await get(jobs)).toMatchObject({
    value: [
      {
        ...{ id: application.jobId, templateId: 'scim' },
        ...{ schedule: { interval: 'PT40M', state: 'Active' }, status: { code: 'Active' } },
      },
    ],
  });
  expect((await get(`${jobs}/${encodeURIComponent(application.jobId)}/schema`)).body).toMatchObject({
    synchronizationRules: [
      {
        id: application.ruleId,
        objectMappings: [
          { enabled: true, sourceObjectName: 'User' },
          { enabled: true, sourceObjectName: 'Group' },
        ],
      },
    ],
  });
  expect((await get(`${jobs}?$select=id,status`)).value).toEqual([
    { id: application.jobId, status: expect.any(Object) },
  ]);
  expect((await get(`${jobs}?$top=5`)).status).toBe(400);
  expect((await get(`${jobs}/other/schema`)).status).toBe(404);
  expect((await get(jobs.replace(application.servicePrincipalId, application.ruleId))).status).toBe(404);
});

test('the job to use may be one of several', async () => {
  const { get, application, jobs } = setUp({
    jobs: [
      { id: 'users', rules: [{ mappings: [{ source: 'User' }, { source: 'Group', enabled: false }] }] },
      { id: 'ill', code: 'Quarantine' },
      {
        id: 'groups',
        rules: [{ mappings: [{ source: 'User' }] }, { id: 'rule', mappings: [{ source: 'Group' }] }],
      },
    ],
  });
  expect([application.jobId, application.ruleId]).toEqual(['groups', 'rule']);
  expect((await get(jobs)).value.map(({ id }) => id)).toEqual(['users', 'ill', 'groups']);
});

test('a call takes its time, brings members across, and says when there is nothing to do', async () => {
  const { clock, tenant, application, members, group, body, call } = setUp();
  await clock.advance(5_000);
  const start = clock.now();
  const first = await call(body(members.slice(0, 5)));
  expect(outcome(first)).toEqual([200, SUCCESS]);
  expect(clock.now() - start).toBe(20_000);
  expect(application.arrived(group)).toEqual(members.slice(0, 5).sort());
  expect(outcome(await call(body(members.slice(3, 5))))).toEqual([200, skipped('RedundantExport')]);
  expect(outcome(await call(body(members.slice(4))))).toEqual([200, SUCCESS]);
  expect(application.calls.map(({ result }) => result)).toEqual(['Success', 'RedundantExport', 'Success']);
  expect(application.calls[0]).toEqual({
    ...{ at: start, groupId: group, members: members.slice(0, 5), result: 'Success' },
  });
  tenant.removeMember(group, members[0] ?? '');
  expect(application.arrived(group)).toHaveLength(6);
});

test('whoever is no member yet, or only for a moment, is skipped, and the rest arrives', async () => {
  const { clock, tenant, application, members, group, body, call } = setUp({ delayMs: 0 });
  const [old = ''] = members;
  await clock.advance(6_000);
  const late = tenant.addUser();
  expect(outcome(await call(body([late, old])))).toEqual([200, skipped('NotEffectivelyEntitled')]);
  expect(application.arrived(group)).toEqual([old]);
  tenant.addMember(group, late);
  await clock.advance(4_000);
  expect(outcome(await call(body([late])))).toEqual([200, skipped('NotEffectivelyEntitled')]);
  await clock.advance(1_000);
  expect(outcome(await call(body([late])))).toEqual([200, SUCCESS]);
  application.unassigned.add(group);
  expect(outcome(await call(body([members[1] ?? ''])))).toEqual([200, skipped('NotEffectivelyEntitled')]);
});

test('more than five calls in ten seconds are throttled', async () => {
  const { clock, application, members, body, call } = setUp({ delayMs: 0 });
  for (let i = 0; i < 5; i++) {
    expect((await call(body(members.slice(0, 1)))).status).toBe(200);
    await clock.advance(1_000);
  }
  const refused = await call(body(members.slice(0, 1)));
  expect([refused.status, refused.code]).toEqual([429, 'TooManyRequests']);
  await clock.advance(10_000);
  expect((await call(body(members.slice(0, 1)))).status).toBe(200);
  expect(application.calls).toHaveLength(6);
});

test('only the documented body is taken', async () => {
  const { clock, members, group, body, call, send, jobs, application } = setUp({ delayMs: 0 });
  const [one = ''] = members;
  const subject = (
    change: object,
    links: object = { members: [{ objectId: one, objectTypeName: 'User' }] },
  ) => body([one], { subjects: [{ objectId: group, objectTypeName: 'Group', links, ...change }] });
  const [parameter] = body([one]).parameters;
  for (const content of [
    {},
    { parameters: parameter },
    { parameters: [parameter, parameter] },
    { parameters: [parameter], more: 1 },
    body([one], { more: 1 }),
    body([]),
    body(members),
    body([one], { subjects: [] }),
    subject({ objectTypeName: 'User' }),
    subject({ objectTypeName: 'group' }),
    subject({ objectId: 'high' }),
    subject({ more: 1 }),
    subject({}, {}),
    subject({}, { members: [one] }),
    subject({}, { members: [{ objectId: one, objectTypeName: 'user' }] }),
    subject({}, { members: [{ objectId: one }] }),
    subject({}, { members: [{ objectId: 'one', objectTypeName: 'User' }] }),
  ]) {
    expect(await call(content), JSON.stringify(content)).toMatchObject({ status: 400, code: 'BadRequest' });
    await clock.advance(2_000);
  }
  expect(await call(body([one], { ruleId: 'other' }))).toMatchObject({
    status: 400,
    code: 'RequestParameterInvalid',
  });
  const path = `${jobs}/${application.jobId}/provisionOnDemand`;
  expect((await send('POST', path, body([one]), { headers: { 'content-type': '' } })).status).toBe(400);
  expect((await send('POST', path.replace(application.jobId, 'other'), body([one]))).status).toBe(404);
  expect(application.calls).toEqual([]);
});

test('a job that does not run, and a rule without groups, provision nobody', async () => {
  const userRule = [{ mappings: [{ source: 'User' }, { source: 'Group', enabled: false }] }];
  for (const job of [{ code: 'Quarantine' }, { schedule: 'Paused' }, { rules: userRule }] as const) {
    const { members, body, call, application, group } = setUp({ delayMs: 0, jobs: [job] });
    expect((await call(body(members.slice(0, 1)))).status).toBe(400);
    expect(application.arrived(group)).toEqual([]);
  }
});

test('permissions: the wide one, or that of an owner; reading alone does not provision', async () => {
  const outcomes: Record<string, number[]> = {};
  for (const role of [
    'Synchronization.ReadWrite.All',
    'Application.ReadWrite.OwnedBy',
    'Synchronization.Read.All',
    'Group.Create',
  ]) {
    const { get, jobs, application, members, body, call } = setUp({ delayMs: 0 }, [role]);
    const schema = await get(`${jobs}/${application.jobId}/schema`);
    outcomes[role] = [
      (await get(jobs)).status,
      schema.status,
      (await call(body(members.slice(0, 1)))).status,
    ];
  }
  expect(outcomes).toEqual({
    'Synchronization.ReadWrite.All': [200, 200, 200],
    'Application.ReadWrite.OwnedBy': [200, 200, 200],
    'Synchronization.Read.All': [200, 200, 403],
    'Group.Create': [403, 403, 403],
  });
});

test('the regular cycle brings everyone across and takes away who left; only assigned groups', async () => {
  const { tenant, application, members, group } = setUp();
  const other = tenant.addGroup({ members: members.slice(0, 1) });
  application.unassigned.add(other);
  tenant.addOtherMember(group);
  tenant.provisioningCycle();
  expect([application.arrived(group), application.arrived(other)]).toEqual([[...members].sort(), []]);
  tenant.removeMember(group, members[0] ?? '');
  tenant.provisioningCycle();
  expect(application.arrived(group)).toEqual(members.slice(1).sort());
});

test('five calls side by side take as long as one', async () => {
  const p: Probe & ReturnType<typeof setUp> = setUp();
  await p.clock.advance(5_000);
  const start = p.clock.now();
  const replies = await Promise.all(p.members.slice(0, 5).map((id) => p.call(p.body([id]))));
  expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(p.clock.now() - start).toBe(20_000);
  expect(p.application.arrived(p.group)).toHaveLength(5);
  expect(p.tenant.violations).toEqual([]);
});
