/** On-demand provisioning of the stand-in tenant: what it takes, and how often. */
import { expect, test } from 'vitest';
import { GROUP_NAMES } from './names';
import { probe } from './probe';

test('takes the documented body, at most five times in ten seconds, and skips who has not been a member for long', async () => {
  const { tenant, clock, send } = probe({ permissions: ['Synchronization.ReadWrite.All'] });
  const { servicePrincipalId, jobId, ruleId, calls } = tenant.addProvisioning({ delayMs: 0 });
  const users = Array.from({ length: 6 }, () => ({ objectId: tenant.addUser(), objectTypeName: 'User' }));
  const [user] = users;
  const members = users.map(({ objectId }) => objectId);
  const objectId = tenant.addGroup({ displayName: GROUP_NAMES.high, members });
  const path = `/servicePrincipals/${servicePrincipalId}/synchronization/jobs/${jobId}/provisionOnDemand`;
  /** One user, but for what is changed in the subject or in the parameter. */
  const body = (subject: object = {}, parameter: object = {}) => {
    const subjects = [{ objectId, objectTypeName: 'Group', links: { members: [user] }, ...subject }];
    return { parameters: [{ ruleId, subjects, ...parameter }] };
  };
  const outcomes = [];
  for (const wait of [4_000, 1_000, 1_000, 1_000, 1_000, 10_000]) {
    const { result, details } = JSON.parse(String((await send('POST', path, body())).body['key'] ?? '{}'));
    outcomes.push(details?.errorCode ?? result);
    await clock.advance(wait);
  }
  const [late, there] = ['NotEffectivelyEntitled', 'RedundantExport'];
  expect(outcomes).toEqual([late, late, 'Success', there, there, undefined]);

  const { parameters } = body();
  const linked = (...some: unknown[]) => body({ links: { members: some } });
  for (const content of [
    ...[{}, { parameters: parameters[0] }, { parameters: [...parameters, ...parameters] }, body({}, { subjects: [] })],
    ...[body({}, { ruleId: 'other' }), body({ objectTypeName: 'User' }), body({ objectId: 'high' }), linked()],
    ...[linked(...users), linked(user?.objectId), linked({ ...user, objectTypeName: 'user' })],
  ]) {
    expect((await send('POST', path, content)).status, JSON.stringify(content)).toBe(400);
    await clock.advance(2_000);
  }
  expect(calls).toHaveLength(5);
});
