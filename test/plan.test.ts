/** Who joins, moves and departs, decided from plain values. */
import { describe, expect, it } from 'vitest';
import {
  confirmedDepartures,
  countUsers,
  coveredMoves,
  createRiskReading,
  planChanges,
  type RiskLevel,
  type RiskReading,
  type RiskyUser,
} from '../src/plan';

const reading = (atRisk: Record<string, RiskLevel>, inDoubt: string[] = []) => ({
  atRisk: new Map(Object.entries(atRisk)),
  inDoubt: new Set(inDoubt),
});
const members = (groups: Partial<Record<RiskLevel, string[]>>) =>
  new Map(Object.entries(groups).map(([level, users]) => [level as RiskLevel, new Set(users)]));
const nobody = new Set<string>();

/** What pages say, one after another. */
function readRisk(...pages: RiskyUser[][]): RiskReading {
  const risk = createRiskReading();
  for (const page of pages) risk.add(page);
  return risk.whole();
}

describe('who is at risk', () => {
  it('counts someone listed twice at his higher level, in either order', () => {
    const low = { id: 'a', riskLevel: 'low', riskState: 'atRisk' };
    const high = { id: 'a', riskLevel: 'high', riskState: 'atRisk' };
    for (const pages of [[[low, high]], [[high, low]], [[low], [high]], [[high], [low]]])
      expect(readRisk(...pages).atRisk).toEqual(new Map([['a', 'high']]));
  });

  it('has no doubt about someone who is also listed at a level it knows', () => {
    const hidden = { id: 'a', riskLevel: 'hidden', riskState: 'atRisk' };
    const low = { id: 'a', riskLevel: 'low', riskState: 'atRisk' };
    for (const pages of [[[hidden, low]], [[low, hidden]], [[hidden], [low]], [[low], [hidden]]])
      expect(readRisk(...pages)).toEqual(reading({ a: 'low' }));
  });

  it('takes no notice of the deleted, the settled and the level none', () => {
    const { atRisk, inDoubt } = readRisk([
      { id: 'a', riskLevel: 'high', riskState: 'atRisk', isDeleted: true },
      { id: 'b', riskLevel: 'none', riskState: 'atRisk' },
      { id: 'c', riskLevel: 'hidden', riskState: 'dismissed' },
      { id: 'd', riskLevel: 'high', riskState: 'remediated' },
    ]);
    expect([...atRisk, ...inDoubt]).toEqual([]);
  });
});

describe('the plan', () => {
  it('leaves levels alone that were not read', () => {
    const plan = planChanges(reading({ a: 'high', b: 'low' }), members({ low: ['a'] }), nobody);
    expect(plan.joins.get('high')).toEqual([]);
    expect(plan.joins.get('low')).toEqual(['b']);
    expect(plan.moves).toEqual([{ user: 'a', level: 'low', to: 'high' }]);
    expect(coveredMoves(plan.moves, members({ low: ['a'] }), plan.joins)).toEqual([]);
  });

  it('neither adds nor removes the exempt, and counts those at risk', () => {
    const plan = planChanges(
      reading({ a: 'high', b: 'high' }),
      members({ high: [], low: ['a', 'c'] }),
      new Set(['a', 'c']),
    );
    expect(plan.joins.get('high')).toEqual(['b']);
    expect([...plan.moves, ...plan.departures]).toEqual([]);
    expect(plan.exemptAtRisk).toBe(1);
  });

  it('moves no one who is in doubt, and lets him go nowhere', () => {
    const plan = planChanges(reading({}, ['a']), members({ high: ['a'], medium: [], low: ['b'] }), nobody);
    expect(plan.moves).toEqual([]);
    expect(plan.departures).toEqual([{ user: 'b', level: 'low' }]);
  });

  it('lets someone move who was read in his new group, or has joined it', () => {
    const read = members({ high: ['a'], low: ['a', 'b', 'c'] });
    const { moves } = planChanges(reading({ a: 'high', b: 'high', c: 'high' }), read, nobody);
    const joined = new Map([['high' as const, ['b']]]);
    expect(coveredMoves(moves, read, joined).map(({ user }) => user)).toEqual(['a', 'b']);
  });

  it('lets depart only who is neither at risk nor in doubt in the second reading', () => {
    const departures = [
      { user: 'a', level: 'high' as const },
      { user: 'b', level: 'high' as const },
      { user: 'c', level: 'high' as const },
      { user: 'c', level: 'low' as const },
    ];
    const confirmed = confirmedDepartures(departures, reading({ a: 'low' }, ['b']));
    expect(confirmed.map(({ user }) => user)).toEqual(['c', 'c']);
    expect(countUsers(confirmed)).toBe(1);
  });
});
