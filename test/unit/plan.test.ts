/** Who is at risk, and who is added, moved and released: decided from plain values, and true of any of them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Memberships, RiskLevel, RiskReading, RiskyUser, UserId } from '../../src/plan';
import { assessRisk, confirmedReleases, countUsers, planChanges, RISK_LEVELS } from '../../src/plan';

const USERS = ['a', 'b', 'c', 'd', 'e', 'f'];
const some = fc.subarray(USERS).map((users) => new Set(users));
const level = fc.constantFrom(...RISK_LEVELS);

const reading = (atRisk: Record<UserId, RiskLevel>, inDoubt: UserId[] = []): RiskReading => ({
  atRisk: new Map(Object.entries(atRisk)),
  inDoubt: new Set(inDoubt),
  addresses: new Map(),
});

/** Nobody is in doubt who is at risk. */
const readings = fc.tuple(fc.dictionary(fc.constantFrom(...USERS), level), some).map(([atRisk, doubts]) => {
  const inDoubt = [...doubts].filter((user) => !(user in atRisk));
  return reading(atRisk, inDoubt);
});

type Members = ReadonlyMap<RiskLevel, ReadonlySet<UserId>>;
const groups = (members: Members): Memberships =>
  new Map([...members].map(([one, users]) => [one, { members: users, complete: users }]));

/** Some of the levels, as they were read. */
const members: fc.Arbitrary<Members> = fc
  .tuple(fc.subarray([...RISK_LEVELS]), some, some, some)
  .map(([read, ...sets]) => new Map(read.map((one, index) => [one, sets[index] ?? new Set()])));

/** What stands there once the plan is carried out. */
function carriedOut(before: Members, { adds, removals }: ReturnType<typeof planChanges>): Members {
  const isGone = (user: UserId, level: RiskLevel) => removals.some((one) => one.level === level && one.user === user);
  const after = (level: RiskLevel, users: ReadonlySet<UserId>) => [...users, ...(adds.get(level) ?? [])];
  return new Map([...before].map(([at, users]) => [at, new Set(after(at, users).filter((user) => !isGone(user, at)))]));
}

describe('who is at risk', () => {
  const atRisk = (id: string, more: Partial<RiskyUser>) => ({ id, riskLevel: 'high', riskState: 'atRisk', ...more });

  it.each<[string, Partial<RiskyUser>]>([
    ['deleted', { isDeleted: true }],
    ['of the level none', { riskLevel: 'none' }],
    ...['none', 'confirmedSafe', 'remediated', 'dismissed'].flatMap((riskState): [string, Partial<RiskyUser>][] => [
      [riskState, { riskState }],
      [`${riskState} at a level that is hidden`, { riskState, riskLevel: 'hidden' }],
    ]),
  ])('is nobody who is %s', (_, entry) => {
    expect(assessRisk([atRisk('a', entry)])).toEqual(reading({}));
  });

  const STATES = ['atRisk', 'confirmedCompromised', 'unknownFutureValue', null, undefined];
  it.each(STATES)('is decided by the level where the state is %s', (riskState) => {
    const entries = RISK_LEVELS.map((riskLevel) => atRisk(riskLevel, { riskLevel, riskState, isDeleted: false }));
    expect(assessRisk(entries)).toEqual(reading({ high: 'high', medium: 'medium', low: 'low' }));
  });

  const LEVELS = ['hidden', 'High', 'unknownFutureValue', '', null, undefined, 3];
  it.each(LEVELS)('is in doubt at the level %s', (riskLevel) => {
    expect(assessRisk([atRisk('a', { riskLevel })])).toEqual(reading({}, ['a']));
  });

  it('has the address as it was asked for, in lower case', () => {
    const [ada, nobody] = [{ userPrincipalName: 'Ada@Contoso.Example' }, { userPrincipalName: null }];
    const { addresses } = assessRisk([atRisk('a', ada), atRisk('b', nobody)]);
    expect([...addresses]).toEqual([['a', 'ada@contoso.example']]);
  });

  it('does not hang on the order of the entries: the highest level that is known counts', () => {
    const entry = fc.record({
      id: fc.constantFrom('a', 'b', 'c'),
      riskLevel: fc.constantFrom('high', 'medium', 'low', 'none', 'hidden'),
      riskState: fc.constantFrom('atRisk', 'confirmedCompromised', 'dismissed', undefined),
      isDeleted: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 8 }), (entries) => {
        const { atRisk: levels, inDoubt } = assessRisk(entries);
        expect(assessRisk(entries.toReversed())).toEqual({ atRisk: levels, inDoubt, addresses: new Map() });
        for (const id of ['a', 'b', 'c']) {
          const counted = entries.filter((one) => one.id === id && !one.isDeleted && one.riskState !== 'dismissed');
          const told = counted.map(({ riskLevel }) => riskLevel);
          expect(levels.get(id)).toBe(RISK_LEVELS.find((one) => told.includes(one)));
          expect(inDoubt.has(id)).toBe(!levels.has(id) && told.includes('hidden'));
        }
      }),
    );
  });
});

describe('the plan', () => {
  it('adds those at risk in their order, moves those who stand elsewhere and releases those at risk no more', () => {
    const before: Members = new Map([
      ['high', new Set(['a'])],
      ['low', new Set(['b', 'c'])],
    ]);
    const { adds, removals } = planChanges(reading({ d: 'high', b: 'high', a: 'low' }), groups(before), new Set());
    expect(Object.fromEntries(adds)).toEqual({ high: ['d', 'b'], low: ['a'] });
    expect(removals).toEqual([
      { user: 'a', level: 'high', to: 'low' },
      { user: 'b', level: 'low', to: 'high' },
      { user: 'c', level: 'low', to: undefined },
    ]);
  });

  it('adds again who is there, but not with all that belongs to them', () => {
    const here = { members: new Set(['a', 'b']), complete: new Set(['b']) };
    const plan = planChanges(reading({ a: 'high', b: 'high' }), new Map([['high', here]]), new Set());
    expect(plan).toEqual({ adds: new Map([['high', ['a']]]), removals: [] });
  });

  it('carried out, is I1: those at risk, less the exempt who were not there, plus the exempt and doubtful who were', () => {
    fc.assert(
      fc.property(readings, members, some, (risk, before, exempt) => {
        const plan = planChanges(risk, groups(before), exempt);
        const after = carriedOut(before, plan);
        for (const [one, users] of before) {
          const stay = [...users].filter((user) => exempt.has(user) || risk.inDoubt.has(user));
          const come = USERS.filter((user) => risk.atRisk.get(user) === one && !exempt.has(user));
          expect(after.get(one)).toEqual(new Set([...stay, ...come]));
        }
        // Nothing is done at a level that was not read, nobody is added who is there, nor removed who is not.
        for (const [one, users] of plan.adds)
          expect(users.filter((user) => before.get(one)?.has(user) !== false)).toEqual([]);
        for (const { user, level: one, to } of plan.removals)
          expect([before.get(one)?.has(user), to]).toEqual([true, risk.atRisk.get(user)]);
        // I2: then there is nothing left to do.
        expect(planChanges(risk, groups(after), exempt)).toEqual({ adds: new Map(), removals: [] });
      }),
    );
  });
});

it('of releases those are confirmed who are neither at risk nor in doubt in the second reading, and users are counted', () => {
  const release = fc.record({ user: fc.constantFrom(...USERS), level, to: fc.constant(undefined) });
  fc.assert(
    fc.property(fc.array(release, { maxLength: 8 }), readings, (wanted, second) => {
      const safe = wanted.filter(({ user }) => !second.atRisk.has(user) && !second.inDoubt.has(user));
      expect(confirmedReleases(wanted, second)).toEqual(safe);
      expect(countUsers(wanted)).toBe(USERS.filter((one) => wanted.some(({ user }) => user === one)).length);
    }),
  );
});
