/** When a request is tried again and after how long: the decision by itself, then the whole run in trouble. */
import { describe, expect, it } from 'vitest';
import { type Attempt, decideRetry, parseRetryAfter, RETRY } from '../src/retry';
import { addGroups, addRisky, NAMES, QUARTER_HOURLY, scene } from './harness';
import * as faults from './tenant/faults';

const NOW = Date.parse('2026-05-04T03:00:00Z');

function decide(attempt: Partial<Attempt>) {
  return decideRetry({
    status: 503,
    retryAfter: null,
    attempt: 1,
    repeatable: true,
    nowMilliseconds: NOW,
    timeLeftMilliseconds: 50_000,
    random: 0,
    ...attempt,
  });
}

describe('the decision', () => {
  it.each([408, 409, 429, 500, 502, 503, 504, undefined])('%s is tried again', (status) => {
    expect(decide({ status })).toEqual({ kind: 'wait', milliseconds: 500 });
  });

  it.each([200, 204, 301, 302, 400, 401, 403, 404, 405, 501])('%s is final', (status) => {
    expect(decide({ status, retryAfter: '1' })).toEqual({ kind: 'give up', why: 'final' });
  });

  it('waits longer each time, at least half of the backoff and never more than the longest', () => {
    const waits = (random: number) =>
      [1, 2, 3, 4, 5].map((attempt) => {
        const verdict = decide({ attempt, random });
        return verdict.kind === 'wait' ? verdict.milliseconds : 0;
      });
    expect(waits(0)).toEqual([500, 1_000, 2_000, 4_000, 8_000]);
    expect(waits(0.999)[4]).toBeLessThan(16_000);
    expect(decide({ attempt: 5, random: 0.5 })).toEqual({ kind: 'wait', milliseconds: 12_000 });
  });

  it('gives up after so many attempts, or as many as the caller says', () => {
    expect(decide({ attempt: RETRY.attempts })).toEqual({ kind: 'give up', why: 'final' });
    expect(decide({ attempt: 1, mostAttempts: 1 })).toEqual({ kind: 'give up', why: 'final' });
  });

  it.each([
    [429, '50', 50_000, true],
    [503, '50', 50_000, true],
    [429, null, 750, true],
    [503, null, 750, false],
    [undefined, null, 750, false],
  ])(
    'after %s with Retry-After %s does not start a wait that would reach the deadline',
    (status, retryAfter, milliseconds, throttled) => {
      const late = { status, retryAfter, random: 0.5 };
      expect(decide({ ...late, timeLeftMilliseconds: milliseconds })).toEqual({
        kind: 'give up',
        why: 'deadline',
        throttled,
      });
      expect(decide({ ...late, timeLeftMilliseconds: milliseconds + 1 })).toEqual({
        kind: 'wait',
        milliseconds,
      });
    },
  );

  it.each([
    [429, null, 'wait'],
    [429, '2', 'wait'],
    [503, '2', 'wait'],
    [503, null, 'give up'],
    [503, 'soon', 'give up'],
    [500, '2', 'give up'],
    [504, '2', 'give up'],
    [408, null, 'give up'],
    [409, null, 'give up'],
    [undefined, null, 'give up'],
  ])('what must not happen twice: %s with Retry-After %s -> %s', (status, retryAfter, kind) => {
    expect(decide({ status, retryAfter, repeatable: false }).kind).toBe(kind);
  });

  it.each([
    ['0', 0],
    ['7', 7_000],
    ['2.128', 2_128],
    [' 3 ', 3_000],
    ['0.0001', 1],
    ['Mon, 04 May 2026 03:00:20 GMT', 20_000],
    ['Mon, 04 May 2026 02:59:00 GMT', 0],
    ['', undefined],
    ['-1', undefined],
    ['1e3', undefined],
    ['5 seconds', undefined],
    ['2026-05-04T03:00:20Z', undefined],
    ['Mon, 99 May 2026 03:00:20 GMT', undefined],
    ['on Mon, 04 May 2026 03:00:20 GMT', undefined],
    ['Mon, 04 May 2026 03:00:20 GMT+0100', undefined],
    [null, undefined],
  ])('Retry-After %j is %j ms', (value, milliseconds) => {
    expect(parseRetryAfter(value, NOW)).toBe(milliseconds);
  });
});

describe('I8 polite', () => {
  it.each([
    ['whole seconds', '7', 7_000],
    ['decimal seconds', '2.5', 2_500],
    ['an HTTP date', 'Mon, 04 May 2026 03:01:20 GMT', 20_000],
  ])('waits a Retry-After of %s out in full', async (_, retryAfter, milliseconds) => {
    const { tenant, run, expectInStep } = scene();
    addRisky(tenant, 'high', 2);
    tenant.fault({ on: /^GET \/groups\?/, times: 1, give: faults.throttled(retryAfter) });
    expect((await run()).ok).toBe(true);
    expectInStep();
    const [first, second] = tenant.requests.filter(
      ({ path, method }) => path === '/groups' && method === 'GET',
    );
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(milliseconds);
  });

  it('keeps Identity Protection calls a second apart: pages, retries and the second reading', async () => {
    const { tenant, run, expectInStep } = scene({ latencyMs: 20 });
    addRisky(tenant, 'high', 9);
    await run();
    tenant.pageSizes = { riskyUsers: 3 };
    tenant.dismiss(tenant.atRisk('high')[0] ?? '');
    tenant.fault({ on: /riskyUsers/, after: 1, times: 2, give: faults.status(429) });
    tenant.forgetRequests();
    expect((await run()).ok).toBe(true);
    expectInStep();
    const times = tenant.requests
      .filter(({ path }) => path.startsWith('/identityProtection'))
      .map(({ at }) => at);
    expect(times.length).toBeGreaterThanOrEqual(8);
    for (let index = 1; index < times.length; index += 1) {
      expect((times[index] ?? 0) - (times[index - 1] ?? 0)).toBeGreaterThanOrEqual(1_000);
    }
  });

  it('has at most 6 requests under way, and one writer to a group', async () => {
    const { tenant, run } = scene({ latencyMs: 50 });
    tenant.pageSizes = { members: 5 };
    for (const level of ['high', 'medium', 'low'] as const) addRisky(tenant, level, 50);
    await run();
    for (const id of tenant.atRisk('low')) tenant.setRisk(id, 'high');
    for (const id of tenant.atRisk('medium')) tenant.dismiss(id);
    expect((await run()).ok).toBe(true);
    expect(tenant.maxInFlight).toBeLessThanOrEqual(6);
  });

  it.each([
    ['429', faults.throttled()],
    ['503 and a pause', faults.status(503, { headers: { 'Retry-After': '1' } })],
  ])('does not ask one by one for what was answered with %s to the last', async (_, give) => {
    const { tenant, run } = scene();
    addGroups(tenant);
    addRisky(tenant, 'high', 30);
    tenant.fault({ on: /^PATCH/, give });
    expect((await run()).troubles).toEqual(['join-failed']);
    expect(tenant.requests.filter(({ path }) => path === '/$batch')).toEqual([]);
  });

  it('tries the parts of a batch again, each by its own status', async () => {
    const { tenant, run, expectInStep } = scene();
    const people = addRisky(tenant, 'high', 20);
    await run();
    for (const id of people) tenant.dismiss(id);
    tenant.fault({ on: new RegExp(`^DELETE .*${people[2]}`), times: 1, give: faults.throttled('4') });
    tenant.fault({ on: new RegExp(`^DELETE .*${people[9]}`), times: 2, give: faults.throttled('4') });
    tenant.fault({
      on: new RegExp(`^DELETE .*${people[5]}`),
      times: 1,
      give: faults.status(504, { applied: true }),
    });
    tenant.forgetRequests();
    const ended = await run();
    expect(ended.ok).toBe(true);
    expectInStep();
    const sizes = tenant.requests.flatMap(({ batch }) => (batch ? [batch.length] : []));
    expect(sizes).toEqual([20, 3, 1]);
  });
});

describe('a batch whose answer is not whole', () => {
  const only = (ids: string[]) =>
    faults.rewrite((body) => {
      const { responses } = JSON.parse(JSON.stringify(body));
      return { responses: responses.filter(({ id }: { id: string }) => ids.includes(id)) };
    });

  async function departing(give: faults.Fault, times = Number.POSITIVE_INFINITY) {
    const here = scene();
    const people = addRisky(here.tenant, 'high', 3);
    await here.run();
    for (const id of people) here.tenant.dismiss(id);
    here.tenant.forgetRequests();
    here.tenant.fault({ on: /^POST \/\$batch/, give, times });
    return { ...here, people };
  }

  it.each([
    ['answered but for two of its parts', only(['1']), [3, 2]],
    ['answered with JSON that is none', faults.json({ value: [] }), [undefined, 3]],
    ['answered with a page of some gateway', faults.html(), [undefined, 3]],
  ])('%s is sent again for what is open', async (_, give, sizes) => {
    const { tenant, run, expectInStep } = await departing(give, 1);
    expect((await run()).ok).toBe(true);
    expectInStep();
    const sent = tenant.requests.filter(({ path }) => path === '/$batch');
    expect(sent.map(({ batch }) => batch?.length)).toEqual(sizes);
  });

  it('for ever lets its users be reported as not removed', async () => {
    const { tenant, run, people } = await departing(faults.json({}));
    const ended = await run();
    expect(ended.troubles).toEqual(['leave-failed']);
    expect(ended.lines[0]).toMatchObject({ ids: [...people].sort() });
    expect(tenant.members(NAMES.high)).toHaveLength(3);
  });

  it('until the deadline ends the run there', async () => {
    const { run, env } = await departing(faults.json({}));
    env['DEADLINE_SECONDS'] = '20';
    const ended = await run();
    expect(ended.troubles).toEqual(['out-of-time']);
    expect(ended.milliseconds).toBeLessThanOrEqual(20_000);
  });
});

describe('I7 bounded', () => {
  const hanging = { hang: faults.hang(), deaf: faults.hangIgnoringAbort(), endless: faults.endlessBody() };
  it.each([
    ['/token', 'hang'],
    ['/token', 'deaf'],
    ['/token', 'endless'],
    ['GET /groups\\?', 'hang'],
    ['/members', 'endless'],
    ['PATCH|POST /\\$batch', 'hang'],
    ['PATCH|POST /\\$batch', 'deaf'],
    ['POST /\\$batch', 'hang'],
    ['POST /\\$batch', 'endless'],
    ['POST /groups', 'hang'],
  ] as const)('a run ends before its deadline when %s is answered with %s', async (on, how) => {
    const { tenant, run, env, members } = scene();
    addGroups(tenant, { high: addRisky(tenant, 'high', 1), medium: [tenant.addUser()] });
    if (on === 'POST /groups') tenant.deleteGroup(NAMES.low);
    addRisky(tenant, 'high', 1);
    const before = members();
    env['DEADLINE_SECONDS'] = 20;
    tenant.fault({ on: new RegExp(on), give: hanging[how] });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.milliseconds).toBeLessThanOrEqual(20_000);
    // Nobody was let out.
    for (const id of before.high ?? []) expect(tenant.members(NAMES.high)).toContain(id);
  });

  it('one request that is never answered is tried again, and the run ends well', async () => {
    const { tenant, run, expectInStep } = scene();
    addRisky(tenant, 'high', 2);
    tenant.fault({ on: /^PATCH/, times: 1, give: faults.hang() });
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('a first fill of 5,000 users makes progress in every run and finishes over a few', async () => {
    const { tenant, run, expectInStep } = scene({ latencyMs: 300 });
    addRisky(tenant, 'low', 4_000);
    addRisky(tenant, 'high', 1_000);
    const filled: number[] = [];
    for (let count = 0; count < 5; count += 1) {
      const ended = await run();
      expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
      filled.push(tenant.members(NAMES.low).length + tenant.members(NAMES.high).length);
      if (ended.ok) break;
      const line = ended.lines.find(({ trouble }) => trouble === 'out-of-time');
      expect(line?.message).toMatch(/deadline of 50 s: \d+ of \d+ users added\. The next run/);
      expect(line?.message).toContain('DEADLINE_SECONDS');
      expect(tenant.members(NAMES.high)).toEqual(tenant.atRisk('high'));
    }
    expect(filled.length).toBeGreaterThan(1);
    for (let index = 1; index < filled.length; index += 1)
      expect(filled[index]).toBeGreaterThan(filled[index - 1] ?? 0);
    expectInStep();
  });

  it('a longer deadline on a slower cron is used', async () => {
    const { tenant, run, env, expectInStep } = scene({ latencyMs: 300 });
    env['DEADLINE_SECONDS'] = 600;
    addRisky(tenant, 'low', 5_000);
    const ended = await run({ cron: QUARTER_HOURLY });
    expect(ended.ok).toBe(true);
    expect(ended.milliseconds).toBeGreaterThan(60_000);
    expectInStep();
  });

  it.each([
    ['the risky users', /riskyUsers/, 503],
    ['the members', /^PATCH/, 429],
    ['a part of a batch', /^DELETE/, 503],
    ['a part of a batch', /^DELETE/, 429],
  ])('a pause for %s that is longer than the run (%s, %i) ends it and is named so', async (_, on, code) => {
    const { tenant, run } = scene();
    addGroups(tenant, { high: [tenant.addUser()] });
    addRisky(tenant, 'low', 1);
    tenant.fault({ on, give: faults.status(code, { headers: { 'Retry-After': '300' } }) });
    const ended = await run();
    expect(ended.troubles).toEqual(['out-of-time']);
    expect(ended.lines.find(({ severity }) => severity === 'error')?.message).toMatch(
      /^Graph asks for a longer pause than the run has left: .* which other app keeps Graph busy\.$/,
    );
  });

  it('a part of a batch that would be tried again after the deadline ends the run', async () => {
    const { tenant, run, env } = scene();
    env['DEADLINE_SECONDS'] = '20';
    const [moved = ''] = addRisky(tenant, 'low', 1);
    addGroups(tenant, { high: [tenant.addUser(), moved] });
    tenant.fault({ on: /^DELETE/, give: faults.status(503) });
    const ended = await run();
    expect(ended.troubles).toEqual(['out-of-time']);
    expect(ended.lines.find(({ severity }) => severity === 'error')?.message).toMatch(
      /^The run reached its deadline of 20 s: 1 of 1 users added, 0 of 2 removed\. The next run/,
    );
  });

  it('a Retry-After past the deadline ends the run at once', async () => {
    const { tenant, run } = scene();
    addRisky(tenant, 'high', 100);
    tenant.fault({ on: /^PATCH/, after: 1, give: faults.throttled('300') });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toContain('out-of-time');
    expect(tenant.members(NAMES.high)).toHaveLength(20);
    expect(tenant.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(2);
  });
});
