/** The stand-in Cloudflare itself: what a wrong one could hide from the tests of the Worker. */
import { expect, test } from 'vitest';
import { bothAs } from '../both';
import { fakeClock } from '../clock';
import { isRecord, parseJson } from '../exchange';
import * as faults from '../faults';
import { GROUP_NAMES } from '../names';
import { createTenant } from '../tenant';
import { EACH_BEHAVIOUR } from './behaviours';
import { type CloudflareOptions, createCloudflare } from './cloudflare';

const ID = '0b9f6a54-8a5e-4f0c-9d6b-5a0f2f3c1e77';
const ours = (value: string) => ({ value, description: ID });

function account(options: Omit<Partial<CloudflareOptions>, 'clock'> = {}) {
  const clock = fakeClock();
  const cloudflare = createCloudflare({ random: () => 0.5, ...options, clock });
  const id = cloudflare.addList({ name: GROUP_NAMES.high, entries: [ours('Ada@Contoso.example')] });
  const root = 'https://api.cloudflare.com/client/v4/accounts';
  const fetch = cloudflare.client('worker');

  /** A path after `/gateway`, or a whole address. */
  async function send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const url = path.startsWith('https:') ? path : `${root}/${cloudflare.accountId}/gateway${path}`;
    const all = {
      authorization: `Bearer ${cloudflare.token}`,
      'content-type': 'application/json',
      ...headers,
    };
    if (all.authorization === '') Reflect.deleteProperty(all, 'authorization');
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await clock.run(() => fetch(url, { method, headers: all, ...text }));
    const raw = await clock.run(() => response.text());
    const answer = parseJson(raw);
    const { errors, ...envelope } = isRecord(answer) ? answer : {};
    const all_errors = Array.isArray(errors) ? errors : [];
    return {
      ...{ status: response.status, headers: response.headers, text: raw, envelope, errors: all_errors },
      result: envelope['result'],
      info: envelope['result_info'],
      code: all_errors[0]?.code,
    };
  }
  const patch = (change: object) => send('PATCH', `/lists/${id}`, change);
  const values = () => cloudflare.entries(id).map(({ value }) => value);
  return { clock, cloudflare, id, root, send, patch, values };
}

test('a lookup, a list made, its items page by page, and a list changed in place', async () => {
  const { cloudflare, id, send, patch, values } = account({ largestPage: 2 });
  cloudflare.addList({ name: 'hosts', type: 'DOMAIN' });
  const made = await send('POST', '/lists', { name: GROUP_NAMES.low, type: 'EMAIL', description: 'mark' });
  expect(made.result).toEqual({
    ...{
      id: expect.stringMatching(/^[\da-f-]{36}$/),
      name: GROUP_NAMES.low,
      type: 'EMAIL',
      description: 'mark',
    },
    ...{ created_at: '2026-05-04T03:00:00.000Z', updated_at: '2026-05-04T03:00:00.000Z' },
  });
  await patch({ append: [ours('b@contoso.example'), ours('c@contoso.example')] });
  const { envelope, result } = await send('GET', '/lists?type=EMAIL');
  expect(envelope).toMatchObject({ success: true, messages: [] });
  expect(result).toMatchObject([{ id, count: 3, name: GROUP_NAMES.high }, { count: 0 }]);
  const pages = [1, 2, 3].map((page) => send('GET', `/lists/${id}/items?page=${page}&per_page=1000`));
  const [first, second, third] = await Promise.all(pages);
  expect(first?.result).toMatchObject([ours('Ada@Contoso.example'), ours('b@contoso.example')]);
  expect(second?.result).toMatchObject([ours('c@contoso.example')]);
  expect(second?.info).toEqual({ page: 2, per_page: 2, count: 1, total_count: 3 });
  expect(third?.result).toBe(null);
  await patch({ remove: ['b@contoso.example'] });
  expect([values(), cloudflare.violations]).toEqual([['Ada@Contoso.example', 'c@contoso.example'], []]);
  expect((await send('GET', `/lists/${id}`)).result).toMatchObject({ count: 2 });
});

test('a PATCH is done whole or not at all, and its refusal names the address and no code', async () => {
  const { cloudflare, patch, values } = account({ entriesPerList: 3, longestDescription: 36 });
  cloudflare.refusedValues.add('odd@contoso.example');
  const good = ours('good@contoso.example');
  const bad = [
    ...[{ append: [good, ours('no address')] }, { append: [good, ours('odd@contoso.example')] }],
    ...[
      { append: [good, good] },
      { append: [good], remove: ['good@contoso.example', 'ada@contoso.example'] },
    ],
    ...[{ append: [good, ours('b@contoso.example'), ours('c@contoso.example')] }],
    ...[{ append: [good, { ...ours('b@contoso.example'), description: `${ID}.` }] }],
    ...[{}, { append: [], remove: [] }, { append: [{ ...good, comment: '' }] }, { remove: [good] }],
  ];
  for (const change of bad) {
    const { status, code, envelope } = await patch(change);
    expect([status, code, envelope['success'], envelope['result']]).toEqual([400, undefined, false, null]);
    expect(values()).toEqual(['Ada@Contoso.example']);
  }
  expect((await patch({ append: [ours('no address')] })).text).toContain("item: 'no address'");
  // Who had a larger plan may still remove.
  cloudflare.putEntries(GROUP_NAMES.high, good, ours('b@contoso.example'));
  cloudflare.entriesPerList = 1;
  expect([(await patch({ remove: ['ada@contoso.example'] })).status, values().length]).toEqual([200, 2]);
});

test('what is not known of duplicates and case can be set either way', async () => {
  const ada = { append: [ours('ada@contoso.example')] };
  const without = { remove: ['ada@contoso.example'] };
  const twice = await Promise.all(
    [{}, { present: 'ignored', absent: 'ignored' } as const, { matching: 'exact' } as const].map(
      async (knobs) => {
        const { patch, values } = account(knobs);
        const statuses = [(await patch(ada)).status, values().length];
        return [...statuses, (await patch(without)).status, (await patch(without)).status, values().length];
      },
    ),
  );
  expect(twice).toEqual([
    [400, 1, 200, 400, 0],
    [200, 1, 200, 200, 0],
    [200, 2, 200, 400, 1],
  ]);
  expect((await account({ present: 'ignored' }).patch({ ...ada, ...without })).status).toBe(400);
  const { patch, values } = account({ storing: 'lower case', matching: 'exact' });
  await patch({ append: [ours('Bo@Contoso.example')] });
  expect([values()[1], (await patch({ remove: ['Bo@Contoso.example'] })).status]).toEqual([
    'bo@contoso.example',
    400,
  ]);
});

test.each(EACH_BEHAVIOUR)('lists can be kept with %s', async (_, knobs) => {
  const { cloudflare, id, send, patch } = account(knobs);
  const { result } = await send('GET', '/lists?type=EMAIL');
  const description = 'x'.repeat(100);
  const made = await send('POST', '/lists', { name: GROUP_NAMES.low, type: 'EMAIL', description });
  expect([made.status, result]).toEqual([200, [expect.objectContaining({ id })]]);
  await patch({ append: Array.from({ length: 8 }, (_, index) => ours(`u${index}@contoso.example`)) });
  const { info, result: items } = await send('GET', `/lists/${id}/items?page=1&per_page=1000`);
  const size = Math.min(cloudflare.largestPage, 9);
  const oldest = cloudflare.order === 'oldest first' ? 'Ada@Contoso.example' : 'u7@contoso.example';
  expect(items).toHaveLength(size);
  expect(items).toMatchObject({ 0: { value: oldest } });
  const beyond = await send('GET', `/lists/${id}/items?page=3&per_page=1000`);
  expect(beyond.result).toEqual(cloudflare.nothing === 'null' ? null : []);
  const total = cloudflare.totalCount ? { total_count: 9 } : {};
  expect(info).toEqual({ page: 1, per_page: cloudflare.largestPage, count: size, ...total });
  const same = await send('POST', '/lists', { name: GROUP_NAMES.low, type: 'EMAIL' });
  expect(same.status).toBe(cloudflare.sameName === 'made' ? 200 : 400);
  expect((await send('GET', `/lists/${ID}`)).status).toBe(cloudflare.missingList);
  expect(cloudflare.violations).toEqual([]);
});

test('every token that may not is told so', async () => {
  const { cloudflare, root, send, patch } = account();
  const { accountId } = cloudflare;
  const get = (authorization: string, account = accountId) =>
    send('GET', `${root}/${account}/gateway/lists?type=EMAIL`, undefined, { authorization });
  const bearer = `Bearer ${cloudflare.token}`;
  const answers = [get(''), get('Bearer a b'), get(cloudflare.token), get('Bearer other')];
  const more = [get(bearer, accountId.replace('7', '8')), get(bearer, 'acme')];
  const told = (await Promise.all([...answers, ...more])).map(({ status, code }) => [status, code]);
  const malformed = [400, 6003];
  expect(told).toEqual([[400, 9106], malformed, malformed, [400, 9109], [403, 10000], [404, 7003]]);
  cloudflare.permission = 'read';
  expect([(await get(bearer)).status, (await patch({ remove: ['x'] })).code]).toEqual([200, 10000]);
  cloudflare.permission = 'none';
  expect((await get(bearer)).status).toBe(403);
  expect(
    (
      await account({ unknownToken: '401 10000' }).send('GET', '/lists', undefined, {
        authorization: 'Bearer x',
      })
    ).code,
  ).toBe(10000);
});

test('what no Worker may ask for throws and is noted', async () => {
  const { cloudflare, id, root, send, patch } = account();
  const hosts = cloudflare.addList({ name: 'people of somebody else' });
  const never: [string, string, unknown?][] = [
    ...([
      ['PUT', `/lists/${id}`, { name: GROUP_NAMES.high, items: [] }],
      ['DELETE', `/lists/${id}`],
    ] as [string, string][]),
    ...([
      ['GET', '/lists'],
      ['GET', '/lists?type=EMAIL&page=2'],
      ['GET', '/rules'],
    ] as [string, string][]),
    ['POST', '/lists', { name: 'other', type: 'EMAIL' }],
    ['POST', '/lists', { name: GROUP_NAMES.low, type: 'EMAIL', items: [ours('a@b.example')] }],
    ['PATCH', `/lists/${hosts}`, { append: [ours('a@b.example')] }],
    ['GET', `${root}/${cloudflare.accountId}/access/users`],
    ['GET', `${root.replace('https', 'http')}/${cloudflare.accountId}/gateway/lists?type=EMAIL`],
  ];
  for (const [method, path, body] of never) await expect(send(method, path, body), path).rejects.toThrow();
  expect(cloudflare.violations).toHaveLength(never.length);
  cloudflare.allowWritesTo(hosts);
  cloudflare.putEntries(id, { value: 'theirs@contoso.example', description: 'the owner' });
  await patch({ remove: ['theirs@contoso.example'] });
  expect(cloudflare.violations.at(-1)).toMatch(/somebody else was removed: theirs/);
  expect((await send('PATCH', `/lists/${hosts}`, { append: [ours('a@b.example')] })).status).toBe(200);
});

test('over 600 requests in a minute block every request for two minutes', async () => {
  const { clock, cloudflare, send, values } = account();
  cloudflare.requestsPerMinute = 3;
  const get = () => send('GET', '/lists?type=EMAIL');
  for (let sent = 0; sent < 3; sent++) await get();
  await clock.advance(60_000);
  for (let sent = 0; sent < 3; sent++) expect((await get()).status).toBe(200);
  const blocked = await get();
  expect([blocked.status, blocked.headers.get('retry-after'), blocked.code]).toEqual([429, '120', 971]);
  await clock.advance(119_000);
  cloudflare.blocked = 'html';
  const write = await send('PATCH', `/lists/${cloudflare.lists()[0]?.id}`, { remove: values() });
  expect([write.status, write.headers.get('retry-after'), write.envelope]).toEqual([429, '1', {}]);
  await clock.advance(1_000);
  expect([(await get()).status, cloudflare.violations]).toEqual([200, []]);
});

test('faults speak in the envelope, may be carried out, and others may come in between', async () => {
  const { clock, cloudflare, id, patch, values } = account();
  cloudflare.fault({ on: /^PATCH \/lists\//, times: 1, give: faults.status(504, { applied: true }) });
  const told = await patch({ append: [ours('b@contoso.example')] });
  expect([told.status, told.code, told.envelope['success']]).toEqual([504, undefined, false]);
  expect([values().length, told.text]).toEqual([2, expect.stringContaining('b@contoso.example')]);
  cloudflare.fault({ on: /^PATCH/, times: 1, give: faults.throttled('5') });
  expect((await patch({ remove: ['b@contoso.example'] })).code).toBe(971);
  await patch({ remove: ['b@contoso.example'] });
  expect(cloudflare.violations).toEqual([`came back before Retry-After was over: PATCH /lists/${id}`]);
  await clock.advance(5_000);
  cloudflare.before(() => cloudflare.listsNamed(GROUP_NAMES.high).length > 0 && cloudflare.deleteList(id));
  expect((await patch({ remove: ['b@contoso.example'] })).status).toBe(400);
  expect(cloudflare.requests.at(-1)).toMatchObject({ path: `/lists/${id}`, status: 400 });
});

test('six requests of one client in flight are six to both stand-ins, and each host has its own', async () => {
  const clock = fakeClock();
  const tenant = createTenant({ clock, latencyMs: 10 });
  const cloudflare = createCloudflare({ clock, latencyMs: 10, flights: tenant.flights });
  const fetch = bothAs('worker', tenant, cloudflare);
  const lists = `https://api.cloudflare.com/client/v4/accounts/${cloudflare.accountId}/gateway/lists?type=EMAIL`;
  const both = Array.from({ length: 7 }, (_, index) =>
    fetch(index < 4 ? lists : `https://graph.microsoft.com/v1.0/groups?n=${index}`),
  );
  await clock.run(() => Promise.all(both));
  expect([cloudflare.requests.length, tenant.requests.length, tenant.maxInFlight]).toEqual([4, 3, 7]);
  expect(tenant.violations).toEqual(['7 requests of worker in flight']);
  await expect(clock.run(() => bothAs('worker', tenant, undefined)(lists))).rejects.toThrow();
});
