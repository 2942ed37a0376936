/** Members and batches of the stand-in tenant. */
import { expect, test } from 'vitest';
import { GROUP_NAMES } from './tenant/names';
import { type Probe, probe } from './tenant/probe';

const NOBODY = '5f0c0000-0000-4000-a000-000000000000';
const MISSING = (id: string) =>
  `Resource '${id}' does not exist or one of its queried reference-property objects are not present.`;
const EXIST =
  "One or more added object references already exist for the following modified properties: 'members'.";

function people({ tenant }: Probe, count: number): string[] {
  return Array.from({ length: count }, () => tenant.addUser());
}

test('members come with id and type, 100 to a page unless asked for otherwise', async () => {
  const p = probe();
  const group = p.tenant.addGroup({ members: people(p, 99) });
  p.tenant.addOtherMember(group);
  p.tenant.addOtherMember(group, 'group');
  p.tenant.addOtherMember(group, 'servicePrincipal');
  const list = async (query: string) => p.pages(`/groups/${group}/members?${query}`);
  const [first, second, ...none] = await list('$select=id');
  expect([first?.value.length, second?.value.length, none]).toEqual([100, 2, []]);
  expect(first?.value[0]).toEqual({ '@odata.type': '#microsoft.graph.user', id: expect.any(String) });
  const types = [...(first?.value ?? []), ...(second?.value ?? [])].map((member) => member['@odata.type']);
  expect(types.slice(98)).toEqual(
    ['user', 'device', 'group', 'servicePrincipal'].map((t) => `#microsoft.graph.${t}`),
  );
  expect((await list('$top=999&$select=id')).map(({ value }) => value.length)).toEqual([102]);
  Object.assign(p.tenant.pageSizes, { members: 60, emptyPages: true });
  expect((await list('$top=999')).map(({ value }) => value.length)).toEqual([0, 60, 0, 42, 0]);

  expect((await p.get(`/groups/${group}/members?$select=id,displayName&$top=1`)).value).toEqual([]);
  p.tenant.pageSizes = {};
  const [named] = (await p.get(`/groups/${group}/members?$select=id,displayName&$top=1`)).value;
  expect(named).toMatchObject({ id: expect.any(String), displayName: null });
  for (const query of ['$top=1000', '$select=id,foo', '$filter=id eq 1', '$count=true', '$expand=members'])
    expect((await p.get(`/groups/${group}/members?${query}`)).status, query).toBe(400);
  expect(await p.get(`/groups/${NOBODY}/members`)).toMatchObject({ status: 404, message: MISSING(NOBODY) });
  const bare = { headers: { accept: 'application/json;odata.metadata=none' } };
  const { value } = await p.send('GET', `/groups/${group}/members?$top=1`, undefined, bare);
  expect(Object.keys(value[0] ?? {})).toEqual(['id']);
});

test('someone who leaves between two pages is not on the second', async () => {
  const p = probe();
  const users = people(p, 3);
  const group = p.tenant.addGroup({ members: users });
  const { next = '' } = await p.get(`/groups/${group}/members?$top=2&$select=id`);
  expect((await p.get(next.replace('$top=2', '$top=999'))).status).toBe(400);
  p.tenant.removeMember(group, users[2] ?? '');
  expect(await p.get(next)).toMatchObject({ value: [], next: undefined });
});

test('twenty are added at once, all or nothing', async () => {
  const p = probe();
  const group = p.tenant.addGroup({ displayName: GROUP_NAMES.high });
  const users = people(p, 21);
  const add = (ids: readonly unknown[], more = {}) =>
    p.send('PATCH', `/groups/${group}`, { 'members@odata.bind': ids, ...more });
  const bound = users.map(p.bind);
  expect(await add(bound.slice(0, 20))).toMatchObject({ status: 204, body: undefined });
  expect(p.tenant.members(group)).toEqual(users.slice(0, 20).sort());

  const [last = '', here = ''] = [bound[20], bound[0]];
  expect(await add([last, here])).toMatchObject({ status: 400, code: 'Request_BadRequest', message: EXIST });
  const missing = { status: 404, code: 'Request_ResourceNotFound', message: MISSING(NOBODY) };
  expect(await add([last, p.bind(NOBODY)])).toMatchObject(missing);
  expect((await add([last, last])).status).toBe(400);
  expect((await add([last, p.bind(users[20]?.toUpperCase() ?? '')])).status).toBe(400);
  expect(await add([...people(p, 20).map(p.bind), last])).toMatchObject({
    status: 400,
    code: 'Request_BadRequest',
  });
  expect((await add([])).status).toBe(400);
  for (const bind of [
    users[20],
    last.replace('microsoft.com', 'microsoft.us'),
    last.replace('https', 'http'),
    last.replace('v1.0', 'beta'),
    last.replace('directoryObjects', 'users'),
    `${last}/`,
    `${last}?x`,
    p.bind('someone'),
    { '@odata.id': last },
  ])
    expect((await add([bind])).status, String(bind)).toBe(400);
  expect(p.tenant.members(group)).toHaveLength(20);
  p.tenant.deleteUser(users[20] ?? '');
  expect((await add([last])).status).toBe(404);
  expect(p.tenant.violations).toEqual([]);
  expect((await add([last], { displayName: 'Mine now' })).status).toBe(400);
  expect((await p.send('PATCH', `/groups/${group}`, { displayName: 'Mine now' })).status).toBe(400);
  expect(p.tenant.violations).toHaveLength(2);
  expect((await p.send('PATCH', `/groups/${NOBODY}`, { 'members@odata.bind': [here] })).status).toBe(404);
});

test('one is added, one removed, with the documented refusals', async () => {
  const p = probe();
  const group = p.tenant.addGroup({ displayName: GROUP_NAMES.medium });
  const user = p.tenant.addUser();
  const refs = `/groups/${group}/members/$ref`;
  const add = (id: unknown, more = {}) => p.send('POST', refs, { '@odata.id': id, ...more });
  const remove = (id: string) => p.send('DELETE', `/groups/${group}/members/${id}/$ref`);
  expect((await add(p.bind(user.toUpperCase()))).status).toBe(204);
  expect(await add(p.bind(user))).toMatchObject({ status: 400, code: 'Request_BadRequest', message: EXIST });
  expect(await add(p.bind(NOBODY))).toMatchObject({ status: 404, message: MISSING(NOBODY) });
  for (const id of [undefined, user, p.bind(user).replace('.com', '.us')])
    expect((await add(id)).status).toBe(400);
  expect((await add(p.bind(user), { x: 1 })).status).toBe(400);
  expect(p.tenant.members(group)).toEqual([user]);
  expect((await remove(user.toUpperCase())).status).toBe(204);
  expect(await remove(user)).toMatchObject({
    ...{ status: 404, code: 'Request_ResourceNotFound', message: MISSING(user) },
  });
  expect((await remove('someone')).status).toBe(404);
  expect((await p.send('DELETE', `/groups/${NOBODY}/members/${user}/$ref`)).message).toBe(MISSING(NOBODY));
  expect([p.tenant.members(group), p.tenant.violations]).toEqual([[], []]);
});

test('a group that Graph does not let an app write is refused as documented', async () => {
  const denied = [403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.'];
  for (const [properties, expected] of [
    [{ groupTypes: ['DynamicMembership', 'Unified'].slice(0, 1) }, denied],
    [{ isAssignableToRole: true }, denied],
    [
      { onPremisesSyncEnabled: true },
      [400, 'Request_BadRequest', expect.stringContaining('on-premises mastered')],
    ],
    [
      { mailEnabled: true },
      [400, 'Request_BadRequest', 'Cannot Update a mail-enabled security groups and or distribution list.'],
    ],
  ] as const) {
    const p = probe();
    const member = p.tenant.addUser();
    const group = p.tenant.addGroup({ displayName: GROUP_NAMES.low, ...properties, members: [member] });
    const bind = p.bind(p.tenant.addUser());
    for (const [method, path, body] of [
      ['PATCH', '', { 'members@odata.bind': [bind] }],
      ['POST', '/members/$ref', { '@odata.id': bind }],
      ['DELETE', `/members/${member}/$ref`],
    ] as const) {
      const { status, code, message } = await p.send(method, `/groups/${group}${path}`, body);
      expect([status, code, message]).toEqual(expected);
    }
    expect(p.tenant.members(group)).toEqual([member]);
  }
});

test('some tenants allow single adds only', async () => {
  const p = probe();
  const group = p.tenant.addGroup({ displayName: GROUP_NAMES.high });
  const bind = p.bind(p.tenant.addUser());
  p.tenant.bulkAddForbidden = true;
  expect(await p.send('PATCH', `/groups/${group}`, { 'members@odata.bind': [bind] })).toMatchObject({
    ...{ status: 403, code: 'Authorization_RequestDenied' },
  });
  expect((await p.send('POST', `/groups/${group}/members/$ref`, { '@odata.id': bind })).status).toBe(204);
});

test('writing to any other group, or adding and removing what is no user, is a violation', async () => {
  const p = probe();
  const [user, other] = [p.tenant.addUser(), p.tenant.addUser()];
  const finance = p.tenant.addGroup({ displayName: 'Finance', members: [user] });
  await p.send('DELETE', `/groups/${finance}/members/${user}/$ref`);
  await p.send('POST', `/groups/${finance}/members/$ref`, { '@odata.id': p.bind(user) });
  await p.send('PATCH', `/groups/${finance}`, { 'members@odata.bind': [p.bind(other)] });
  expect([p.tenant.violations.length, p.tenant.members(finance).length]).toEqual([3, 2]);
  p.tenant.allowWritesTo(finance);
  await p.send('DELETE', `/groups/${finance}/members/${user}/$ref`);
  expect(p.tenant.violations).toHaveLength(3);

  const ours = p.tenant.addGroup({ displayName: GROUP_NAMES.high });
  const device = p.tenant.addOtherMember(ours);
  await p.send('DELETE', `/groups/${ours}/members/${device}/$ref`);
  await p.send('POST', `/groups/${ours}/members/$ref`, { '@odata.id': p.bind(finance) });
  expect([p.tenant.violations.length, p.tenant.otherMembers(ours)]).toEqual([5, [finance]]);
});

test('a batch: each part on its own, answers in any order', async () => {
  const p = probe();
  const users = people(p, 19);
  const group = p.tenant.addGroup({ displayName: GROUP_NAMES.high, members: users });
  const requests: object[] = users.map((id) => ({
    id,
    method: 'DELETE',
    url: `/groups/${group}/members/${id}/$ref`,
  }));
  requests.push({ id: 'x', method: 'DELETE', url: `/groups/${group}/members/${NOBODY}/$ref` });
  const { status, parts } = await p.send('POST', '/$batch', { requests });
  expect([status, parts.length, p.tenant.members(group)]).toEqual([200, 20, []]);
  expect(parts.map(({ id }) => id)).not.toEqual([...users, 'x']);
  expect(parts.map(({ id }) => id).sort()).toEqual([...users, 'x'].sort());
  expect(parts.find(({ id }) => id === 'x')).toMatchObject({
    status: 404,
    headers: { 'Content-Type': 'application/json' },
    body: { error: { code: 'Request_ResourceNotFound', message: MISSING(NOBODY) } },
  });
  expect(parts.find(({ id }) => id === users[0])).toEqual({
    id: users[0],
    status: 204,
    headers: { 'request-id': expect.any(String) },
  });
  expect(p.tenant.requests.at(-1)?.batch?.filter((part) => part.status === 204)).toHaveLength(19);
});

test('a batch as a whole must be right', async () => {
  const p = probe();
  const part = { id: '1', method: 'GET', url: '/groups' };
  for (const requests of [
    undefined,
    {},
    [],
    Array.from({ length: 21 }, (_, index) => ({ ...part, id: String(index) })),
    [part, part],
    [{ ...part, id: 1 }],
    [{ ...part, id: '' }],
    [{ method: 'GET', url: '/groups' }],
    [{ ...part, url: 'groups' }],
    [{ ...part, url: 'https://graph.microsoft.com/v1.0/groups' }],
    [{ ...part, method: 'get' }],
    [{ ...part, dependsOn: ['2'] }],
    ['GET /groups'],
  ])
    expect(await p.send('POST', '/$batch', { requests }), JSON.stringify(requests)).toMatchObject({
      ...{ status: 400, code: 'BadRequest' },
    });
  expect((await p.send('POST', '/$batch', { requests: [part] })).status).toBe(200);
  expect(
    (await p.send('POST', '/$batch', { requests: [part] }, { headers: { authorization: '' } })).status,
  ).toBe(401);
  for (const url of ['/v1.0/groups', '/$batch', '/me'])
    await expect(p.send('POST', '/$batch', { requests: [{ ...part, url }] })).rejects.toThrow(
      'no such route',
    );
  expect(p.tenant.violations).toHaveLength(3);
});

test('a body in a batch needs its content type; more than five bulk adds in one are too many', async () => {
  const p = probe();
  const group = p.tenant.addGroup({ displayName: GROUP_NAMES.high });
  const users = people(p, 6);
  const headers = { 'Content-Type': 'application/json' };
  const patch = (id: string) => ({
    ...{ id, method: 'PATCH', url: `/groups/${group}`, headers },
    body: { 'members@odata.bind': [p.bind(id)] },
  });
  expect((await p.send('POST', '/$batch', { requests: users.map(patch) })).status).toBe(503);
  const { headers: _, ...bare } = patch(users[0] ?? '');
  const { parts } = await p.send('POST', '/$batch', { requests: [bare, ...users.slice(1, 5).map(patch)] });
  for (const { id, status } of parts) expect(status).toBe(id === users[0] ? 400 : 204);
  expect(p.tenant.members(group)).toEqual(users.slice(1, 5).sort());
  expect(p.tenant.violations).toEqual([]);
});

test('parts of a batch do not escape the pace of Identity Protection', async () => {
  const p = probe();
  const url = '/identityProtection/riskyUsers';
  const requests = ['1', '2'].map((id) => ({ id, method: 'GET', url }));
  const { parts } = await p.send('POST', '/$batch', { requests });
  expect(parts.map(({ status }) => status).sort()).toEqual([200, 429]);
  expect(p.tenant.violations).toHaveLength(1);
});
