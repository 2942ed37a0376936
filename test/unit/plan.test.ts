/** Who is at risk, decided from plain values. Who is added, moved and released the histories judge. */
import { describe, expect, it } from 'vitest';
import type { RiskLevel, RiskReading, RiskyUser, UserId } from '../../src/plan';
import { assessRisk, RISK_LEVELS } from '../../src/plan';

const reading = (atRisk: Record<UserId, RiskLevel>, inDoubt: UserId[] = []): RiskReading => ({
  atRisk: new Map(Object.entries(atRisk)),
  inDoubt: new Set(inDoubt),
  addresses: new Map(),
});

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

  it('has each address as it was told, in lower case, or empty where there is none', () => {
    const [ada, nobody] = [{ userPrincipalName: 'Ada@Contoso.Example' }, { userPrincipalName: null }];
    const { addresses } = assessRisk([atRisk('a', ada), atRisk('b', nobody), atRisk('c', {}), atRisk('a', nobody)]);
    expect(Object.fromEntries(addresses)).toEqual({ a: ['ada@contoso.example', ''], b: [''] });
  });

  it('does not hang on the order of the entries: the highest level that is known counts', () => {
    const levels = ['hidden', 'low', 'high', 'none'];
    for (const order of [levels, levels.toReversed()])
      expect(assessRisk(order.map((riskLevel) => atRisk('a', { riskLevel })))).toEqual(reading({ a: 'high' }));
  });
});
