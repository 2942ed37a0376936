/** The front door of the stand-in tenant: hosts, sign-in, pace, and what is a violation. */
import { expect, test } from 'vitest';
import * as faults from './faults';
import { NOBODY, probe } from './probe';

const RISKY = '/identityProtection/riskyUsers';
const GRAPH = 'https://graph.microsoft.com/v1.0';

test('other hosts, http, unknown routes, versions, methods and every deletion but of a reference throw and are violations', async () => {
  const { tenant, send } = probe();
  const others = [GRAPH.replace('.com', '.us'), GRAPH.replace('https', 'http'), GRAPH.replace('.com', '.com:8443')];
  for (const url of [...others, 'https://login.microsoftonline.us/x/oauth2/v2.0/token'])
    await expect(send('GET', `${url}/groups`)).rejects.toThrow('Network connection lost.');
  const group = `/groups/${tenant.addGroup()}`;
  for (const route of [
    ...['GET /me', 'GET /groups/', 'PUT /groups', `POST ${RISKY}`, `PATCH ${group}`, `GET ${group}`],
    ...[`GET ${GRAPH.replace('v1.0', 'beta')}/groups`, 'GET https://login.microsoftonline.com/common/discovery'],
    ...[`DELETE ${group}`, `DELETE /users/${NOBODY}`, `DELETE ${group}/members/${NOBODY}`],
  ]) {
    const [method = '', address = ''] = route.split(' ');
    await expect(send(method, address), route).rejects.toThrow('no such route');
  }
  expect(tenant.violations).toHaveLength(15);
  // A redirect that is followed leads the token astray.
  tenant.fault({ on: /\/groups/, give: faults.redirect('https://evil.example/collect') });
  expect((await send('GET', '/groups', undefined, { redirect: 'manual' })).status).toBe(302);
  await expect(send('GET', '/groups')).rejects.toThrow('Network connection lost.');
  expect(tenant.violations.slice(15)).toEqual(['a request to another host: GET https://evil.example/collect']);
});

test('the sign-in takes the right secret, encoded, for Graph of this cloud; Graph takes the token of that', async () => {
  const { tenant, signIn, credentials, send } = probe();
  const { client_secret: secret = '', scope = '', ...bare } = credentials;
  const unencoded = `${new URLSearchParams({ ...bare, scope })}&client_secret=${secret}`;
  for (const [number, form, init] of [
    [7000215, { ...credentials, client_secret: encodeURIComponent(secret) }],
    [7000215, {}, { body: unencoded }],
    [70011, { ...credentials, scope: scope.replace('.com', '.us') }],
    [7000218, { ...bare, scope }],
    [900144, {}, { headers: { 'content-type': 'application/json' }, body: JSON.stringify(credentials) }],
  ] as const)
    expect((await signIn(form, init)).body, JSON.stringify(form)).toMatchObject({ error_codes: [number] });
  for (const authorization of ['', 'Bearer ', 'Bearer eyJ0.made.up', 'Basic abc'])
    expect((await send('GET', '/groups', undefined, { headers: { authorization } })).status).toBe(401);
  expect(tenant.violations).toEqual([]);
});

test.each([
  [[], ['GroupMember.Read.All'], 403],
  [['GroupMember.Read.All'], [], 200],
])('a token carries the permissions of its moment, %j, whatever they are later, %j', async (before, after, status) => {
  const { tenant, get, send } = probe({ permissions: before });
  await get('/groups');
  tenant.permissions = after;
  const requests = [{ id: '1', method: 'GET', url: '/groups' }];
  expect((await send('POST', '/$batch', { requests })).parts).toMatchObject([{ status }]);
  expect((await get('/groups')).status).toBe(status);
});

test('Identity Protection: one call a second, of which refused ones accrue; a client that hurries violates', async () => {
  const { tenant, clock, get } = probe();
  const statuses = [];
  for (const wait of [990, 990, 1_000, 10]) {
    statuses.push((await get(RISKY)).status);
    await clock.advance(wait);
  }
  expect(statuses).toEqual([200, 429, 429, 200]);
  expect(tenant.violations).toEqual(Array(2).fill('worker called Identity Protection twice within a second'));
});

test('two writers of one client to one group at once are a violation', async () => {
  const { tenant, clock, get } = probe({ latencyMs: 50 });
  await get('/groups');
  const [one, two] = [tenant.addGroup(), tenant.addGroup()];
  const path = (group: string) => `/groups/${group}/members/${NOBODY}/$ref`;
  const write = (client: string, group: string) => tenant.client(client)(GRAPH + path(group), { method: 'DELETE' });
  const requests = [{ id: '1', method: 'DELETE', url: path(one) }];
  const batch = () => tenant.fetch(`${GRAPH}/$batch`, { method: 'POST', body: JSON.stringify({ requests }) });
  await clock.run(() => Promise.all([write('worker', one), write('worker', two), write('other', one)]));
  expect(tenant.violations).toEqual([]);
  await clock.run(() => Promise.all([write('worker', one), batch()]));
  expect(tenant.violations).toEqual([`two writers to group ${one} at once`]);
});

test.each([
  ['2.5', 2_500, 429],
  ['Mon, 04 May 2026 03:00:07 GMT', 7_000, 429],
  // No pause, but no licence to come back at once either.
  ['0', 100, 200],
  ['-3', 100, 200],
  ['soon', 100, 200],
])('who comes back before Retry-After: %s is over violates', async (value, wait, early) => {
  for (const tooSoon of [10, 0]) {
    const { tenant, clock, get } = probe();
    await get('/groups');
    tenant.fault({ on: /\/groups/, times: 1, give: faults.throttled(value) });
    expect((await get('/groups')).headers.get('retry-after')).toBe(value);
    for (const late of tooSoon > 0 ? [false, false, true] : [true]) {
      await clock.advance(late ? wait : wait - tooSoon);
      expect((await get('/groups')).status).toBe(late ? 200 : early);
    }
    expect(tenant.violations.length > 0).toBe(tooSoon > 0);
  }
});
