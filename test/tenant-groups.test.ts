/** Groups of the stand-in tenant: each refusal has a case, and so has each kind of lag. */
import { expect, test } from 'vitest';
import { GROUP_NAMES } from './tenant/names';
import { probe } from './tenant/probe';

const NOBODY = '5f0c0000-0000-4000-a000-000000000000';
const refused = (code: string, message: string | RegExp = /./, status = 400) => ({
  ...{ status, code },
  message: expect.stringMatching(message),
});

test('groups are found by name, with quotes doubled and without regard to case', async () => {
  const { tenant, get } = probe();
  const [a, b, c] = [{ displayName: GROUP_NAMES.high }, { displayName: "O'Neil & 50% + more" }, {}].map(
    (group) => tenant.addGroup(group),
  );
  const find = async (filter: string) => {
    const { value } = await get(`/groups?$select=id&$filter=${encodeURIComponent(filter)}`);
    return value.map(({ id }) => id);
  };
  expect(await find(`displayName in ('${GROUP_NAMES.high}', 'O''Neil & 50% + more')`)).toEqual([a, b].sort());
  expect(await find("displayName eq 'O''Neil & 50% + more'")).toEqual([b]);
  expect(await find(`displayName eq '${GROUP_NAMES.high.toUpperCase()}'`)).toEqual([a]);
  expect((await get('/groups?$select=id')).value).toHaveLength(3);
  for (const filter of [
    "displayName eq 'O'Neil'",
    "displayName ne 'a'",
    'displayName in ()',
    "name eq 'a'",
    "id eq '1'",
  ])
    expect((await get(`/groups?$filter=${encodeURIComponent(filter)}`)).status, filter).toBe(400);
  // Unencoded, the ampersand ends the filter and the plus is a space.
  expect((await get("/groups?$filter=displayName eq 'O''Neil & 50%25 + more'")).status).toBe(400);
  for (const query of [
    '$top=1000',
    '$select=id,name',
    '$search="displayName:a"',
    '$count=true',
    '$orderby=id',
  ])
    expect((await get(`/groups?${query}`)).status, query).toBe(400);
  expect(c).toMatch(/^[0-9a-f-]{36}$/);
});

test('groups come in pages of 100 unless asked for otherwise', async () => {
  const { tenant, pages } = probe();
  for (let i = 0; i < 101; i++) tenant.addGroup();
  const sizes = async (query: string) => (await pages(`/groups?${query}`)).map(({ value }) => value.length);
  expect(await sizes('$select=id')).toEqual([100, 1]);
  expect(await sizes('$top=999')).toEqual([101]);
  tenant.pageSizes.groups = 60;
  expect(await sizes('$top=999')).toEqual([60, 41]);
});

test('one group, with the properties asked for or all of them, or 404', async () => {
  const { tenant, get } = probe();
  const id = tenant.addGroup({
    displayName: 'Dyn',
    groupTypes: ['DynamicMembership'],
    membershipRule: 'all',
  });
  expect(
    (await get(`/groups/${id.toUpperCase()}?$select=id,groupTypes,isManagementRestricted`)).body,
  ).toEqual({
    '@odata.context': 'https://graph.microsoft.com/v1.0/$metadata#groups/$entity',
    ...{ id, groupTypes: ['DynamicMembership'], isManagementRestricted: null },
  });
  expect((await get(`/groups/${id}`)).body).toMatchObject({
    id,
    displayName: 'Dyn',
    createdDateTime: '2026-05-04T03:00:00Z',
  });
  expect((await get(`/groups/${id}?$select=members`)).status).toBe(400);
  for (const other of [NOBODY, 'high'])
    expect(await get(`/groups/${other}`)).toMatchObject(
      refused('Request_ResourceNotFound', `^Resource '${other}' does not exist or one of its`, 404),
    );
  tenant.deleteGroup('Dyn');
  expect((await get(`/groups/${id}`)).status).toBe(404);
});

test('a group is created as asked, from its required properties, and its name need not be new', async () => {
  const { tenant, clock, send } = probe();
  await clock.advance(5_250);
  const group = {
    displayName: GROUP_NAMES.low,
    mailNickname: 'low',
    mailEnabled: false,
    securityEnabled: true,
  };
  const first = await send('POST', '/groups', { ...group, description: 'Kept by the Worker' });
  expect(first).toMatchObject({
    status: 201,
    body: { ...group, id: expect.any(String), createdDateTime: '2026-05-04T03:00:05Z', groupTypes: [] },
  });
  expect((await send('POST', '/groups', group)).status).toBe(201);
  expect(tenant.groupsNamed(GROUP_NAMES.low)).toHaveLength(2);
  expect(() => tenant.members(GROUP_NAMES.low)).toThrow('2 groups');
  expect(tenant.violations).toEqual([]);

  const owner = `https://graph.microsoft.com/v1.0/users/${tenant.addUser()}`;
  for (const [change, message] of [
    [{ displayName: undefined }, "A value is required for property 'displayName' of resource 'Group'."],
    [{ mailNickname: undefined }, 'mailNickname'],
    [{ mailEnabled: undefined }, 'mailEnabled'],
    [{ securityEnabled: undefined }, 'securityEnabled'],
    [{ displayName: '' }, 'displayName'],
    [{ displayName: 'x'.repeat(257) }, 'displayName'],
    [
      { mailNickname: 'x'.repeat(65) },
      "Invalid value specified for property 'mailNickname' of resource 'Group'.",
    ],
    ...['a b', 'a@b', 'a(b', 'a;b', 'a"b', 'a\\b', 'a,b', 'a[b', 'gr\u00fcn', ''].map(
      (mailNickname) => [{ mailNickname }, 'Nick'] as const,
    ),
    [{ securityEnabled: 'true' }, 'securityEnabled'],
    [{ members: [] }, 'members'],
    [{ 'members@odata.bind': [] }, 'members@odata.bind'],
    [{ 'owners@odata.bind': owner }, 'One or more property values'],
    [{ 'owners@odata.bind': [owner.replace('users', 'groups')] }, 'One or more property values'],
    [
      { 'owners@odata.bind': [owner.replace('microsoft.com', 'microsoft.us')] },
      'One or more property values',
    ],
  ] as const)
    expect(await send('POST', '/groups', { ...group, ...change }), message).toMatchObject(
      refused('Request_BadRequest', message),
    );
  const unknown = `https://graph.microsoft.com/v1.0/servicePrincipals/${NOBODY}`;
  expect((await send('POST', '/groups', { ...group, 'owners@odata.bind': [unknown] })).status).toBe(404);
  expect((await send('POST', '/groups', { ...group, 'owners@odata.bind': [owner] })).status).toBe(201);
  expect([tenant.groups().length, tenant.violations]).toEqual([3, []]);
});

test('creating any other group than a plain one of the three names is a violation', async () => {
  const { tenant, send } = probe();
  const group = {
    displayName: GROUP_NAMES.low,
    mailNickname: 'low',
    mailEnabled: false,
    securityEnabled: true,
  };
  for (const change of [{ displayName: 'Finance' }, { securityEnabled: false }, { groupTypes: ['Unified'] }])
    expect((await send('POST', '/groups', { ...group, ...change })).status).toBe(201);
  expect(tenant.violations).toHaveLength(3);
});

test('a body needs its content type, and must be a JSON object', async () => {
  const { tenant, send } = probe();
  const id = tenant.addGroup({ displayName: GROUP_NAMES.high });
  for (const [method, path] of [
    ['POST', '/groups'],
    ['PATCH', `/groups/${id}`],
    ['POST', `/groups/${id}/members/$ref`],
    ['POST', '/$batch'],
  ] as const) {
    for (const body of ['not JSON', '[]', 'null', ''])
      expect(await send(method, path, {}, { body }), path).toMatchObject(
        refused('BadRequest', 'Unable to read JSON'),
      );
    for (const type of ['', 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonp'])
      expect(await send(method, path, {}, { headers: { 'content-type': type } }), path).toMatchObject(
        refused('BadRequest', 'Entity only allows writes with a JSON Content-Type header.'),
      );
    const charset = { headers: { 'content-type': 'application/json; charset=utf-8' } };
    expect((await send(method, path, {}, charset)).message).not.toMatch(/Content-Type|read JSON/);
  }
});

test('lag: a group is listed and reachable only after a while, members are shown as they were', async () => {
  const { tenant, clock, get, send, bind } = probe();
  const [a, b, c] = [tenant.addUser(), tenant.addUser(), tenant.addUser()];
  const old = tenant.addGroup({ displayName: GROUP_NAMES.low, createdDateTime: '2026-01-01T00:00:00Z' });
  Object.assign(tenant.lag, { groupListedAfterMs: 5_000, groupReachableAfterMs: 2_000 });
  const group = tenant.addGroup({ displayName: GROUP_NAMES.high, members: [a, b] });
  const path = `/groups/${group}`;
  const ids = async (list: string) => (await get(list)).value.map(({ id }) => id);
  expect(await ids('/groups')).toEqual([old]);
  for (const [method, address, body] of [
    ['GET', path],
    ['GET', `${path}/members`],
    ['PATCH', path, { 'members@odata.bind': [bind(c)] }],
    ['POST', `${path}/members/$ref`, { '@odata.id': bind(c) }],
    ['DELETE', `${path}/members/${a}/$ref`],
  ] as const)
    expect(await send(method, address, body), address).toMatchObject({
      status: 404,
      message: expect.stringContaining(group),
    });
  await clock.advance(2_000);
  expect((await get(path)).status).toBe(200);
  expect(await ids('/groups')).toEqual([old]);
  await clock.advance(3_000);
  expect(await ids('/groups')).toEqual([old, group].sort());

  tenant.lag.membersVisibleAfterMs = 10_000;
  await send('PATCH', path, { 'members@odata.bind': [bind(c)] });
  await clock.advance(1_000);
  await send('DELETE', `${path}/members/${a}/$ref`);
  await clock.advance(8_000);
  expect(tenant.members(group)).toEqual([b, c].sort());
  expect((await ids(`${path}/members`)).sort()).toEqual([a, b].sort());
  await clock.advance(1_000);
  expect((await ids(`${path}/members`)).sort()).toEqual([a, b, c].sort());
  await clock.advance(1_000);
  expect((await ids(`${path}/members`)).sort()).toEqual([b, c].sort());
});
