/** The main job: the groups hold who is at risk, and nothing else is touched. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import { rewrite } from '../tenant/faults';
import { addGroups, addRisky, moving, NAMES, ON, scene, sentTo, writes } from './scene';

describe('I1 converges', () => {
  it('follows everyone whose risk changes', async () => {
    const { runInSync, tenant, run } = scene();
    const [rising = '', dismissed = '', safe = '', remediated = '', falling = ''] = addRisky(tenant, 'medium', 5);
    await run();
    tenant.confirmCompromised(rising);
    tenant.dismiss(dismissed);
    tenant.confirmSafe(safe);
    tenant.remediate(remediated);
    tenant.setRisk(falling, 'low');
    addRisky(tenant, 'low', 2);
    await runInSync();
    expect(tenant.members(NAMES.high)).toEqual([rising]);
  });

  it('reads pages on both sides, small and empty ones too', async () => {
    const { runInSync, tenant } = scene();
    addRisky(tenant, 'high', 30);
    tenant.pageSizes = { riskyUsers: 7, members: 4, groups: 1, emptyPages: true };
    await runInSync();
    for (const id of tenant.atRisk('high').slice(0, 12)) tenant.dismiss(id);
    await runInSync();
  });

  it('reads everyone where Graph refuses the filter, and judges the same', async () => {
    const { tenant, run, expectInSync } = scene();
    tenant.rejectRiskFilter = true;
    const [deleted = '', dismissed = ''] = addRisky(tenant, 'high', 3);
    tenant.deleteUser(deleted);
    tenant.dismiss(dismissed);
    const ended = await run();
    expect([ended.ok, ended.events[0]]).toEqual([true, 'filter-refused']);
    expect(tenant.atRisk('high')).toHaveLength(1);
    expectInSync();
  });

  it('compares ids in lower case, and counts who is listed twice at the higher level', async () => {
    const { tenant, run, expectInSync } = scene();
    const id = tenant.addUser({ id: 'AAAAAAAA-BBBB-CCCC-DDDD-EEEEEEEEEEEE', level: 'high' });
    await run();
    const twice = (entry: object) => [entry, { ...entry, id: id.toUpperCase(), riskLevel: 'low' }];
    tenant.fault({
      on: ON.riskyUsers,
      give: rewrite((body) => ({ ...Object(body), value: Object(body).value.flatMap(twice) })),
    });
    tenant.forgetRequests();
    expect((await run()).ok).toBe(true);
    expect(writes(tenant)).toEqual([]);
    expectInSync();
  });
});

describe('I4 never uncovered', () => {
  it('holds after every request while people move', async () => {
    const { runInSync, tenant, run } = scene();
    const users = addRisky(tenant, 'low', 45);
    await run();
    for (const [index, id] of users.entries()) tenant.setRisk(id, index < 30 ? 'high' : 'medium');
    tenant.after(() => {
      const covered = Object.values(NAMES).flatMap((name) => tenant.members(name));
      expect(covered).toEqual(expect.arrayContaining(users));
    });
    await runInSync();
    // Nobody was released, so each run read them once.
    expect(sentTo(tenant, ON.riskyUsers)).toHaveLength(2);
  });

  it('sends every add of every level before any removal, high first', async () => {
    const { tenant, run, ids } = await moving();
    await run();
    const order = tenant.requests.flatMap(({ batch = [] }) =>
      batch.map(({ method, path }) => `${method} ${RISK_LEVELS.find((level) => path.includes(ids[level]))}`),
    );
    const adds = ['POST high', 'POST high', 'POST medium', 'POST low'];
    expect(order).toEqual([...adds, 'DELETE high', 'DELETE medium', 'DELETE low', 'DELETE low']);
  });
});

it('I5 blast radius: writes to the three groups only, and leaves members alone that are not users', async () => {
  const { tenant, run } = scene();
  const { ids } = addGroups(tenant, { high: [tenant.addUser()] });
  const other = tenant.addGroup({ displayName: 'Finance', members: [tenant.addUser({ level: 'high' })] });
  const before = [tenant.members(other), tenant.users()];
  const kinds = ['group', 'device', 'servicePrincipal'] as const;
  const kept = kinds.map((kind) => tenant.addOtherMember(ids.high, kind));
  await run();
  expect(tenant.otherMembers(ids.high)).toEqual(kept.sort());
  expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
  expect([tenant.members(other), tenant.users()]).toEqual(before);
  expect(tenant.groups()).toHaveLength(5);
  const deletes = tenant.requests.flatMap(({ batch = [] }) => batch.filter(({ method }) => method === 'DELETE'));
  const path = expect.stringMatching(/^\/groups\/[0-9a-f-]{36}\/members\/[0-9a-f-]{36}\/\$ref$/);
  expect(deletes).toMatchObject([{ path }]);
});
