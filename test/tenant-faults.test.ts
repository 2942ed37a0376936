/** Scripted and random trouble. */
import { expect, test } from 'vitest';
import { CHAOS } from './tenant/chaos';
import * as faults from './tenant/faults';
import { GROUP_NAMES } from './tenant/names';
import { probe } from './tenant/probe';

const GROUPS = 'https://graph.microsoft.com/v1.0/groups';

test('a rule strikes what it is on, as often as it says, after what it lets through', async () => {
  const { tenant, get, send } = probe();
  const rule = tenant.fault({ on: /^GET \/groups\?/, after: 1, times: 2, give: faults.status(500) });
  const statuses = [];
  for (let i = 0; i < 5; i++) statuses.push((await get('/groups?$select=id')).status);
  expect(statuses).toEqual([200, 500, 500, 200, 200]);
  expect(rule.hits()).toBe(2);
  const always = tenant.fault({ on: ({ query }) => query.includes("eq 'a b'"), give: faults.status(504) });
  expect((await get('/groups')).status).toBe(200);
  expect((await get("/groups?$filter=displayName eq 'a b'")).status).toBe(504);
  always.remove();
  expect((await get("/groups?$filter=displayName eq 'a b'")).status).toBe(200);
  tenant.fault({ on: /^POST \/token$/, times: 1, give: faults.status(503) });
  const { tenant: other, signIn, credentials, clock } = probe();
  other.fault({ on: /\/token/, times: 1, give: faults.status(429, { headers: { 'retry-after': '3' } }) });
  expect(await signIn(credentials)).toMatchObject({ status: 429, code: 'temporarily_unavailable' });
  const error = { code: 'invalid_client', message: 'AADSTS7000112: Application is disabled.' };
  await clock.advance(3_000);
  other.fault({ on: /^POST \/token$/, times: 1, give: faults.status(401, { error }) });
  expect(await signIn(credentials)).toMatchObject({
    ...{ status: 401, code: 'invalid_client', body: { error_codes: [7000112] } },
  });
  expect([other.violations, (await send('GET', '/groups')).status]).toEqual([[], 200]);
});

test('an error has the usual body of its status unless told otherwise', async () => {
  const { tenant, get } = probe();
  const give = [
    faults.status(409),
    faults.status(400, { error: { code: 'X', message: 'the source resource object' } }),
    faults.throttled('2.128'),
    faults.throttled(),
  ];
  for (const fault of give) tenant.fault({ on: /groups/, times: 1, give: fault });
  expect(await get('/groups')).toMatchObject({ status: 409, code: 'Directory_ConcurrencyViolation' });
  expect(await get('/groups')).toMatchObject({
    status: 400,
    code: 'X',
    message: 'the source resource object',
  });
  const throttled = await get('/groups');
  expect([throttled.status, throttled.headers.get('retry-after')]).toEqual([429, '2.128']);
});

test('what is refused may have happened all the same', async () => {
  const { tenant, send, clock } = probe();
  const group = {
    displayName: GROUP_NAMES.low,
    mailNickname: 'low',
    mailEnabled: false,
    securityEnabled: true,
  };
  tenant.fault({ on: /^POST \/groups$/, times: 1, give: faults.status(504, { applied: true }) });
  expect((await send('POST', '/groups', group)).status).toBe(504);
  expect(tenant.groups()).toHaveLength(1);
  tenant.fault({ on: /^POST \/groups$/, times: 1, give: faults.status(504) });
  expect((await send('POST', '/groups', group)).status).toBe(504);
  expect(tenant.groups()).toHaveLength(1);
  tenant.fault({ on: /^POST \/groups$/, times: 1, give: faults.broken({ applied: true }) });
  await expect(send('POST', '/groups', group)).rejects.toThrow('Network connection lost.');
  tenant.fault({ on: /^POST \/groups$/, times: 1, give: faults.broken() });
  await expect(send('POST', '/groups', group)).rejects.toThrow('Network connection lost.');
  expect(tenant.groups()).toHaveLength(2);
  expect(clock.pending()).toBe(0);
});

test('who comes back before Retry-After is over is refused again, and longer; another client is not', async () => {
  for (const [retryAfter, wait] of [
    ['2.5', 2_500],
    ['Mon, 04 May 2026 03:00:07 GMT', 7_000],
  ] as const) {
    const { tenant, clock, get } = probe();
    await get('/groups?$top=1');
    tenant.fault({ on: /groups/, times: 1, give: faults.throttled(retryAfter) });
    expect((await get('/groups')).status).toBe(429);
    await clock.advance(wait - 10);
    expect((await get('/groups?$top=1')).status).toBe(200);
    expect((await clock.run(() => tenant.client('other')(GROUPS))).status).toBe(401);
    expect(tenant.violations).toEqual([]);
    expect((await get('/groups')).status).toBe(429);
    expect(tenant.violations).toEqual(['came back before Retry-After was over: GET /groups']);
    await clock.advance(wait - 10);
    expect((await get('/groups')).status).toBe(429);
    await clock.advance(wait);
    expect((await get('/groups')).status).toBe(200);
    expect(tenant.violations).toHaveLength(2);
  }
});

test('a part of a batch is struck alone, with its own headers, or the batch as a whole', async () => {
  const { tenant, clock, send } = probe();
  const [a, b] = [tenant.addUser(), tenant.addUser()];
  const group = tenant.addGroup({ displayName: GROUP_NAMES.high, members: [a, b] });
  const requests = [a, b].map((id) => ({ id, method: 'DELETE', url: `/groups/${group}/members/${id}/$ref` }));
  tenant.fault({ on: new RegExp(a), times: 1, give: faults.throttled('4') });
  tenant.fault({ on: /^DELETE/, give: faults.broken() });
  const first = await send('POST', '/$batch', { requests });
  expect(first.parts.find(({ id }) => id === a)).toMatchObject({
    status: 429,
    headers: { 'Retry-After': '4' },
  });
  expect(first.parts.find(({ id }) => id === b)?.status).toBe(204);
  expect(tenant.members(group)).toEqual([a]);
  const again = { requests: requests.slice(0, 1) };
  expect((await send('POST', '/$batch', again)).parts).toMatchObject([{ status: 429 }]);
  expect(tenant.violations).toHaveLength(1);
  await clock.advance(4_000);
  tenant.fault({ on: /^POST \/\$batch/, times: 1, give: faults.status(503) });
  expect((await send('POST', '/$batch', again)).status).toBe(503);
  expect((await send('POST', '/$batch', again)).parts).toMatchObject([{ status: 204 }]);
});

test('a request that hangs ends when it is aborted, or not even then', async () => {
  const { tenant, clock, get } = probe();
  await get('/groups');
  tenant.fault({ on: /groups/, times: 1, give: faults.hang() });
  const timed = (milliseconds: number) =>
    clock.run(async () => {
      const stop = new AbortController();
      const answer = tenant.fetch(GROUPS, { signal: stop.signal }).then(
        () => 'answered',
        (error: unknown) => String(error),
      );
      const limit = clock.sleep(milliseconds).then(() => {
        stop.abort();
        return clock.sleep(1).then(() => 'still hanging');
      });
      return Promise.race([answer, limit]);
    });
  expect(await timed(10_000)).toMatch(/^AbortError/);
  tenant.fault({ on: /groups/, times: 1, give: faults.hangIgnoringAbort() });
  expect(await timed(10_000)).toBe('still hanging');
  tenant.fault({ on: /groups/, times: 1, give: faults.slow(5_000) });
  const start = clock.now();
  expect(await timed(6_000)).toBe('answered');
  expect(clock.now() - start).toBe(5_000);
});

test('a body that never ends, until its request is aborted', async () => {
  const { tenant, clock, get } = probe();
  await get('/groups');
  tenant.fault({ on: /groups/, give: faults.endlessBody() });
  const start = clock.now();
  const ended = await clock.run(async () => {
    const stop = new AbortController();
    const response = await tenant.fetch(GROUPS, { signal: stop.signal });
    clock.sleep(20_000).then(() => stop.abort(new Error('time is up')));
    return [response.status, await response.text().catch((error: unknown) => String(error))];
  });
  expect(ended).toEqual([200, 'Error: time is up']);
  expect(clock.now() - start).toBe(20_000);
  await clock.advance(5_000);
  expect(clock.pending()).toBe(0);
  const reader = (await clock.run(() => tenant.fetch(GROUPS))).body?.getReader();
  await clock.run(async () => reader?.cancel());
  await clock.advance(5_000);
  expect(clock.pending()).toBe(0);
});

test('a body that breaks in the middle, a page of HTML, any JSON, a rewritten answer', async () => {
  const { tenant, clock, get } = probe();
  const group = tenant.addGroup();
  await get('/groups');
  const strike = (give: faults.Fault) => tenant.fault({ on: /groups/, times: 1, give });
  strike(faults.cutBody());
  const cut = await clock.run(() => tenant.fetch(GROUPS));
  expect(cut.status).toBe(401);
  await expect(clock.run(() => cut.text())).rejects.toThrow();
  strike(faults.html());
  const page = await clock.run(() => tenant.fetch(GROUPS));
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html']);
  strike(faults.json({ value: 7 }));
  expect((await get('/groups')).body).toEqual({ value: 7 });
  strike(faults.rewrite((body) => [body]));
  expect((await get('/groups?$select=id')).body).toMatchObject([{ value: [{ id: group }] }]);
  strike(faults.redirect('/elsewhere'));
  expect((await get('/groups?x=1').catch(String)).toString()).toMatch(/no such route/);
  strike(faults.runtimeRefusal());
  await expect(get('/groups')).rejects.toThrow(/^Too many subrequests by single Worker invocation/);
});

test('the Free plan refuses the 51st request of an invocation', async () => {
  const { tenant, clock } = probe();
  const plan = faults.freePlan(tenant.fetch);
  const ask = () => clock.run(() => plan.fetch(GROUPS));
  for (let i = 0; i < 50; i++) await ask();
  await expect(ask()).rejects.toThrow(/^Too many subrequests by single Worker invocation/);
  expect(tenant.requests).toHaveLength(50);
  plan.newInvocation();
  expect((await ask()).status).toBe(401);
});

test('chaos: the given share of all requests fails, in every way, and 0 ends it', async () => {
  const { tenant, clock, get } = probe();
  await get('/groups');
  const outcomes = new Map<string, number>();
  const ask = async (index: number) => {
    const stop = new AbortController();
    const limit = clock.sleep(2_000).then(() => stop.abort());
    try {
      const headers = { authorization: 'Bearer x' };
      const response = await tenant.client(`${index}`)(GROUPS, { headers, signal: stop.signal });
      const text = await response.text();
      return `${response.status} ${response.headers.get('retry-after') ?? ''} ${text.slice(0, 1)}`;
    } catch (error) {
      return String(error).slice(0, 20);
    } finally {
      await limit;
    }
  };
  const count = async () => {
    outcomes.clear();
    for (let i = 0; i < 400; i++) {
      const outcome = await clock.run(() => ask(i));
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    return 400 - (outcomes.get('401  {') ?? 0);
  };
  tenant.chaos(0.5);
  const failed = await count();
  expect(failed).toBeGreaterThan(140);
  expect(failed).toBeLessThan(260);
  expect(outcomes.size).toBeGreaterThan(10);
  tenant.chaos(1, ['internal', 'gateway']);
  await count();
  expect([...outcomes.keys()].sort()).toEqual(['500  {', '502  {']);
  tenant.chaos(0);
  expect(await count()).toBe(0);
  expect(Object.keys(CHAOS)).toContain('concurrency');
});

test('chaos keeps to what can happen where: no Retry-After from Identity Protection, no broken part of a batch', async () => {
  const { tenant, clock, get, send } = probe();
  await get('/groups');
  tenant.chaos(1, ['throttled']);
  for (let i = 0; i < 5; i++) {
    const reply = await get('/identityProtection/riskyUsers');
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([429, null]);
    await clock.advance(1_000);
  }
  tenant.chaos(1, ['broken', 'hang', 'html', 'cut', 'endless', 'concurrency']);
  tenant.fault({ on: /\$batch/, give: faults.rewrite((body) => body) });
  const requests = [{ id: '1', method: 'GET', url: '/groups' }];
  expect((await send('POST', '/$batch', { requests })).parts).toMatchObject([{ status: 200 }]);
});
