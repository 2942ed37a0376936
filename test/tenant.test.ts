/** The front door of the stand-in tenant: hosts, tokens, permissions, pace, and what is a violation. */
import { expect, test } from 'vitest';
import { redirect } from './tenant/faults';
import { probe } from './tenant/probe';

const RISKY = '/identityProtection/riskyUsers';

test('answers only its own hosts over https; anything else is a violation and a broken connection', async () => {
  const { tenant, send } = probe();
  for (const url of [
    'https://graph.microsoft.us/v1.0/groups',
    'https://evil.example/v1.0/groups',
    'http://graph.microsoft.com/v1.0/groups',
    'https://graph.microsoft.com:8443/v1.0/groups',
    'https://login.microsoftonline.us/x/oauth2/v2.0/token',
  ])
    await expect(send('GET', url)).rejects.toThrow('Network connection lost.');
  expect(tenant.violations).toHaveLength(5);
});

test('each cloud has its own hosts, and its tokens are good nowhere else', async () => {
  for (const [cloud, login, graph] of [
    ['usgov', 'login.microsoftonline.us', 'graph.microsoft.us'],
    ['dod', 'login.microsoftonline.us', 'dod-graph.microsoft.us'],
  ] as const) {
    const { tenant, get } = probe({ cloud });
    expect(tenant.hosts).toEqual({ login, graph });
    expect((await get('/groups')).status).toBe(200);
    await expect(get('https://graph.microsoft.com/v1.0/groups')).rejects.toThrow('Network connection lost.');
  }
});

test('unknown routes, versions and methods are violations and throw', async () => {
  const { tenant, send } = probe();
  for (const [method, path] of [
    ['GET', '/me'],
    ['GET', '/groups/'],
    ['PUT', '/groups'],
    ['POST', RISKY],
    ['GET', 'https://graph.microsoft.com/beta/groups'],
    ['GET', 'https://login.microsoftonline.com/common/discovery'],
    ['GET', '/groups/5f0c0000-0000-4000-a000-000000000000/members/microsoft.graph.user'],
    ['GET', '/groups/5f0c0000-0000-4000-a000-000000000000/transitiveMembers'],
    ['DELETE', '/groups/a/members/b/c/$ref'],
  ] as const)
    await expect(send(method, path)).rejects.toThrow('no such route');
  expect(tenant.violations).toHaveLength(9);
});

test('deleting a group, a user or a member object is done, as Graph does it, and is a violation', async () => {
  const { tenant, send } = probe();
  const [a, b] = [tenant.addUser(), tenant.addUser()];
  const [one, two] = [tenant.addGroup({ members: [a, b] }), tenant.addGroup({ members: [b] })];
  expect((await send('DELETE', `/groups/${one}/members/${a}`)).status).toBe(204);
  expect((await send('DELETE', `/users/${b}`)).status).toBe(204);
  expect((await send('DELETE', `/groups/${one}`)).status).toBe(204);
  expect([tenant.users(), tenant.groups().map(({ id }) => id)]).toEqual([[], [two]]);
  expect(tenant.members(two)).toEqual([]);
  expect(tenant.violations).toHaveLength(3);
});

test('a token must be there, issued here, and not expired or revoked', async () => {
  const { tenant, clock, get, send } = probe();
  for (const authorization of ['', 'Bearer ', 'Bearer eyJ0.made.up', 'Basic abc'])
    expect(await send('GET', '/groups', undefined, { headers: { authorization } })).toMatchObject({
      ...{ status: 401, code: 'InvalidAuthenticationToken' },
    });
  expect((await get('/groups')).status).toBe(200);
  await clock.advance(3_598_000);
  expect((await get('/groups')).status).toBe(200);
  await clock.advance(1_000);
  expect(await get('/groups')).toMatchObject({
    status: 401,
    code: 'InvalidAuthenticationToken',
    message: 'Lifetime validation failed, the token is expired.',
    body: { error: { innerError: { 'request-id': expect.stringMatching(/^[0-9a-f-]{36}$/) } } },
  });

  const other = probe();
  expect((await other.get('/groups')).status).toBe(200);
  other.tenant.revokeTokens();
  expect((await other.get('/groups')).status).toBe(401);
  expect(tenant.violations).toEqual([]);
});

test('every call asks for its permission', async () => {
  const user = '5f0c0000-0000-4000-a000-000000000000';
  const name = 'IdentityProtection-RiskyUser-RiskLevel-high';
  const group = { displayName: name, mailNickname: 'high', mailEnabled: false, securityEnabled: true };
  const calls = [
    ['GET', RISKY, 'IdentityRiskyUser.Read.All'],
    ['GET', '/groups', 'GroupMember.Read.All'],
    ['GET', '/groups/ID', 'GroupMember.Read.All'],
    ['GET', '/groups/ID/members', 'GroupMember.ReadWrite.All'],
    ['POST', '/groups', 'Group.Create', group],
    ['PATCH', '/groups/ID', 'GroupMember.ReadWrite.All', { 'members@odata.bind': [] }],
    ['POST', '/groups/ID/members/$ref', 'GroupMember.ReadWrite.All', {}],
    ['DELETE', `/groups/ID/members/${user}/$ref`, 'GroupMember.ReadWrite.All'],
  ] as const;
  for (const [method, path, role, body] of calls) {
    for (const permissions of [[], [role]]) {
      const { tenant, send } = probe({ permissions });
      const id = tenant.addGroup({ displayName: name });
      const reply = await send(method, path.replace('ID', id), body);
      const denied = { status: 403, code: 'Authorization_RequestDenied' };
      if (permissions.length === 0) expect(reply, path).toMatchObject(denied);
      else expect(reply.status, path).not.toBe(403);
    }
  }
  // The guard read and the lookup are not listed for the writer's role.
  const { tenant, get } = probe({ permissions: ['GroupMember.ReadWrite.All'] });
  expect((await get('/groups')).status).toBe(403);
  expect((await get(`/groups/${tenant.addGroup()}`)).status).toBe(403);
});

test('answers carry ids and a type; a caller id comes back and must be a GUID', async () => {
  const { get, send } = probe();
  const plain = await get('/groups');
  expect(plain.headers.get('request-id')).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/,
  );
  expect(plain.headers.get('content-type')).toMatch(/^application\/json/);
  const signed = await send('GET', '/groups');
  expect(signed.headers.get('request-id')).not.toBe(plain.headers.get('request-id'));
  const own = '0b9a4c1e-93a3-4f56-8a3e-0d6b3b7f6d11';
  const echoed = await send('GET', '/groups', undefined, { headers: { 'client-request-id': own } });
  expect([echoed.status, echoed.headers.get('client-request-id')]).toEqual([200, own]);
  const odd = await send('GET', '/groups', undefined, { headers: { 'client-request-id': 'run 1' } });
  expect(odd).toMatchObject({ status: 400, message: 'client-request-id is not a GUID.' });
});

test('Identity Protection: one call a second for all clients; refused calls accrue; a client that hurries violates', async () => {
  const { tenant, clock, get, send } = probe();
  expect((await get(RISKY)).status).toBe(200);
  await clock.advance(990);
  const refused = await get(RISKY);
  expect(refused).toMatchObject({ status: 429, code: 'TooManyRequests' });
  expect(refused.headers.get('retry-after')).toBeNull();
  expect(tenant.violations).toEqual(['worker called Identity Protection twice within a second']);
  await clock.advance(990);
  expect((await get(RISKY)).status).toBe(429);
  await clock.advance(1_000);
  expect((await get(RISKY)).status).toBe(200);

  // Another application of the tenant: throttled like all, but no fault of this Worker.
  const token = await send('GET', '/groups').then(() => tenant.violations.length);
  await clock.advance(10);
  const other = tenant.client('siem');
  await clock.run(() => other(`https://graph.microsoft.com/v1.0${RISKY}`));
  expect(tenant.violations).toHaveLength(token);
});

test('more than six requests of one client in flight, or two writers to one group, are violations', async () => {
  const { tenant, clock, bind, get } = probe({ latencyMs: 50 });
  await get('/groups');
  const name = 'IdentityProtection-RiskyUser-RiskLevel-high';
  const [one, two] = [tenant.addGroup({ displayName: name }), tenant.addGroup({ displayName: name })];
  const [a, b] = [tenant.addUser(), tenant.addUser()];
  const write = (client: string, group: string, user: string) =>
    tenant.client(client)(`https://graph.microsoft.com/v1.0/groups/${group}/members/$ref`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ '@odata.id': bind(user) }),
    });
  const batch = (group: string, user: string) =>
    tenant.fetch('https://graph.microsoft.com/v1.0/$batch', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        requests: [{ id: '1', method: 'DELETE', url: `/groups/${group}/members/${user}/$ref` }],
      }),
    });

  await clock.run(() =>
    Promise.all([write('worker', one, a), write('worker', two, b), write('other', one, b)]),
  );
  await clock.run(async () => [await write('worker', one, a), await write('worker', one, b)]);
  expect([tenant.violations, tenant.maxInFlight]).toEqual([[], 2]);
  await clock.run(() => Promise.all([write('worker', one, a), batch(one, b)]));
  expect(tenant.violations).toEqual([`two writers to group ${one} at once`]);

  tenant.forgetRequests();
  const read = () => tenant.fetch('https://graph.microsoft.com/v1.0/groups');
  await clock.run(() => Promise.all(Array.from({ length: 7 }, read)));
  expect([tenant.violations[1], tenant.maxInFlight]).toEqual(['7 requests of worker in flight', 7]);
});

test('a request that its caller gave up is no longer in flight', async () => {
  const { tenant, clock, get } = probe({ latencyMs: 50 });
  await get('/groups');
  await clock.run(async () => {
    for (let i = 0; i < 8; i++) {
      const stop = new AbortController();
      const lost = tenant.fetch('https://graph.microsoft.com/v1.0/groups', { signal: stop.signal });
      stop.abort();
      await expect(lost).rejects.toThrow(/abort/i);
    }
  });
  expect([tenant.violations, tenant.maxInFlight]).toEqual([[], 1]);
  await expect(tenant.fetch('https://evil.example', { signal: AbortSignal.abort() })).rejects.toThrow(
    /abort/i,
  );
  expect(tenant.violations).toEqual([]);
});

test('a redirect that is followed leads the token astray', async () => {
  const { tenant, send } = probe();
  tenant.fault({ on: /\/groups/, give: redirect('https://evil.example/collect') });
  const manual = await send('GET', '/groups', undefined, { redirect: 'manual' });
  expect([manual.status, manual.headers.get('location')]).toEqual([302, 'https://evil.example/collect']);
  await expect(send('GET', '/groups')).rejects.toThrow('Network connection lost.');
  expect(tenant.violations).toEqual(['a request to another host: GET https://evil.example/collect']);
});

test('notes every request, and hooks see each with the state around it', async () => {
  const { tenant, get, send, clock } = probe({ latencyMs: 20 });
  const name = 'IdentityProtection-RiskyUser-RiskLevel-low';
  const group = tenant.addGroup({ displayName: name, members: [tenant.addUser()] });
  const seen: string[] = [];
  tenant.before(({ method, path, status }) => seen.push(`before ${method} ${path} ${status}`));
  tenant.after(({ path, status }) => seen.push(`after ${path} ${status} ${tenant.members(group).length}`));
  const [user] = tenant.members(group);
  await get('/groups?$select=id');
  await send('POST', '/$batch', {
    requests: [{ id: 'a', method: 'DELETE', url: `/groups/${group}/members/${user}/$ref` }],
  });
  expect(seen).toEqual([
    ...['before POST /token 0', 'after /token 200 1', 'before GET /groups 0', 'after /groups 200 1'],
    ...['before POST /$batch 0', 'after /$batch 200 0'],
  ]);
  const start = Date.parse('2026-05-04T03:00:00Z');
  expect(tenant.requests[1]).toEqual({
    ...{ client: 'worker', method: 'GET', path: '/groups', status: 200, body: '' },
    ...{ at: start + 20, endedAt: start + 40, url: 'https://graph.microsoft.com/v1.0/groups?$select=id' },
  });
  expect(tenant.requests[2]).toMatchObject({
    body: { requests: [{ id: 'a' }] },
    batch: [{ method: 'DELETE', path: `/groups/${group}/members/${user}/$ref`, status: 204 }],
  });
  tenant.forgetRequests();
  expect(tenant.requests).toEqual([]);
  expect(clock.pending()).toBe(0);

  tenant.after(() => expect(1).toBe(2));
  await get('/groups');
  expect(tenant.violations[0]).toMatch(/^after GET \/groups: /);
});
