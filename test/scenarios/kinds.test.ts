/** The kinds of faults that people met: each kind by several inputs, of which no report names them all. */
import { describe, expect, test } from 'vitest';
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';
import * as errors from '../tenant/errors';
import * as faults from '../tenant/faults';
import * as lists from '../tenant/list-faults';
import { addRisky, atEach, busy, membersOf, moving, NAMES, ON, sentTo, withStatus, writes } from './scene';

type Table = readonly (readonly [string, faults.Fault])[];
type Ids = Record<RiskLevel, string>;

const addOf = (userId: string) => (one: faults.FaultTarget) => one.method === 'POST' && faults.changesOf(userId)(one);

const ENDLESS: Table = [
  ['a page that leads to itself', lists.circle()],
  ['two pages that lead to each other', lists.circle(2)],
  ['ever new pages', lists.endless()],
  ['ever new pages with nothing on them', lists.endless({ empty: true })],
  ['pages that come too slowly', faults.slow(14_000)],
];

const with_ = (more: object) => faults.rewrite((body) => ({ ...Object(body), ...more }));
const changed = (from: RegExp, to: string) =>
  faults.rewrite((body) => JSON.parse(JSON.stringify(body).replaceAll(from, to)));
const NO_ANSWER: Table = [
  ['an error beside the whole list', lists.errorInside('whole')],
  ['an error beside no entries', lists.errorInside('none')],
  ['an error as an annotation', with_({ '@odata.error': { code: 'generalException' } })],
  ['an error as an annotation of the entries', with_({ value: [], 'value@odata.error': {} })],
  ['no entries at all', lists.withValue(undefined)],
  ['null as an entry', lists.withValue([null])],
  ['an entry without id', lists.without('id')],
  ['ids that go on after an id', changed(/"id":"([^"]+)"/g, '"id":"$1/../x"')],
  ['a next link that is none', with_({ '@odata.nextLink': 'page two' })],
  ['a next link to another host', with_({ '@odata.nextLink': 'https://graph.microsoft.com.evil.example/v1.0/x' })],
  ['a page of some gateway', faults.html()],
  ['status 206', withStatus(206)],
];
/** What its body would be matters no more. */
const UNANSWERED: Table = [
  ['status 500', faults.status(500)],
  ['a redirect', faults.redirect('https://graph.microsoft.com/v1.0/other')],
  ['no answer', faults.hang()],
  ['a body that breaks off', faults.cutBody()],
  ['a body that never ends', faults.endlessBody()],
];
const UNREAD: Table = [...ENDLESS, ...NO_ANSWER, ...UNANSWERED];
const OF_MEMBERS: Table = [...UNREAD, ['an entry without type', lists.without('@odata.type')]];

/** Where more pages follow, the end may stop a list of which an entry does not. */
const pageFor = (words: string) => (ENDLESS.some(([one]) => one === words) ? 1 : 100);

describe('K1 a list has an end, K2 a 200 counts only if it is whole', () => {
  test.each(UNREAD)('I3: riskyUsers or the lookup with %s: nothing is written', async (words, give) => {
    for (const event of ['risky-users-unread', 'groups-unread']) {
      const { tenant, run, members, ids } = await busy();
      tenant.deleteGroup(ids.low);
      tenant.pageSizes = { riskyUsers: pageFor(words), groups: pageFor(words) };
      for (const level of RISK_LEVELS) addRisky(tenant, level, 2);
      const before = members();
      tenant.fault({ on: event === 'groups-unread' ? ON.lookup : ON.riskyUsers, give });
      const ended = await run();
      expect(ended.events).toEqual([event]);
      expect([writes(tenant), members()]).toEqual([[], before]);
      expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    }
  });

  test.each(OF_MEMBERS)('I3: members with %s: their level is left alone, the others go on', async (words, give) => {
    const { tenant, run, members, ids, allBut } = await busy();
    tenant.pageSizes = { members: pageFor(words) };
    for (let more = 0; more < 5; more += 1) tenant.addMember(ids.low, tenant.addUser());
    const low = tenant.members(ids.low);
    tenant.fault({ on: membersOf(ids.low), give });
    const ended = await run();
    expect(ended.events).toEqual(['members-unread']);
    expect(members()).toEqual(allBut(low));
    // A way round is noticed at once, and that no page brings anything new soon after.
    if (/lead|ever/.test(words))
      expect(sentTo(tenant, membersOf(ids.low)).length).toBeLessThanOrEqual(/lead/.test(words) ? 3 : 5);
    expect(ended.milliseconds).toBeLessThanOrEqual(30_000);
  });

  test('K2: a lookup that lacks two groups the first time only makes no second one', async () => {
    const { tenant, runInSync } = await busy();
    tenant.fault({ on: ON.lookup, times: 1, give: lists.lacking(({ displayName }) => displayName !== NAMES.high) });
    expect((await runInSync()).events).toEqual([]);
    expect(tenant.groups()).toHaveLength(3);
    const [first, second, ...more] = sentTo(tenant, ON.lookup);
    expect((second?.at ?? 0) - (first?.endedAt ?? 0)).toBeGreaterThanOrEqual(2_000);
    expect(more).toEqual([]);
  });

  test('K2: a second lookup with an error beside no entries makes no group', async () => {
    const { tenant, run, ids, members, allBut } = await busy();
    tenant.deleteGroup(ids.low);
    tenant.fault({ on: ON.lookup, after: 1, give: lists.errorInside('none') });
    expect((await run()).events).toEqual(['groups-unread']);
    expect(members()).toEqual(allBut(undefined));
  });
});

describe('K3 what Graph says decides what is done', () => {
  test('400 on a later page of riskyUsers is no refused filter: nothing is written', async () => {
    const { tenant, run } = await busy();
    tenant.pageSizes = { riskyUsers: 1 };
    tenant.fault({ on: ON.riskyUsers, after: 1, give: faults.refuse(errors.expiredPageToken()) });
    expect((await run()).events).toEqual(['risky-users-unread']);
    expect(sentTo(tenant, ON.riskyUsers)).toHaveLength(2);
    expect(writes(tenant)).toEqual([]);
  });

  test('a 401 that a fresh token does not cure asks for one other token, and the run fails', async () => {
    const { tenant, run, members, before } = await busy();
    tenant.fault({ on: ({ path }) => path !== '/token', give: faults.refuse(errors.identityNotFound()) });
    expect((await run()).events.toSorted()).toEqual(['groups-unread', 'risky-users-unread']);
    expect(sentTo(tenant, ON.token)).toHaveLength(2);
    expect(members()).toEqual(before);
  });
});

test.each([
  [522, ON.token],
  [521, ON.riskyUsers],
  [523, ON.lookup],
  [526, ON.members],
  [530, ON.batch],
])('K5 %i is a failed connection: %s is asked again, and for ever lets nobody go', async (code, on) => {
  for (const applied of [false, true]) {
    const { runInSync, tenant } = await busy();
    tenant.fault({ on, times: 2, give: faults.unreachable(code, { applied }) });
    await runInSync();
  }
  const { tenant, run, stale, members } = await busy();
  tenant.fault({ on, give: faults.unreachable(code, { reason: 1016 }) });
  expect((await run()).ok).toBe(false);
  for (const level of RISK_LEVELS) expect(members()[level]).toContain(stale[level]);
});

describe('K7 no contradiction between writing and reading ends as "in sync"', () => {
  const errorIn200 = faults.json({ error: { code: 'UnknownError', message: '' } });

  test.each([
    ['504', true, faults.status(504, { applied: true })],
    ['408', true, faults.status(408, { applied: true })],
    ['"already exist"', true, faults.refuse(errors.alreadyMember(), { applied: true })],
    ['"already exist"', false, faults.refuse(errors.alreadyMember())],
    ['404', false, faults.status(404)],
    ['504', false, faults.status(504)],
    ['200 and an error in it', false, errorIn200],
  ])('I4, I11: an add answered with %s is judged, told and counted by what is listed: %s', async (_, done, give) => {
    const { tenant, run, mover, members } = await moving();
    tenant.fault({ on: addOf(mover), give });
    const ended = await run();
    expect(ended.told).toMatchObject(done ? [] : [{ event: 'add-failed', ids: [mover] }]);
    expect(ended.lines.flatMap((line) => line['added']).includes(mover)).toBe(done);
    expect(ended.lines.at(-1)?.message).toMatch(done ? /^In sync again: 4 added, 4 removed/ : /^Not in sync/);
    expect([members().high?.includes(mover), members().low?.includes(mover)]).toEqual([done, !done]);
  });

  const notMember = errors.badRequest("One or more removed object references do not exist for 'members'.");
  test.each([
    ['404', faults.status(404)],
    ['504', faults.status(504)],
    ['"no such reference"', faults.refuse(notMember)],
  ])('I11: a member still listed after a removal answered with %s fails the run, naming them', async (_, give) => {
    const { tenant, run, ids, stale, members, before, fresh } = await busy();
    tenant.fault({ on: new RegExp(`^DELETE /groups/${ids.low}/`), give });
    expect((await run()).told).toMatchObject([{ event: 'remove-failed', level: 'low', ids: [stale.low] }]);
    expect(members().low).toEqual([...(before.low ?? []), fresh.low].sort());
    expect(members().high).toEqual(tenant.atRisk('high'));
  });

  test('I4: an add that Graph reports as done and the reading then contradicts moves nobody, and is named', async () => {
    const { tenant, run, mover, fresh, members } = await moving();
    tenant.fault({ on: addOf(mover), give: faults.ignored() });
    tenant.fault({ on: addOf(fresh.high), give: faults.status(504) });
    const ended = await run();
    expect(ended.told.filter(({ event }) => event === 'contradicted')).toMatchObject([{ ids: [mover] }]);
    expect(members().low).toContain(mover);
  });

  test.each(['POST', 'DELETE'])('I11: every run after a %s told as done and never done names them', async (verb) => {
    const { tenant, run, stale, fresh } = await busy();
    const user = verb === 'POST' ? fresh.low : stale.low;
    const on = (one: faults.FaultTarget) => one.method === verb && faults.changesOf(user)(one);
    tenant.fault({ on, give: faults.ignored() });
    await run();
    for (const ended of [await run(), await run(), await run()])
      expect([ended.ok, ended.told.at(-1)]).toMatchObject([false, { severity: 'error', ids: [user] }]);
  });

  test('I4: if the reading that should settle it fails, nothing counts as done and nobody moves', async () => {
    const { tenant, run, ids, mover, members } = await moving();
    tenant.fault({ on: addOf(mover), give: faults.status(504, { applied: true }) });
    tenant.fault({ on: membersOf(ids.high), after: 1, give: faults.hang() });
    expect((await run()).told).toMatchObject([{ event: 'add-failed', ids: [mover] }]);
    expect(members().low).toContain(mover);
    expect(members().medium).toEqual(tenant.atRisk('medium'));
  });
});

describe('K8 mistakes in GROUP_IDS are loud, and empty no group', () => {
  /** The three groups pinned but for what `change` says; `other` is a group of somebody else. */
  async function pinned(change: (ids: Ids, other: string) => Partial<Ids> = () => ({})) {
    const here = await busy();
    const staff = [here.tenant.addUser()];
    const other = here.tenant.addGroup({ displayName: 'Finance', members: staff });
    const pins = { ...here.ids, ...change(here.ids, other) };
    here.env['GROUP_IDS'] = RISK_LEVELS.map((level) => `${level}=${pins[level]}`).join(',');
    return { ...here, staff, other, pins };
  }

  test.each([
    ['that of another group', (_: Ids, other: string) => ({ low: other }), ['low'], 'Finance'],
    ['exchanged with another', (ids: Ids) => ({ high: ids.low, low: ids.high }), ['high', 'low'], 'exchanged'],
    ['one further each', ({ high, medium, low }: Ids) => ({ high: low, medium: high, low: medium }), RISK_LEVELS, ''],
  ])('I5: an id that is %s is not written, and named with both names', async (_, change, levels, words) => {
    const { tenant, run, pins, members, before, staff, other } = await pinned(change);
    for (const ended of [await run(), await run()]) {
      const wrong = RISK_LEVELS.filter((level) => levels.some((one) => one === level));
      const message = (level: RiskLevel) =>
        expect.stringMatching(new RegExp(`${pins[level]}.*${NAMES[level]}.* called .*${words}`));
      const event = 'group-name-differs';
      expect(ended.told).toMatchObject(wrong.map((level) => ({ event, level, message: message(level) })));
      for (const level of RISK_LEVELS)
        expect(members()[level]).toEqual(wrong.includes(level) ? before[level] : tenant.atRisk(level));
      expect(tenant.members(other)).toEqual(staff);
    }
  });

  const isLow = ({ displayName }: Record<string, unknown>) => displayName === NAMES.low;

  test.each([
    ['lacks it', ['low'], lists.lacking(isLow)],
    ['has null for its name', ['low'], lists.altered((one) => (isLow(one) ? { displayName: null } : {}))],
    ['is 403', RISK_LEVELS, faults.status(403)],
    ['has an error in a 200', RISK_LEVELS, lists.errorInside('whole')],
  ] as const)('I5: a pinned group gets its adds and loses nobody if the check %s: %s', async (_, held, give) => {
    const { tenant, run, members, ids, stale, fresh } = await pinned();
    const [mover = ''] = addRisky(tenant, 'low', 1);
    tenant.addMember(ids.medium, mover);
    const check = tenant.fault({ on: ON.lookup, give });
    expect((await run()).told).toMatchObject(held.map((level) => ({ event: 'pin-unchecked', level, id: ids[level] })));
    // Whoever moves to a group that is not shown to be right stays where they are.
    const there = { high: [fresh.high], medium: [fresh.medium, mover], low: [fresh.low, mover] };
    for (const level of held) there[level].push(stale[level]);
    expect(members()).toEqual(atEach((level) => there[level].sort()));
    tenant.removeMember(ids.medium, mover);
    for (const level of held) tenant.removeMember(ids[level], stale[level]);
    // Nobody would be removed, so nothing is amiss; and it is asked again.
    expect((await run()).events).toEqual([]);
    expect(check.hits()).toBe(2);
  });
});
