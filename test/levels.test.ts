/** One level's trouble is its own: the others go on, in the same run. */
import { describe, expect, it } from 'vitest';
import { addGroups, addRisky, NAMES, scene, writes } from './harness';
import * as faults from './tenant/faults';

describe('I3: a group whose members do not come in time leaves time for the others', () => {
  it.each([
    ['never answers', faults.hang(), 10],
    ['never answers', faults.hang(), 30],
    ['never answers', faults.hang(), 50],
    ['never ends its body', faults.endlessBody(), 50],
    ['answers 503 for ever', faults.status(503), 50],
  ])('one that %s', async (_, give, seconds) => {
    const { tenant, run, env } = scene();
    const { ids } = addGroups(tenant);
    env['DEADLINE_SECONDS'] = seconds;
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: new RegExp(`^GET /groups/${ids.low}/members`), give });
    const ended = await run();
    expect(ended.troubles).toEqual(['group-unread']);
    expect(ended.lines.find(({ trouble }) => trouble)?.message).toMatch(
      /go on\. The next run tries again\.$/,
    );
    expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
    expect(ended.milliseconds).toBeLessThanOrEqual(seconds * 600);
  });
});

describe('I8: a Retry-After that is longer than what one level may take is waited out all the same', () => {
  it('by the reading of its members', async () => {
    const { tenant, run, expectInStep } = scene({ latencyMs: 40 });
    const { ids } = addGroups(tenant);
    addRisky(tenant, 'high', 3);
    const on = new RegExp(`^GET /groups/${ids.high}/members`);
    tenant.fault({ on, times: 1, give: faults.throttled('20') });
    expect((await run()).troubles).toEqual([]);
    expectInStep();
  });

  it('by its joins', async () => {
    const { tenant, run, expectInStep } = scene({ latencyMs: 40 });
    addGroups(tenant);
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: /^PATCH/, times: 1, give: faults.throttled('20') });
    tenant.fault({ on: /^POST \/\$batch/, times: 1, give: faults.throttled('20') });
    expect((await run()).troubles).toEqual([]);
    expectInStep();
  });

  it.each([
    ['429', faults.throttled('2'), 6],
    ['503', faults.status(503, { headers: { 'Retry-After': '20' } }), 1],
  ])('and twenty given up on with %s are not sent one by one at once', async (_, give, patches) => {
    const { tenant, run } = scene({ latencyMs: 20 });
    addGroups(tenant);
    const waiting = addRisky(tenant, 'high', 30);
    tenant.fault({ on: /^PATCH/, give });
    const ended = await run();
    expect(ended.troubles).toEqual(['join-failed']);
    expect(ended.lines[0]?.['ids']).toEqual(waiting);
    expect(writes(tenant)).toHaveLength(patches);
  });

  it('and leaves given up on are not followed by others', async () => {
    const { tenant, run } = scene({ latencyMs: 20 });
    const people = Array.from({ length: 50 }, () => tenant.addUser());
    addGroups(tenant, { high: people });
    tenant.fault({ on: /^POST \/\$batch/, give: faults.throttled('2') });
    const ended = await run();
    expect(ended.troubles).toEqual(['leave-failed']);
    expect(ended.lines[0]?.['ids']).toHaveLength(50);
    expect(writes(tenant)).toHaveLength(6);
  });
});

describe('I6 poison isolation between levels', () => {
  it.each([
    ['500', faults.status(500)],
    ['no answer', faults.hang()],
  ])('joins of one level answered with %s do not starve the next', async (_, give) => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant);
    const waiting = addRisky(tenant, 'high', 61);
    addRisky(tenant, 'medium', 1);
    const toHigh = ({ method, path, body }: faults.FaultTarget) =>
      method !== 'GET' && (path.includes(ids.high) || body.includes(`/groups/${ids.high}/`));
    tenant.fault({ on: toHigh, give });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(tenant.members(ids.medium)).toEqual(tenant.atRisk('medium'));
    const failed = ended.lines.filter(({ trouble }) => trouble === 'join-failed');
    expect(failed[0]?.message).toContain('61 users');
    expect(failed.flatMap((line) => line['ids'])).toEqual(waiting);
  });

  it('one user whom a twenty answers with 500 keeps nobody else out', async () => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant);
    const people = addRisky(tenant, 'high', 20);
    const poison = people[7] ?? '';
    tenant.fault({
      on: ({ body, part, method }) => body.includes(poison) && (part || method === 'PATCH'),
      give: faults.status(500),
    });
    const ended = await run();
    expect(tenant.members(ids.high)).toEqual(people.filter((id) => id !== poison).sort());
    expect(ended.lines.find(({ trouble }) => trouble === 'join-failed')).toMatchObject({ ids: [poison] });
  });

  it('one user who is refused with 400 is named, and the leaves of his group go on', async () => {
    const { tenant, run } = scene();
    const [poison = ''] = addRisky(tenant, 'high', 1);
    const { ids } = addGroups(tenant, { high: [tenant.addUser()] });
    const error = { code: 'Request_BadRequest', message: "One of the objects being referenced don't exist." };
    tenant.fault({ on: ({ body }) => body.includes(poison), give: faults.status(400, { error }) });
    tenant.fault({
      on: ({ body, part }) => part && body.includes(poison),
      give: faults.status(400, { error }),
    });
    const ended = await run();
    expect(ended.troubles).toEqual(['join-failed']);
    expect(ended.lines.find(({ trouble }) => trouble === 'join-failed')).toMatchObject({ ids: [poison] });
    expect(tenant.members(ids.high)).toEqual([]);
  });

  it('one user who is refused with 403 is named, and the leaves of his group go on', async () => {
    const { tenant, run } = scene();
    const [poison = ''] = addRisky(tenant, 'high', 1);
    const { ids } = addGroups(tenant, { high: [tenant.addUser()] });
    // facts 3.4: a quota is refused with 403 as well.
    const error = { code: 'Directory_QuotaExceeded', message: 'The quota is exceeded.' };
    tenant.fault({
      on: ({ body, part, method }) => (part || method === 'PATCH') && body.includes(poison),
      give: faults.status(403, { error }),
    });
    const ended = await run();
    expect(ended.lines.find(({ severity }) => severity === 'error')).toMatchObject({
      trouble: 'join-refused',
      code: 'Directory_QuotaExceeded',
      ids: [poison],
    });
    expect(tenant.members(ids.high)).toEqual([]);
  });

  it('one user who cannot leave keeps nobody else in his group', async () => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant, {
      medium: Array.from({ length: 19 }, () => tenant.addUser()),
      low: Array.from({ length: 22 }, () => tenant.addUser()),
    });
    // He is the only one of his group in the first batch.
    tenant.fault({ on: new RegExp(`^DELETE /groups/${ids.low}/`), times: 1, give: faults.status(400) });
    expect((await run()).troubles).toEqual(['leave-failed']);
    expect(tenant.members(ids.medium)).toEqual([]);
    expect(tenant.members(ids.low)).toHaveLength(1);
  });

  it.each([
    ['is throttled for longer than the run', faults.throttled('120')],
    ['never answers', faults.hang()],
  ])('a creation that %s does not keep the others from joining', async (_, give) => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant);
    tenant.deleteGroup(ids.low);
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: /^POST \/groups$/, give });
    const ended = await run();
    expect(ended.troubles).toEqual(['group-create-failed']);
    expect(tenant.members(ids.high)).toEqual(tenant.atRisk('high'));
  });

  it('leaves that are not tried after a refusal are counted', async () => {
    const { tenant, run } = scene();
    const { ids } = addGroups(tenant, {
      high: Array.from({ length: 19 }, () => tenant.addUser()),
      medium: Array.from({ length: 6 }, () => tenant.addUser()),
    });
    tenant.fault({ on: new RegExp(`^DELETE /groups/${ids.medium}/`), give: faults.status(403) });
    const ended = await run();
    expect(tenant.members(ids.high)).toEqual([]);
    expect(tenant.members(ids.medium)).toHaveLength(6);
    const refused = ended.lines.find(({ trouble }) => trouble === 'leave-refused');
    expect(refused?.['ids']).toHaveLength(6);
  });
});

describe('I6: a user is called gone only when Graph says so of him', () => {
  const toJoin =
    (id: string) =>
    ({ body, part, method }: faults.FaultTarget) =>
      (part || method === 'PATCH') && body.includes(id);
  const ONE = /^GET \/groups\/[^/]+\/members\?.*top=1$/;

  it('not while it cannot be asked whether the group is there', async () => {
    const { tenant, run } = scene();
    const people = addRisky(tenant, 'high', 3);
    const [gone = '', ...others] = people;
    addGroups(tenant);
    tenant.deleteUser(gone, { riskEntry: 'stale' });
    const asked = tenant.fault({ on: ONE, give: faults.status(403) });
    const ended = await run();
    expect(asked.hits()).toBe(1);
    expect(ended.lines.filter(({ trouble }) => trouble)).toMatchObject([
      { trouble: 'join-failed', level: 'high', status: 404, ids: [gone] },
    ]);
    expect(tenant.members(NAMES.high)).toEqual(others.sort());
  });

  it('not when the group is gone, though one user met other trouble', async () => {
    const { tenant, run, clock } = scene();
    const [unlucky = ''] = addRisky(tenant, 'high', 3);
    const { ids } = addGroups(tenant);
    await clock.advance(900_000);
    tenant.before(({ method }) => {
      if (method === 'PATCH' && tenant.groupsNamed(NAMES.high).length > 0) tenant.deleteGroup(ids.high);
    });
    tenant.fault({ on: ({ part, body }) => part && body.includes(unlucky), give: faults.status(403) });
    const ended = await run();
    expect(ended.troubles).toEqual(['group-gone']);
  });

  it('in a new group only when it says so twice, and the others are told of as they are', async () => {
    const { tenant, run } = scene();
    const [gone = '', early = '', refused = '', plain = ''] = addRisky(tenant, 'high', 4);
    tenant.deleteUser(gone, { riskEntry: 'stale' });
    // A part of Entra that has not heard of the group answers for one of them.
    tenant.fault({
      on: ({ part, body }) => part && body.includes(early),
      times: 1,
      give: faults.status(404),
    });
    tenant.fault({ on: toJoin(refused), give: faults.status(403) });
    const ended = await run();
    expect(tenant.members(NAMES.high)).toEqual([early, plain].sort());
    expect(ended.lines).toContainEqual(expect.objectContaining({ trouble: 'users-gone', ids: [gone] }));
    expect(ended.lines).toContainEqual(expect.objectContaining({ trouble: 'join-refused', ids: [refused] }));
  });

  it('in an old group at once', async () => {
    const { tenant, run, clock } = scene();
    const [gone = ''] = addRisky(tenant, 'high', 4);
    addGroups(tenant);
    await clock.advance(900_000);
    tenant.deleteUser(gone, { riskEntry: 'stale' });
    const ended = await run();
    expect(ended.troubles).toEqual(['users-gone']);
    expect(writes(tenant).map((request) => request.slice(0, 5))).toEqual(['PATCH', 'POST ']);
  });

  it('and only the twenty that he is one of are sent one by one', async () => {
    const { tenant, run, clock, members } = scene();
    const [gone = ''] = addRisky(tenant, 'high', 60);
    addGroups(tenant);
    await clock.advance(900_000);
    tenant.deleteUser(gone, { riskEntry: 'stale' });
    await run();
    expect(members().high).toHaveLength(59);
    expect(writes(tenant).map((request) => request.slice(0, 5))).toEqual([
      'PATCH',
      'POST ',
      'PATCH',
      'PATCH',
    ]);
  });
});

describe('I4 never uncovered', () => {
  it('what was read of a group that turns out to be gone covers nobody', async () => {
    const { tenant, run, clock } = scene();
    const [twice = '', joining = ''] = addRisky(tenant, 'high', 2);
    const { ids } = addGroups(tenant, { high: [twice], low: [twice] });
    await clock.advance(900_000);
    tenant.before(({ method }) => {
      if (method === 'PATCH' && tenant.groupsNamed(NAMES.high).length > 0) tenant.deleteGroup(ids.high);
    });
    const ended = await run();
    expect(ended.troubles).toContain('group-gone');
    expect(tenant.members(ids.low)).toContain(twice);
    expect(joining).not.toBe('');
  });

  it('a user is not taken for gone while it is the new group that Entra does not know everywhere', async () => {
    const { tenant, run, expectInStep } = scene({ latencyMs: 300 });
    tenant.lag.groupReachableAfterMs = 1_300;
    for (const level of ['high', 'medium', 'low'] as const) addRisky(tenant, level, 3);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).not.toContain('users-gone');
    expectInStep();
  });
});
