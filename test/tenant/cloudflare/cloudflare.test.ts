/** The stand-in Cloudflare itself: what a wrong one could hide from the tests of the Worker. */
import { expect, test } from 'vitest';
import { bothAs } from '../both';
import { fakeClock } from '../clock';
import { parseJson } from '../exchange';
import { GROUP_NAMES } from '../names';
import { createTenant } from '../tenant';
import { EACH_BEHAVIOUR } from './behaviours';
import { type CloudflareOptions, createCloudflare } from './cloudflare';

const ID = '0b9f6a54-8a5e-4f0c-9d6b-5a0f2f3c1e77';
const ROOT = 'https://api.cloudflare.com/client/v4/accounts';
const ours = (value: string) => ({ value, description: ID });
const [b, c] = [ours('b@contoso.example'), ours('c@contoso.example')];

function account(options: Omit<Partial<CloudflareOptions>, 'clock'> = {}) {
  const clock = fakeClock();
  const cloudflare = createCloudflare({ random: () => 0.5, ...options, clock });
  const id = cloudflare.addList({ name: GROUP_NAMES.high, entries: [ours('Ada@Contoso.example')] });

  /** A path after `/gateway`, or a whole address. */
  async function send(method: string, path: string, body?: unknown) {
    const url = /^https?:/.test(path) ? path : `${ROOT}/${cloudflare.accountId}/gateway${path}`;
    const typed = { 'content-type': 'application/json', authorization: `Bearer ${cloudflare.token}` };
    const init = { method, headers: typed, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
    const response = await clock.run(() => cloudflare.client('worker')(url, init));
    const text = await clock.run(() => response.text());
    const envelope = Object(parseJson(text));
    return { status: response.status, text, envelope, result: envelope.result, code: envelope.errors?.[0]?.code };
  }
  const patch = (change: object) => send('PATCH', `/lists/${id}`, change);
  const values = () => cloudflare.entries(id).map(({ value }) => value);
  return { cloudflare, id, send, patch, values };
}

test.each(EACH_BEHAVIOUR)('lists are found, made, read page by page and changed, with %s', async (_, knobs) => {
  const { cloudflare, id, send, patch, values } = account(knobs);
  cloudflare.addList({ name: 'hosts', type: 'DOMAIN' });
  const list = { name: GROUP_NAMES.low, type: 'EMAIL', description: 'x'.repeat(100) };
  expect((await send('POST', '/lists', list)).result).toMatchObject(list);
  expect((await send('POST', '/lists', list)).status).toBe(cloudflare.sameName === 'made' ? 200 : 400);
  await patch({ append: Array.from({ length: 8 }, (_, index) => ours(`u${index}@contoso.example`)) });
  const { envelope } = await send('GET', '/lists?type=EMAIL');
  expect(envelope).toMatchObject({ success: true, messages: [], result: { 0: { id, count: 9 }, 1: { count: 0 } } });
  const size = Math.min(cloudflare.largestPage, 9);
  const page = await send('GET', `/lists/${id}/items?page=1&per_page=1000`);
  const total = cloudflare.totalCount ? { total_count: 9 } : {};
  const info = { page: 1, per_page: cloudflare.largestPage, count: size, ...total };
  expect(page.envelope).toMatchObject({ result: { length: size }, result_info: info });
  const remove = ['u3@contoso.example'];
  expect((await patch({ remove })).result).toMatchObject({ count: 8 });
  expect((await patch({ remove })).status).toBe(cloudflare.absent === 'refused' ? 400 : 200);
  const exact = cloudflare.matching === 'exact';
  const again = await patch({ append: [ours('ADA@contoso.example')] });
  expect(again.status).toBe(exact || cloudflare.present === 'ignored' ? 200 : 400);
  expect(values().filter((value) => /^ada@/i.test(value))).toHaveLength(exact ? 2 : 1);
  expect((await send('GET', `/lists/${ID}/items`)).status).toBe(cloudflare.missingList);
  expect([values().includes('u3@contoso.example'), cloudflare.violations]).toEqual([false, []]);
});

test('a PATCH is done whole or not at all, and its refusal names the address and no code', async () => {
  const { cloudflare, patch, values } = account({ entriesPerList: 3, longestDescription: 36 });
  cloudflare.refusedValues.add('odd@contoso.example');
  const good = ours('good@contoso.example');
  for (const change of [
    ...[{ append: [good, ours('no address')] }, { append: [good, ours('odd@contoso.example')] }, { remove: [good] }],
    ...[{ append: [good, good] }, { append: [good], remove: ['good@contoso.example', 'ada@contoso.example'] }],
    ...[{ append: [good, b, c] }, { append: [good, { ...b, description: `${ID}.` }] }, {}, { append: [], remove: [] }],
  ]) {
    const { status, code, envelope } = await patch(change);
    expect([status, code, envelope.success, envelope.result]).toEqual([400, undefined, false, null]);
    expect(values()).toEqual(['Ada@Contoso.example']);
  }
  expect((await patch({ append: [ours('no address')] })).text).toContain("item: 'no address'");
});

test('what no Worker may ask for throws and is noted', async () => {
  const { cloudflare, id, send, patch } = account();
  const theirs = cloudflare.addList({ name: 'people of somebody else' });
  const at = `${ROOT}/${cloudflare.accountId}`;
  const low = { name: GROUP_NAMES.low, type: 'EMAIL' };
  for (const route of [
    ...[`PUT /lists/${id}`, `DELETE /lists/${id}`, `GET /lists/${id}`, `PATCH /lists/${theirs}`, 'POST /lists'],
    ...['GET /lists', 'GET /lists?type=EMAIL&page=2', `GET ${at}/access/users`],
    `GET ${at.replace('https', 'http')}/gateway/lists?type=EMAIL`,
  ]) {
    const [method = '', path = ''] = route.split(' ');
    const body = ['GET', 'DELETE'].includes(method) ? undefined : { ...low, items: [b] };
    await expect(send(method, path, body), route).rejects.toThrow();
  }
  await expect(send('POST', '/lists', { ...low, name: 'other' })).rejects.toThrow();
  expect(cloudflare.violations).toHaveLength(10);
  cloudflare.putEntries(id, { value: 'theirs@contoso.example', description: 'the owner' });
  await patch({ remove: ['theirs@contoso.example'] });
  expect(cloudflare.violations.at(-1)).toMatch(/somebody else was removed: theirs/);
  // What a test finds wrong after a request reaches the test, not the Worker.
  cloudflare.after(() => expect(1).toBe(2));
  expect([(await send('GET', '/lists?type=EMAIL')).status, cloudflare.violations.length]).toEqual([200, 12]);
});

test('six requests of one client in flight are six to both stand-ins, and each host has its own', async () => {
  const clock = fakeClock();
  const tenant = createTenant({ clock, latencyMs: 10 });
  const cloudflare = createCloudflare({ clock, latencyMs: 10, flights: tenant.flights });
  const fetch = bothAs('worker', tenant, cloudflare);
  const lists = `${ROOT}/${cloudflare.accountId}/gateway/lists?type=EMAIL`;
  const both = Array.from({ length: 7 }, (_, index) =>
    fetch(index < 4 ? lists : `https://graph.microsoft.com/v1.0/groups?n=${index}`),
  );
  await clock.run(() => Promise.all(both));
  expect([cloudflare.requests.length, tenant.requests.length, tenant.maxInFlight]).toEqual([4, 3, 7]);
  expect(tenant.violations).toEqual(['7 requests of worker in flight']);
  await expect(clock.run(() => bothAs('worker', tenant, undefined)(lists))).rejects.toThrow();
});
