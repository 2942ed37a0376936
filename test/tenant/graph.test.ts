/** Groups, members, risky users and batches of the stand-in tenant: what a lenient one would let a Worker get away with. */
import { expect, test } from 'vitest';
import { GROUP_NAMES } from './names';
import { NOBODY, type Probe, probe } from './probe';

const RISKY = '/identityProtection/riskyUsers';
const FILTER = "riskState eq 'atRisk' or riskState eq 'confirmedCompromised'";
const MISSING = { status: 404, code: 'Request_ResourceNotFound' };

const add = (p: Probe, group: string, id: unknown, more = {}) =>
  p.send('POST', `/groups/${group}/members/$ref`, { '@odata.id': id, ...more });
const remove = (p: Probe, group: string, id: string) => p.send('DELETE', `/groups/${group}/members/${id}/$ref`);

test('what a list cannot be asked for is refused', async () => {
  const { tenant, later } = probe();
  for (const [list, most, filters] of [
    ['/groups', 999, `displayName eq 'a'; displayName in (); id in (${NOBODY}); id in ('high'); name in ('a')`],
    [`/groups/${tenant.addGroup()}/members`, 999, 'id eq 1'],
    [RISKY, 500, `; riskState; riskState eq 'AtRisk'; riskState eq atRisk; riskLevel eq 'low'; ${FILTER} or`],
  ] as const) {
    const odd = '$select=id,foo $select= $count=true top=5 $top=0 $top=5&$top=6 $skiptoken=abc'.split(' ');
    const filtered = filters.split('; ').map((filter) => `$filter=${encodeURIComponent(filter)}`);
    for (const query of [...odd, `$top=${most + 1}`, ...filtered])
      expect((await later(`${list}?${query}`)).status, query).toBe(400);
    expect((await later(`${list}?$top=${most}`)).status).toBe(200);
  }
});

test('the name of a new group need not be new; another than a plain one of the three names is a violation', async () => {
  const { tenant, send } = probe();
  const plain = { displayName: GROUP_NAMES.low, mailNickname: 'low', mailEnabled: false, securityEnabled: true };
  for (const change of [{ mailNickname: undefined }, { mailNickname: 'a b' }, { groupTypes: ['Unified'] }])
    expect((await send('POST', '/groups', { ...plain, ...change })).code).toBe('Request_BadRequest');
  for (const change of [{}, {}, { displayName: 'Finance' }, { securityEnabled: false }, { mailEnabled: true }])
    expect((await send('POST', '/groups', { ...plain, ...change })).status).toBe(201);
  expect([tenant.groups().length, tenant.violations.length]).toEqual([5, 3]);
});

test('lag: members are shown as they were a while ago', async () => {
  const p = probe();
  const { tenant, later } = p;
  const [a, b] = [tenant.addUser(), tenant.addUser()];
  tenant.lag.membersVisibleAfterMs = 2_500;
  const group = tenant.addGroup({ displayName: GROUP_NAMES.high, members: [a] });
  await p.clock.advance(10_000);
  await add(p, group, p.bind(b));
  await remove(p, group, a);
  for (const seen of [a, a, b]) expect((await later(`/groups/${group}/members`)).ids).toEqual([seen]);
});

test('a member is added and removed with the documented refusals, in one of the three groups', async () => {
  const p = probe();
  const { tenant, bind } = p;
  const group = tenant.addGroup({ displayName: GROUP_NAMES.medium });
  const user = tenant.addUser();
  const bound = bind(user);
  for (const id of [undefined, user, bound.replace('.com', '.us'), bound.replace('v1.0', 'beta'), bind('someone')])
    expect((await add(p, group, id)).status, id).toBe(400);
  expect((await add(p, group, bound, { x: 1 })).status).toBe(400);
  expect((await add(p, group, bind(user.toUpperCase()))).status).toBe(204);
  expect((await add(p, group, bound)).message).toMatch(/^One or more added object references already exist/);
  expect(await add(p, group, bind(NOBODY))).toMatchObject(MISSING);
  expect(tenant.members(group)).toEqual([user]);
  expect((await remove(p, group, user.toUpperCase())).status).toBe(204);
  for (const where of [group, NOBODY]) expect(await remove(p, where, user)).toMatchObject(MISSING);
  expect([tenant.members(group), tenant.violations]).toEqual([[], []]);
  // Somebody else's group, and who is no user, are nobody's to write.
  const finance = tenant.addGroup({ displayName: 'Finance', members: [user] });
  await remove(p, finance, user);
  await remove(p, group, tenant.addOtherMember(group));
  await add(p, group, bind(finance));
  expect([tenant.violations.length, tenant.members(finance), tenant.otherMembers(group)]).toEqual([3, [], [finance]]);
});

test('a batch: each part on its own and by the rules for all, answers in any order; as a whole it must be right', async () => {
  const { tenant, send, bind } = probe();
  const users = Array.from({ length: 17 }, () => tenant.addUser());
  const late = tenant.addUser();
  const group = tenant.addGroup({ displayName: GROUP_NAMES.high, members: users });
  const url = `/groups/${group}/members`;
  const adding = { method: 'POST', url: `${url}/$ref`, body: { '@odata.id': bind(late) } };
  const requests = [
    { ...adding, id: 'untyped' },
    { ...adding, id: 'typed', headers: { 'Content-Type': 'application/json' } },
    ...[NOBODY, ...users].map((id) => ({ id, method: 'DELETE', url: `${url}/${id}/$ref` })),
  ];
  const { parts } = await send('POST', '/$batch', { requests });
  expect([parts.length, tenant.members(group)]).toEqual([20, [late]]);
  expect(parts.map(({ id }) => id)).not.toEqual(requests.map(({ id }) => id));
  const statusOf = (wanted: string) => parts.find(({ id }) => id === wanted)?.['status'];
  expect(['untyped', 'typed', NOBODY, users[0] ?? ''].map(statusOf)).toEqual([400, 204, 404, 204]);
  const part = { id: '1', method: 'GET', url: '/groups' };
  for (const wrong of [
    ...[undefined, [], Array.from({ length: 21 }, (_, index) => ({ ...part, id: String(index) })), [part, part]],
    ...[[{ ...part, id: 1 }], [{ ...part, url: 'groups' }], [{ ...part, method: 'get' }], ['GET /groups']],
  ])
    expect((await send('POST', '/$batch', { requests: wrong })).status, JSON.stringify(wrong)).toBe(400);
  for (const other of ['/v1.0/groups', '/$batch', '/me'])
    await expect(send('POST', '/$batch', { requests: [{ ...part, url: other }] })).rejects.toThrow('no such route');
});

test('risky users: everyone who ever was at risk, unless it is asked otherwise', async () => {
  const { tenant, get, later } = probe();
  const [dismissed = '', compromised = '', deleted = ''] = [1, 2, 3].map(() => tenant.addUser({ level: 'medium' }));
  tenant.dismiss(dismissed);
  tenant.confirmCompromised(compromised);
  tenant.deleteUser(deleted);
  expect((await get(`${RISKY}?$select=id,riskLevel,riskState,isDeleted`)).value).toEqual([
    { id: dismissed, riskLevel: 'none', riskState: 'dismissed', isDeleted: false },
    { id: compromised, riskLevel: 'high', riskState: 'confirmedCompromised', isDeleted: false },
    { id: deleted, riskLevel: 'medium', riskState: 'atRisk', isDeleted: true },
  ]);
  expect((await later(`${RISKY}?$filter=${FILTER}`)).ids).toEqual([compromised, deleted]);
  expect([tenant.atRisk('high'), tenant.atRisk('medium')]).toEqual([[compromised], []]);
  tenant.upnForbidden = true;
  for (const select of ['?$select=id', '?$select=id,userPrincipalName', '']) await later(RISKY + select);
  expect(tenant.violations).toEqual(Array(2).fill('riskyUsers was asked for userPrincipalName'));
});

test('a next link is good only as it was given', async () => {
  const { tenant, get, later } = probe();
  for (let users = 0; users < 4; users += 1) tenant.addUser({ level: 'low' });
  const { next } = await get(`${RISKY}?$top=2&$select=id,riskLevel&$filter=${FILTER}`);
  for (const changed of [
    ...[next.replace('$top=2', '$top=3'), next.replace('$select=id,riskLevel&', ''), next.slice(0, -1)],
    ...[`${RISKY}?${new URL(next).search.replace(/.*(\$skiptoken)/, '$1')}`, decodeURIComponent(next)],
  ])
    expect((await later(changed)).status, changed).toBe(400);
  expect(await later(next)).toMatchObject({ value: { length: 2 }, next: '' });
});
