/** The levers in an administrator's hand: what they hold back, what they let go on, and what they say. */
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS, type RiskLevel } from '../src/plan';
import {
  addGroups,
  addRisky,
  type Ended,
  EVERY_MINUTE,
  type Line,
  NAMES,
  QUARTER_HOURLY,
  type Scene,
  scene,
  writes,
} from './harness';
import * as faults from './tenant/faults';

type Changes = Record<RiskLevel, { added: string[]; removed: string[] }>;

/** Whom the log names as added and removed, or as those who would be. */
function told(lines: readonly Line[]): Changes {
  const of = (level: RiskLevel, field: 'added' | 'removed') =>
    lines
      .filter((line) => line.severity === 'log' && line['level'] === level)
      .flatMap((line): unknown => line[field] ?? [])
      .map(String)
      .sort();
  const at = (level: RiskLevel) => ({ added: of(level, 'added'), removed: of(level, 'removed') });
  return { high: at('high'), medium: at('medium'), low: at('low') };
}

/** What became of the groups between two looks at them. */
function changed(before: ReturnType<Scene['members']>, after: ReturnType<Scene['members']>): Changes {
  const without = (some: string[] = [], others: string[] = []) => some.filter((id) => !others.includes(id));
  const at = (level: RiskLevel) => ({
    added: without(after[level], before[level]),
    removed: without(before[level], after[level]),
  });
  return { high: at('high'), medium: at('medium'), low: at('low') };
}

const NO_CHANGES: Changes = {
  high: { added: [], removed: [] },
  medium: { added: [], removed: [] },
  low: { added: [], removed: [] },
};

/** Five in each group, brought there by a run. */
async function filled(env: Record<string, unknown> = {}) {
  const here = scene({ env });
  const people = {
    high: addRisky(here.tenant, 'high', 5),
    medium: addRisky(here.tenant, 'medium', 5),
    low: addRisky(here.tenant, 'low', 5),
  };
  expect((await here.run()).ok).toBe(true);
  here.tenant.forgetRequests();
  return { ...here, people };
}

function dismissAll({ tenant }: Pick<Scene, 'tenant'>, ids: readonly string[]): void {
  for (const id of ids) tenant.dismiss(id);
}

const messages = ({ lines }: Ended) => lines.map(({ message }) => message);

describe('I9 dry run', () => {
  it('sends reads and the sign-in only, and no heartbeat', async () => {
    const { tenant, run, people, members, env } = await filled();
    dismissAll({ tenant }, people.high);
    tenant.setRisk(people.low[0] ?? '', 'medium');
    addRisky(tenant, 'high', 30);
    tenant.deleteGroup(NAMES.low);
    const before = [members(), tenant.groups()];
    tenant.forgetRequests();
    Object.assign(env, { DRY_RUN: 'true', HEARTBEAT_URL: 'https://beat.example/x' });
    const beats: string[] = [];
    const ended = await run({
      memory: {},
      fetch: async (url, init) => {
        if (!url.startsWith('https://beat.example')) return tenant.fetch(url, init);
        beats.push(url);
        return new Response();
      },
    });
    expect(ended.ok).toBe(true);
    const sent = new Set(tenant.requests.map(({ method, path }) => (method === 'GET' ? 'GET' : path)));
    expect([...sent].sort()).toEqual(['/token', 'GET']);
    expect([members(), tenant.groups()]).toEqual(before);
    expect(beats).toEqual([]);
  });

  it('names each group it would create and everyone it would add', async () => {
    const { tenant, run } = scene({ env: { DRY_RUN: 'true' } });
    const high = addRisky(tenant, 'high', 3);
    const low = addRisky(tenant, 'low', 2);
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(tenant.groups()).toEqual([]);
    expect(messages(ended)).toEqual([
      `Dry run: would create the group ${NAMES.high}.`,
      `Dry run: would create the group ${NAMES.medium}.`,
      `Dry run: would create the group ${NAMES.low}.`,
      `Dry run: would add 3 users to ${NAMES.high}.`,
      `Dry run: would add 2 users to ${NAMES.low}.`,
      'Dry run: nothing was written. At risk: 3 high, 0 medium, 2 low.',
    ]);
    expect(told(ended.lines)).toEqual({
      high: { added: [...high].sort(), removed: [] },
      medium: { added: [], removed: [] },
      low: { added: [...low].sort(), removed: [] },
    });
  });

  it('names everyone it would remove, and why', async () => {
    const { tenant, run, env } = await filled();
    const [moving = '', departing = ''] = tenant.atRisk('low');
    tenant.setRisk(moving, 'high');
    tenant.dismiss(departing);
    env['DRY_RUN'] = 'true';
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(messages(ended).slice(0, -1)).toEqual([
      `Dry run: would add 1 user to ${NAMES.high}.`,
      `Dry run: would remove 1 user from ${NAMES.low}: no longer at risk.`,
      `Dry run: would remove 1 user from ${NAMES.low}: now at risk at another level.`,
    ]);
  });

  /** Everything that can happen at once, to five users at each level. */
  const situations: Record<
    string,
    (here: Awaited<ReturnType<typeof filled>>) => Record<string, unknown> | undefined
  > = {
    'nothing to do': () => ({}),
    'joins, moves and departures': ({ tenant, people }) => {
      addRisky(tenant, 'medium', 25);
      tenant.setRisk(people.low[0] ?? '', 'high');
      tenant.setRisk(people.high[0] ?? '', 'low');
      dismissAll({ tenant }, [...people.medium.slice(0, 3), people.low[4] ?? '']);
      return undefined;
    },
    'exempt users': ({ tenant, people }) => {
      const [inside = '', moving = '', leaving = ''] = people.high;
      const [outside = ''] = addRisky(tenant, 'high', 1);
      tenant.setRisk(moving, 'low');
      dismissAll({ tenant }, [leaving, people.low[0] ?? '']);
      return { EXEMPT_USER_IDS: [inside, moving, leaving, outside].join(',') };
    },
    'users in doubt': ({ tenant, people }) => {
      tenant.setRisk(people.high[0] ?? '', 'hidden');
      tenant.setRisk(people.high[1] ?? '', 'low');
      tenant.setRisk(tenant.addUser(), 'hidden');
      tenant.dismiss(people.high[2] ?? '');
      return {};
    },
    'more departures than allowed': ({ tenant, people }) => {
      dismissAll({ tenant }, people.high.slice(0, 3));
      tenant.setRisk(people.low[0] ?? '', 'high');
      addRisky(tenant, 'low', 2);
      return { MAX_REMOVALS: 2 };
    },
    'departures held': ({ tenant, people }) => {
      dismissAll({ tenant }, people.high.slice(0, 3));
      tenant.setRisk(people.low[0] ?? '', 'high');
      return { MAX_REMOVALS: 0 };
    },
    'a group that is gone': ({ tenant, people }) => {
      tenant.deleteGroup(NAMES.medium);
      tenant.setRisk(people.low[0] ?? '', 'medium');
      return {};
    },
    'a group that is unfit': ({ tenant, people }) => {
      tenant.deleteGroup(NAMES.medium);
      tenant.addGroup({ displayName: NAMES.medium, groupTypes: ['DynamicMembership'] });
      tenant.setRisk(people.low[0] ?? '', 'medium');
      tenant.setRisk(people.low[1] ?? '', 'high');
      return {};
    },
    'members whom somebody else put there': ({ tenant, people }) => {
      tenant.addMember(NAMES.low, people.high[0] ?? '');
      tenant.addMember(NAMES.low, tenant.addUser());
      return {};
    },
  };
  it.each(Object.entries(situations))(
    'reports the plan that a real run then carries out: %s',
    async (_, happen) => {
      const here = await filled();
      Object.assign(here.env, happen(here));
      here.env['DRY_RUN'] = 'true';
      here.tenant.forgetRequests();
      const dry = await here.coldRun();
      expect(writes(here.tenant)).toEqual([]);
      const before = here.members();
      const names = here.tenant.groups().map(({ displayName }) => displayName);
      here.env['DRY_RUN'] = 'false';
      const real = await here.coldRun();
      expect(told(dry.lines)).toEqual(changed(before, here.members()));
      expect(told(dry.lines)).toEqual(told(real.lines));
      expect(dry.ok).toBe(real.ok);
      const created = here.tenant
        .groups()
        .flatMap(({ displayName }) =>
          names.includes(displayName) ? [] : [`Dry run: would create the group ${displayName}.`],
        );
      expect(messages(dry).filter((message) => message.includes('would create'))).toEqual(created);
    },
  );

  it('knows of the second reading what a real run would know', async () => {
    const { tenant, run, people, env } = await filled({});
    dismissAll({ tenant }, people.high.slice(0, 2));
    tenant.fault({ on: /riskyUsers/, times: 1, give: faults.json({ value: [] }) });
    env['DRY_RUN'] = 'true';
    const ended = await run();
    expect(ended.troubles).toEqual(['second-reading-differs']);
    expect(told(ended.lines)).toEqual({
      ...NO_CHANGES,
      high: { added: [], removed: people.high.slice(0, 2).sort() },
    });
  });

  it('fails when it could not read what it would plan by', async () => {
    const { tenant, run, env } = await filled();
    env['DRY_RUN'] = 'true';
    tenant.fault({ on: /riskyUsers/, give: faults.status(500) });
    expect((await run()).troubles).toEqual(['risky-users-unread']);
  });
});

describe('MAX_REMOVALS', () => {
  it('lets as many depart as it says', async () => {
    const { tenant, run, people, expectInStep } = await filled({ MAX_REMOVALS: '7' });
    dismissAll({ tenant }, [...people.high, ...people.low.slice(0, 2)]);
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('holds all when it is one more, names itself and the number, and lets joins and moves go on', async () => {
    const { tenant, run, people, env, expectInStep } = await filled({ MAX_REMOVALS: '7' });
    const departing = [...people.high, ...people.low.slice(0, 3)];
    dismissAll({ tenant }, departing);
    const [moving = ''] = people.medium;
    tenant.setRisk(moving, 'high');
    const [joining = ''] = addRisky(tenant, 'low', 1);
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toEqual(['too-many-departures']);
    const failure = ended.lines.find(({ severity }) => severity === 'error')?.message;
    expect(failure).toContain('8 users would leave isolation in this run');
    expect(failure).toContain('MAX_REMOVALS=7');
    expect(failure).toContain('set MAX_REMOVALS to 8 or more in wrangler.toml');
    expect(tenant.members(NAMES.high)).toEqual([...people.high, moving].sort());
    expect(tenant.members(NAMES.medium)).toEqual(people.medium.slice(1).sort());
    expect(tenant.members(NAMES.low)).toEqual([...people.low, joining].sort());
    // The remedy that it names helps.
    env['MAX_REMOVALS'] = '8';
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('is 50 where nothing is set', async () => {
    const { tenant, run, expectInStep } = scene();
    const people = addRisky(tenant, 'high', 51);
    await run();
    dismissAll({ tenant }, people);
    expect((await run()).text).toContain('MAX_REMOVALS=50');
    expect(tenant.members(NAMES.high)).toHaveLength(51);
    tenant.confirmCompromised(people[0] ?? '');
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it.each(['1', '0'])('%s holds back nobody who only moves', async (limit) => {
    const { tenant, run, people, expectInStep } = await filled({ MAX_REMOVALS: limit });
    for (const id of people.low) tenant.setRisk(id, 'high');
    for (const id of people.high) tenant.setRisk(id, 'medium');
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual([]);
    expectInStep();
  });

  it('counts someone in two groups once', async () => {
    const { tenant, run, people, expectInStep } = await filled({ MAX_REMOVALS: '2' });
    const departing = people.high.slice(0, 2);
    for (const id of departing) {
      tenant.addMember(NAMES.low, id);
      tenant.addMember(NAMES.medium, id);
    }
    dismissAll({ tenant }, departing);
    expect((await run()).ok).toBe(true);
    expectInStep();
  });

  it('counts only those whom the second reading confirms', async () => {
    const { tenant, run, people, expectInStep } = await filled({ MAX_REMOVALS: '1' });
    tenant.dismiss(people.high[0] ?? '');
    tenant.fault({ on: /riskyUsers/, times: 1, give: faults.json({ value: [] }) });
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['second-reading-differs']);
    expectInStep();
  });

  it('0 is a chosen mode: nobody departs, a warning counts them, and the run does not fail', async () => {
    const { tenant, run, people } = await filled({ MAX_REMOVALS: '0' });
    dismissAll({ tenant }, people.high.slice(0, 3));
    const [joining = ''] = addRisky(tenant, 'high', 1);
    tenant.setRisk(people.low[0] ?? '', 'medium');
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual(['departures-held']);
    const warning = ended.lines.find(({ severity }) => severity === 'warn')?.message;
    expect(warning).toContain('3 users');
    expect(warning).toContain('MAX_REMOVALS=0');
    expect(tenant.members(NAMES.high)).toEqual([...people.high, joining].sort());
    expect(tenant.members(NAMES.medium)).toContain(people.low[0]);
    expect(tenant.members(NAMES.low)).not.toContain(people.low[0]);
  });
});

describe('EXEMPT_USER_IDS', () => {
  it('never adds and never removes the exempt, in any case, and counts those at risk', async () => {
    const { tenant, run, people, env } = await filled();
    const [staying = '', moving = '', leaving = ''] = people.high;
    const [outside = '', joining = ''] = addRisky(tenant, 'medium', 2);
    tenant.setRisk(moving, 'low');
    tenant.dismiss(leaving);
    tenant.dismiss(people.high[3] ?? '');
    const unknown = 'dddddddd-0000-4000-8000-00000000000d';
    env['EXEMPT_USER_IDS'] = [staying.toUpperCase(), moving, leaving.toUpperCase(), outside, unknown].join(
      ', ',
    );
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(tenant.members(NAMES.high)).toEqual(people.high.filter((id) => id !== people.high[3]).sort());
    expect(tenant.members(NAMES.medium)).toEqual([...people.medium, joining].sort());
    expect(tenant.members(NAMES.low)).toEqual([...people.low].sort());
    expect(ended.lines.at(-1)?.message).toContain('At risk: 2 high, 7 medium, 6 low, of whom 3 exempt.');
  });

  it('does not count them among those who would depart', async () => {
    const { tenant, run, people, env } = await filled({ MAX_REMOVALS: '1' });
    dismissAll({ tenant }, people.high);
    env['EXEMPT_USER_IDS'] = people.high.slice(1).join(',');
    expect((await run()).ok).toBe(true);
    expect(tenant.members(NAMES.high)).toEqual(people.high.slice(1).sort());
  });

  it('says nothing of the exempt where none is at risk', async () => {
    const { run, tenant, env } = await filled();
    env['EXEMPT_USER_IDS'] = tenant.addUser();
    const ended = await run();
    expect(ended.lines).toHaveLength(1);
    expect(ended.text).not.toContain('exempt');
  });
});

describe('DEADLINE_SECONDS', () => {
  it.each([5, 20, 50, 55])('of %i ends a run by then, whatever Graph does', async (seconds) => {
    const { tenant, run, members, people } = await filled({ DEADLINE_SECONDS: seconds });
    addRisky(tenant, 'high', 1);
    const before = members();
    tenant.fault({ on: /riskyUsers/, give: faults.hang() });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.milliseconds).toBeLessThanOrEqual(seconds * 1_000);
    expect(members()).toEqual(before);
    expect(before.high).toEqual([...people.high].sort());
    expect(ended.troubles).toEqual(['out-of-time']);
    const failure = ended.lines.find(({ trouble }) => trouble === 'out-of-time')?.message;
    expect(failure).toContain(`its deadline of ${seconds} s: reading was not finished`);
    expect(failure).toContain('set a slower cron and a larger DEADLINE_SECONDS in wrangler.toml');
  });

  it('that is larger waits out what a smaller one cannot', async () => {
    const { tenant, run, env, clock, expectInStep } = await filled({ DEADLINE_SECONDS: '50' });
    addRisky(tenant, 'high', 1);
    tenant.fault({ on: /^PATCH/, times: 1, give: faults.throttled('100') });
    const early = await run({ cron: EVERY_MINUTE });
    expect(early.troubles).toEqual(['out-of-time']);
    tenant.fault({ on: /^PATCH/, times: 1, give: faults.throttled('100') });
    env['DEADLINE_SECONDS'] = '300';
    // The stand-in tenant takes a request amiss that comes before the first Retry-After is over.
    await clock.advance(120_000);
    expect((await run({ cron: QUARTER_HOURLY })).ok).toBe(true);
    expectInStep();
  });
});

describe('GROUP_IDS', () => {
  it('looks nothing up, creates nothing and needs no more than the two permissions', async () => {
    const { tenant, run, env } = scene({
      permissions: ['IdentityRiskyUser.Read.All', 'GroupMember.ReadWrite.All'],
    });
    const { pin, ids } = addGroups(tenant);
    // An impostor of the same name, older or not, can not matter.
    const impostor = tenant.addGroup({ displayName: NAMES.high, createdDateTime: '2001-01-01T00:00:00Z' });
    env['GROUP_IDS'] = pin;
    const people = addRisky(tenant, 'high', 3);
    expect((await run()).ok).toBe(true);
    expect(tenant.members(ids.high)).toEqual([...people].sort());
    tenant.setRisk(people[0] ?? '', 'low');
    tenant.dismiss(people[1] ?? '');
    const ended = await run();
    expect(ended.ok).toBe(true);
    expect(ended.troubles).toEqual([]);
    expect(RISK_LEVELS.map((level) => tenant.members(ids[level]))).toEqual([[people[2]], [], [people[0]]]);
    expect(tenant.members(impostor)).toEqual([]);
    expect(tenant.groups()).toHaveLength(4);
    expect(tenant.requests.filter(({ path }) => path === '/groups')).toEqual([]);
  });

  it.each(RISK_LEVELS)('fails only the %s level when its group does not exist', async (level) => {
    const { tenant, run, env, members } = scene();
    const { ids, pin } = addGroups(tenant);
    env['GROUP_IDS'] = pin;
    tenant.deleteGroup(ids[level]);
    const others = RISK_LEVELS.filter((other) => other !== level);
    for (const one of RISK_LEVELS) addRisky(tenant, one, 2);
    const stranger = tenant.addUser();
    tenant.addMember(ids[others[0] ?? 'high'], stranger);
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.troubles).toEqual(['group-unread']);
    const failure = ended.lines.find(({ severity }) => severity === 'error');
    expect(failure).toMatchObject({ level, status: 404 });
    expect(failure?.message).toContain(NAMES[level]);
    expect(failure?.message).toContain('correct GROUP_IDS');
    for (const other of others) expect(tenant.members(ids[other])).toEqual(tenant.atRisk(other));
    expect(members()[level]).toBeUndefined();
    expect(tenant.requests.filter(({ path }) => path === '/groups')).toEqual([]);
  });
});
