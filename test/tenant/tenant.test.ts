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

test('a token is given for Graph of this cloud, and carries the permissions of its moment, whatever they are later', async () => {
  const { tenant, signIn, credentials, get, send } = probe({ permissions: [] });
  const elsewhere = await signIn({ ...credentials, scope: 'https://graph.microsoft.us/.default' });
  expect(elsewhere.body).toMatchObject({ error_codes: [70011] });
  await get('/groups');
  tenant.permissions = ['GroupMember.Read.All'];
  const requests = [{ id: '1', method: 'GET', url: '/groups' }];
  expect((await send('POST', '/$batch', { requests })).parts).toMatchObject([{ status: 403 }]);
  expect((await get('/groups')).status).toBe(403);
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
