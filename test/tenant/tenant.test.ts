/** The front door of the stand-in tenant: hosts, bodies, pace, and what is a violation. */
import { expect, test } from 'vitest';
import * as faults from './faults';
import { NOBODY, probe } from './probe';

const RISKY = '/identityProtection/riskyUsers';
const GRAPH = 'https://graph.microsoft.com/v1.0';

test('other hosts, http, unknown routes, versions and methods throw and are violations', async () => {
  const { tenant, send } = probe();
  const others = [GRAPH.replace('.com', '.us'), GRAPH.replace('https', 'http'), GRAPH.replace('.com', '.com:8443')];
  for (const url of [...others, 'https://login.microsoftonline.us/x/oauth2/v2.0/token'])
    await expect(send('GET', `${url}/groups`)).rejects.toThrow('Network connection lost.');
  for (const route of [
    ...['GET /me', 'GET /groups/', 'PUT /groups', `POST ${RISKY}`, `PATCH /groups/${NOBODY}`, `GET /groups/${NOBODY}`],
    ...[`GET /groups/${NOBODY}/transitiveMembers`, `GET /groups/${NOBODY}/members/microsoft.graph.user`],
    ...[`GET ${GRAPH.replace('v1.0', 'beta')}/groups`, 'GET https://login.microsoftonline.com/common/discovery'],
  ]) {
    const [method = '', address = ''] = route.split(' ');
    await expect(send(method, address), route).rejects.toThrow('no such route');
  }
  expect(tenant.violations).toHaveLength(14);
  // A redirect that is followed leads the token astray.
  tenant.fault({ on: /\/groups/, give: faults.redirect('https://evil.example/collect') });
  expect((await send('GET', '/groups', undefined, { redirect: 'manual' })).status).toBe(302);
  await expect(send('GET', '/groups')).rejects.toThrow('Network connection lost.');
  expect(tenant.violations.slice(14)).toEqual(['a request to another host: GET https://evil.example/collect']);
});

test('deleting a group, a user or a member object is done, as Graph does it, and is a violation', async () => {
  const { tenant, send } = probe();
  const [a, b] = [tenant.addUser(), tenant.addUser()];
  const group = tenant.addGroup({ members: [a, b] });
  for (const path of [`/groups/${group}/members/${a}`, `/users/${b}`, `/groups/${group}`])
    expect((await send('DELETE', path)).status).toBe(204);
  expect([tenant.users(), tenant.groups()]).toEqual([[], []]);
  expect(tenant.violations).toHaveLength(3);
});

test('a body needs its content type, and must be a JSON object', async () => {
  const { tenant, send } = probe();
  for (const path of ['/groups', `/groups/${tenant.addGroup()}/members/$ref`, '/$batch']) {
    for (const body of ['not JSON', '[]', 'null', ''])
      expect((await send('POST', path, {}, { body })).message).toMatch(/^Unable to read JSON/);
    for (const type of ['', 'text/plain', 'application/jsonp']) {
      const { message } = await send('POST', path, {}, { headers: { 'content-type': type } });
      expect(message).toMatch(/JSON Content-Type header/);
    }
  }
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

test('what a hook finds is a violation', async () => {
  const { tenant, get } = probe();
  tenant.after(() => expect(1).toBe(2));
  await get('/groups');
  expect(tenant.violations[0]).toMatch(/^after POST \/token: /);
});

/** A tenant whose next request for groups is throttled so. */
async function throttled(retryAfter: string) {
  const p = probe();
  await p.get('/groups');
  p.tenant.fault({ on: /\/groups/, times: 1, give: faults.throttled(retryAfter) });
  expect((await p.get('/groups')).headers.get('retry-after')).toBe(retryAfter);
  return p;
}

test.each([
  ['2.5', 2_500],
  ['Mon, 04 May 2026 03:00:07 GMT', 7_000],
])('who comes back before Retry-After: %s is over is refused again, and longer', async (retryAfter, wait) => {
  const { tenant, clock, get } = await throttled(retryAfter);
  await clock.advance(wait - 10);
  expect((await get('/groups')).status).toBe(429);
  expect(tenant.violations).toEqual(['came back before Retry-After was over: GET /groups']);
  await clock.advance(wait);
  expect((await get('/groups')).status).not.toBe(429);
});

test.each(['0', '-3', 'soon'])('Retry-After: %s is no licence to come back at once', async (value) => {
  for (const wait of [100, 99]) {
    const { tenant, clock, get } = await throttled(value);
    await clock.advance(wait);
    await get('/groups');
    expect(tenant.violations).toEqual(wait < 100 ? ['asked again at once when throttled: GET /groups'] : []);
  }
});
