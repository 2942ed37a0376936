/** Whatever is doubtful about what was read, nobody leaves isolation for it. */
import { describe, expect, it } from 'vitest';
import { createMemberships } from '../src/memberships';
import { addRisky, NAMES, type Scene, scene, writes } from './harness';
import * as faults from './tenant/faults';

const RISKY_USERS = /^GET \/identityProtection\/riskyUsers/;

/** People in all three groups, and then much to do. */
async function busy(options: Parameters<typeof scene>[0] = {}) {
  const here = scene(options);
  const { tenant } = here;
  const high = addRisky(tenant, 'high', 4);
  const low = addRisky(tenant, 'low', 4);
  expect((await here.run()).ok).toBe(true);
  tenant.dismiss(high[0] ?? '');
  tenant.setRisk(low[0] ?? '', 'high');
  addRisky(tenant, 'medium', 2);
  const everyone = [...high, ...low];
  tenant.forgetRequests();
  return { ...here, high, low, everyone, covered: () => covered(here) };
}

function covered({ tenant }: Pick<Scene, 'tenant'>): string[] {
  return [...new Set(Object.values(NAMES).flatMap((name) => tenant.members(name)))].sort();
}

describe('I3 no removal on doubt: risky users unread, so nothing is written', () => {
  const NO_LIST = 'Graph answered with something that is not the list asked for';
  const NO_ANSWER = 'no whole answer came from Graph';
  const cases: Record<string, { give: faults.Fault; after?: number; pageSize?: number; says?: string }> = {
    '500 for ever': { give: faults.status(500) },
    '200 without value': { give: faults.json({ '@odata.context': 'x' }), says: NO_LIST },
    'value that is no array': { give: faults.json({ value: {} }) },
    'HTML with status 200': { give: faults.html(), says: NO_LIST },
    'an entry without id': {
      give: faults.rewrite((body) => JSON.parse(JSON.stringify(body).replace(/"id":/, '"ID":'))),
    },
    'an entry whose id is no id': {
      give: faults.rewrite((body) =>
        JSON.parse(JSON.stringify(body).replace(/"id":"[^"]+"/, '"id":"../users/x"')),
      ),
    },
    'an entry whose id goes on after an id': {
      give: faults.rewrite((body) =>
        JSON.parse(JSON.stringify(body).replace(/"id":"([^"]+)"/, '"id":"$1/../../users/x"')),
      ),
    },
    'a second page that is refused': { give: faults.status(403), after: 1, pageSize: 3 },
    'a second page without value': { give: faults.json({}), after: 1, pageSize: 3 },
    'a connection cut in the middle of every body': { give: faults.cutBody(), says: NO_ANSWER },
    'a broken connection': { give: faults.broken(), says: NO_ANSWER },
    'a redirect': { give: faults.redirect('https://graph.microsoft.com/v1.0/other') },
    'no answer': { give: faults.hang() },
    'no answer and no ear for the end': { give: faults.hangIgnoringAbort() },
    'a body that never ends': { give: faults.endlessBody() },
  };
  it.each(Object.entries(cases))('%s', async (_, { give, after = 0, pageSize, says = '' }) => {
    const { tenant, run, everyone, covered } = await busy();
    if (pageSize) tenant.pageSizes = { riskyUsers: pageSize };
    tenant.fault({ on: RISKY_USERS, give, after });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    expect(writes(tenant)).toEqual([]);
    expect(covered()).toEqual(everyone.sort());
    expect(ended.lines.filter(({ severity }) => severity === 'error')).toHaveLength(1);
    expect(ended.text).toContain(says && `(${says})`);
  });

  it('a next link to another host, which the token must not follow', async () => {
    const { tenant, run, everyone, covered } = await busy();
    tenant.fault({
      on: RISKY_USERS,
      give: faults.rewrite((body) => ({
        ...Object(body),
        '@odata.nextLink': 'https://graph.microsoft.com.evil.example/v1.0/x',
      })),
    });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.text).toContain('another host');
    expect(covered()).toEqual(everyone.sort());
    expect(tenant.requests.every(({ url }) => new URL(url).host === 'graph.microsoft.com')).toBe(true);
  });
});

describe('I3 no removal on doubt: what cannot be read is said, and no more than once', () => {
  const LOOKUP = /^GET \/groups\?/;

  it.each([
    ['both are refused', faults.status(403), faults.status(403), ['risky-users-refused', 'lookup-refused']],
    ['both fail', faults.status(418), faults.status(418), ['risky-users-unread', 'lookup-failed']],
    ['neither is answered', faults.hang(), faults.hang(), ['out-of-time']],
    [
      'one is refused, one not answered',
      faults.status(403),
      faults.hang(),
      ['risky-users-refused', 'out-of-time'],
    ],
    [
      'one is not answered, one refused',
      faults.hang(),
      faults.status(403),
      ['out-of-time', 'lookup-refused'],
    ],
  ])('risky users and lookup: %s', async (_, risk, lookup, troubles) => {
    const { tenant, run } = await busy();
    tenant.fault({ on: RISKY_USERS, give: risk });
    tenant.fault({ on: LOOKUP, give: lookup });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toEqual(troubles);
    expect(writes(tenant)).toEqual([]);
  });

  it('the lookup alone, because it is never answered', async () => {
    const { tenant, run } = await busy();
    tenant.fault({ on: LOOKUP, give: faults.hang() });
    const ended = await run();
    expect(ended.troubles).toEqual(['out-of-time']);
    expect(ended.lines[0]?.message).toContain('nothing was written');
    expect(writes(tenant)).toEqual([]);
  });

  it.each([
    [403, 'lookup-refused', 'GroupMember.Read.All'],
    [400, 'lookup-failed', '(Graph answered 400 Request_BadRequest)'],
  ])('the lookup alone, with the status %i and what Graph calls it', async (status, trouble, words) => {
    const { tenant, run } = await busy();
    tenant.fault({ on: LOOKUP, give: faults.status(status) });
    const ended = await run();
    expect(ended.lines).toMatchObject([
      { trouble, status, code: expect.any(String), requestId: expect.any(String) },
    ]);
    expect(ended.lines[0]?.message).toContain(words);
    expect(writes(tenant)).toEqual([]);
  });
});

describe('I3 no removal on doubt: the second reading', () => {
  it('saves everyone when the first was well-formed but empty', async () => {
    const { tenant, run, everyone, covered } = await busy();
    tenant.fault({ on: RISKY_USERS, times: 1, give: faults.json({ value: [] }) });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['second-reading-differs']);
    expect(ended.lines[0]?.message).toContain('7 users');
    // The one who was dismissed is in neither reading.
    expect(covered()).toHaveLength(everyone.length - 1);
  });

  it.each([
    ['is refused', faults.status(403)],
    ['is empty of sense', faults.json({})],
    ['never answers', faults.hang()],
    ['is throttled for longer than the run may last', faults.throttled('120')],
  ])('that %s lets nobody depart, while joins and moves go on', async (_, give) => {
    const { tenant, run, high, low, covered } = await busy();
    tenant.fault({ on: RISKY_USERS, after: 1, give });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toContain('second-reading-failed');
    expect(covered()).toContain(high[0]);
    expect(tenant.members(NAMES.high)).toContain(low[0]);
    expect(tenant.members(NAMES.medium)).toEqual(tenant.atRisk('medium'));
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
  });

  it('is not made when nobody departs', async () => {
    const { tenant, run } = scene();
    addRisky(tenant, 'high', 2);
    await run();
    tenant.setRisk(tenant.atRisk('high')[0] ?? '', 'low');
    tenant.forgetRequests();
    await run();
    expect(tenant.requests.filter(({ path }) => path === '/identityProtection/riskyUsers')).toHaveLength(1);
  });

  it('keeps whoever is in doubt in it', async () => {
    const { tenant, run, high } = await busy();
    const id = high[0] ?? '';
    tenant.fault({
      on: RISKY_USERS,
      after: 1,
      give: faults.rewrite((body) => ({
        ...Object(body),
        value: [{ id, riskLevel: 'hidden', riskState: 'atRisk' }],
      })),
    });
    await run();
    expect(tenant.members(NAMES.high)).toContain(id);
  });
});

describe('I5 blast radius: what is not the id of a group and of a user is in no DELETE', () => {
  const ID = 'aaaaaaaa-0000-4000-8000-00000000000a';

  it.each([
    ['no group', '', ID],
    ['no user', ID, ''],
    ['more than a group', `${ID}/members/${ID}`, ID],
    ['more than a user', ID, `${ID}/../../../../users/${ID}`],
    ['a query', ID, `${ID}?`],
    ['neither', '..', '..'],
  ])('%s', async (_, groupId, user) => {
    const sent: unknown[] = [];
    const never = () => {
      throw new Error('nothing is read here');
    };
    const send = async (request: unknown) => {
      sent.push(request);
      return never();
    };
    const { clock } = scene();
    const io = { ...clock, fetch: never, random: () => 0.5 };
    const deadline = { leftMilliseconds: () => 50_000 };
    const graph = { send, readPages: never, readAll: never };
    const memberships = createMemberships('https://graph.microsoft.com', graph, io, deadline);
    const leave = { group: { id: groupId, youngUntilMilliseconds: 0 }, user };
    await expect(memberships.leave([leave], never)).rejects.toThrow('not the ids of a group and a user');
    expect(sent).toEqual([]);
  });
});

describe('I3 no removal on doubt: levels', () => {
  it.each(['hidden', 'unknownFutureValue', 'severe', null, undefined])(
    'a user at risk whose level becomes %s stays where he is, and one warning gives the count',
    async (level) => {
      const { tenant, run } = scene();
      const [inGroup = '', other = ''] = addRisky(tenant, 'high', 2);
      await run();
      const outside = tenant.addUser();
      tenant.setRisk(inGroup, level);
      tenant.setRisk(outside, level);
      const ended = await run();
      expect(ended.ok).toBe(true);
      expect(tenant.members(NAMES.high)).toEqual([inGroup, other].sort());
      expect(tenant.members(NAMES.low)).toEqual([]);
      expect(ended.lines.filter(({ trouble }) => trouble === 'in-doubt')).toHaveLength(1);
      expect(ended.lines[0]?.message).toContain('2 users');
      expect(ended.lines[0]?.['ids']).toEqual([inGroup, outside].sort());
    },
  );

  it.each([
    ['500', faults.status(500)],
    ['403', faults.status(403)],
    ['no value', faults.json({})],
    ['an entry without id', faults.json({ value: [{ '@odata.type': '#microsoft.graph.user' }] })],
    ['HTML', faults.html()],
  ])('a group whose members are unreadable (%s) is left alone, the other two go on', async (_, give) => {
    const { tenant, run, high, low } = await busy();
    const id = tenant.groupsNamed(NAMES.high)[0]?.id;
    const before = tenant.members(NAMES.high);
    tenant.fault({ on: new RegExp(`^GET /groups/${id}/members`), give });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toEqual(['group-unread']);
    expect(tenant.members(NAMES.high)).toEqual(before);
    expect(before).toContain(high[0]);
    expect(tenant.members(NAMES.medium)).toEqual(tenant.atRisk('medium'));
    // He is at high risk now, but nothing is known of the group for that.
    expect(tenant.members(NAMES.low)).toContain(low[0]);
  });
});

describe('I4 never uncovered: a user who moves to a level whose group refuses him stays in his old group', () => {
  it.each([
    ['403', faults.status(403)],
    [
      '400 already exists, which is no knowledge',
      faults.status(400, {
        error: {
          code: 'Request_BadRequest',
          message:
            "One or more added object references already exist for the following modified properties: 'members'.",
        },
      }),
    ],
    [
      '400 do not exist',
      faults.status(400, {
        error: {
          code: 'Request_BadRequest',
          message: "The source resource object or one of the objects being referenced don't exist.",
        },
      }),
    ],
    ['404', faults.status(404)],
    ['500', faults.status(500)],
    ['a broken connection, though it happened', faults.broken({ applied: true })],
  ])('with %s', async (_, give) => {
    const { tenant, run, low, env } = await busy();
    env['DEADLINE_SECONDS'] = 55;
    const id = tenant.groupsNamed(NAMES.high)[0]?.id;
    tenant.fault({ on: new RegExp(`^(PATCH /groups/${id}|POST /groups/${id}/members/)`), give });
    await run();
    expect(tenant.members(NAMES.low)).toContain(low[0]);
  });

  it('because the group is gone', async () => {
    const { tenant, run, low, clock } = await busy();
    await clock.advance(900_000);
    const id = tenant.groupsNamed(NAMES.high)[0]?.id ?? '';
    tenant.before(({ method, path }) => {
      if (method === 'PATCH' && path === `/groups/${id}` && tenant.groupsNamed(NAMES.high).length > 0)
        tenant.deleteGroup(id);
    });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toContain('group-gone');
    expect(tenant.members(NAMES.low)).toContain(low[0]);
    expect(tenant.members(NAMES.medium)).toEqual(tenant.atRisk('medium'));
    // The next run makes a new one, and then he moves.
    expect((await run()).ok).toBe(true);
    expect(tenant.members(NAMES.low)).not.toContain(low[0]);
    expect(tenant.members(NAMES.high)).toContain(low[0]);
  });

  it('and moves once a later reading shows him there', async () => {
    const { tenant, run, low, expectInStep } = await busy();
    const id = tenant.groupsNamed(NAMES.high)[0]?.id;
    tenant.fault({
      on: new RegExp(`^PATCH /groups/${id}`),
      times: 1,
      give: faults.status(504, { applied: true }),
    });
    expect((await run()).ok).toBe(true);
    expect(tenant.members(NAMES.low)).toContain(low[0]);
    expect((await run()).ok).toBe(true);
    expectInStep();
  });
});
