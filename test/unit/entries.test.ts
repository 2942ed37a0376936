/** Which address stands for whom, decided from plain values: lists remove by value while the plan thinks in ids. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { entryOf, listableAddress, membershipOf, removableEntries, survey } from '../../src/cloudflare/entries';
import { RISK_LEVELS, type RiskLevel, type RiskReading, type UserId } from '../../src/plan';

const USERS = ['a', 'b', 'c'].map((letter) => `0b9f6a54-8a5e-4f0c-9d6b-00000000000${letter}`);
const [ADA = '', BO = ''] = USERS;

type Says = RiskLevel | 'in doubt' | undefined;
type Told = string | readonly string[] | undefined;
type Stands = readonly [value: string, description?: string | undefined];

/** Each user with what the reading says of them and their userPrincipalName, in lower case as readings have it. */
function reading(...users: (readonly [user: UserId, says: Says, address?: Told])[]): RiskReading {
  const atRisk = new Map<UserId, RiskLevel>();
  for (const [user, says] of users) if (says !== undefined && says !== 'in doubt') atRisk.set(user, says);
  return {
    atRisk,
    inDoubt: new Set(users.flatMap(([user, says]) => (says === 'in doubt' ? [user] : []))),
    addresses: new Map(users.flatMap(([user, says, to]) => (says && to !== undefined ? [[user, [to].flat()]] : []))),
  };
}

const entriesOf = (list: readonly Stands[]) => list.map(([value, of]) => entryOf(value, of ?? ''));
it.each([
  [ADA, ADA],
  [` ${ADA.toUpperCase()}\n`, ADA],
  ['of the helpdesk', undefined],
  [`${ADA} (Ada)`, undefined],
])('an entry described with %j is of %s', (description, user) => {
  expect(entryOf('Ada@X.example', description)).toEqual({ value: 'Ada@X.example', address: 'ada@x.example', user });
});

it('an address can be listed, or not where no list would take it, or where it is not known', () => {
  const found = (address: string) => listableAddress(ADA, reading([ADA, 'high', address]));
  const longest = `${'a'.repeat(64)}@${'b'.repeat(185)}.com`;
  for (const one of ["o'brien+x_y-1@sub.x-1.example", 'ada@x.xn--p1ai', longest]) expect(found(one)).toBe(one);
  const domains = 'ada ada@ @x.example ada@localhost ada@x..example ada@-x.example ada@b@x.example'.split(' ');
  const names = ['ada_home.example#ext#', 'ada lovelace', 'åda', 'a'.repeat(65)].map((name) => `${name}@x.example`);
  const tooLong = `a@${'x'.repeat(245)}.example`;
  for (const address of ['', ...domains, ...names, tooLong]) expect(found(address), address).toBeUndefined();
  expect(listableAddress(ADA, reading([BO, 'high', 'ada@x.example']))).toBeUndefined();
});

const addresses = ['1@x.example', '2@x.example'];
const values = fc.constantFrom(...addresses, ...addresses.map((one) => one.toUpperCase()));
const entry = fc.tuple(values, fc.constantFrom(undefined, ...USERS));
const list = fc.uniqueArray(entry, { selector: ([value]) => value, maxLength: 4 });
const says = fc.constantFrom<Says>(undefined, 'in doubt', ...RISK_LEVELS);
const named = fc.constantFrom(undefined, ...Array(5).fill(''), ...addresses, ...addresses, addresses);
const read = fc.tuple(...USERS.map((user) => fc.tuple(fc.constant(user), says, named))).map((all) => reading(...all));
const world = fc.record({
  lists: fc.record({ high: list, medium: list, low: list }),
  readings: fc.array(read, { minLength: 1, maxLength: 2 }),
  exempt: fc.subarray(USERS),
});

it('in any state an address may go where nothing names an owner who needs it, and only there', () => {
  const property = fc.property(world, ({ lists, readings, exempt }) => {
    const standing = new Map(RISK_LEVELS.map((level) => [level, entriesOf(lists[level])]));
    const known = survey({ standing, readings, exempt: new Set(exempt) });
    const at = (level: RiskLevel, address: string) => entriesOf(lists[level]).filter((one) => one.address === address);
    const standsUnder = (user: UserId, address: string) =>
      RISK_LEVELS.some((level) => at(level, address).some((one) => one.user === user));
    const isCalled = (id: UserId, one: string) => readings.some(({ addresses }) => addresses.get(id)?.includes(one));
    const needs = (user: UserId, address: string, isMoved: boolean) =>
      exempt.includes(user) ||
      readings.some(({ atRisk, inDoubt, addresses }) => {
        const level = atRisk.get(user);
        const named = level && at(level, address).map((one) => one.user);
        const stands = named?.includes(user) || (named?.length && addresses.get(user)?.includes(address));
        return inDoubt.has(user) || level === 'high' || (level && !stands && !(isMoved && named?.length === 0));
      });
    // An address that was not told may be any.
    const isHidden = readings.some(({ atRisk, inDoubt, addresses: told }) =>
      USERS.some((user) => (atRisk.has(user) || inDoubt.has(user)) && !exempt.includes(user) && !told.has(user)),
    );
    const mayGo = (isMoved: boolean) =>
      entriesOf(lists.high).filter(({ address }) => {
        const owners = USERS.filter((user) => isCalled(user, address) || standsUnder(user, address));
        const isForeign = at('high', address).some(({ user }) => user === undefined);
        return !isForeign && !isHidden && !owners.some((user) => needs(user, address, isMoved));
      });
    expect(removableEntries('high', known, 'now')).toEqual(mayGo(false));
    const { members, complete } = membershipOf('high', known);
    expect([...members].sort()).toEqual([...new Set(mayGo(true).map(({ user }) => user))].sort());
    const isComplete = (user: UserId) =>
      readings.some(({ atRisk }) => atRisk.get(user) === 'high') &&
      addresses.every((one) => at('high', one).length > 0 || !(isCalled(user, one) || standsUnder(user, one)));
    expect([...complete].sort()).toEqual(USERS.filter(isComplete));
  });
  fc.assert(property, { numRuns: 2_000, seed: 13 });
});
