/** Arbitrary histories: what the world holds at first, what fails, and what changes between and during the runs. */
import fc from 'fast-check';
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';

/** Their userPrincipalName; 'refused': it looks well, and Cloudflare does not take it. */
const UPNS = ['own', 'of the next', 'guest', 'none', 'no address', 'refused'] as const;
export type Upn = (typeof UPNS)[number];

/** How somebody stands in a list: which address, described by whose id. */
const ENTRIES = ['own', 'as written', 'former', 'described as the next', 'of others'] as const;
export type EntryKind = (typeof ENTRIES)[number];

/** Which calls fail. */
const FOCI = [
  ...(['the sign-in', 'the risky users', 'the second reading', 'the lookup', 'the members', 'creations'] as const),
  ...(['adds', 'removals', 'batches', 'pins', 'provisioning', 'groups'] as const),
  ...(['lists', 'lookups of lists', 'entries', 'changes of lists'] as const),
];
export type Focus = (typeof FOCI)[number] | 'everything';

/** How one of the three pinned groups is not what it should be. */
const PINS = [
  ...(['right', 'two exchanged', 'high misnamed', 'low misnamed', 'medium dynamic'] as const),
  ...(['low not shown', 'none shown', 'high gone'] as const),
];
export type Pins = (typeof PINS)[number];
const ELIGIBLE = ['fit', 'older', 'other case'] as const;
const INELIGIBLE = ['dynamic', 'mail-enabled', 'synced', 'distribution', 'Microsoft 365'] as const;
export type GroupKind = (typeof ELIGIBLE)[number] | (typeof INELIGIBLE)[number];
const LISTS = ['fit', 'older', 'without a mark', 'renamed', 'of hosts'] as const;
export type ListKind = (typeof LISTS)[number];
const { constant, integer, nat, option, record, subarray } = fc;
type Drawn<Arbitrary> = Arbitrary extends fc.Arbitrary<infer One> ? One : never;
const of = <const One>(...some: One[]) => fc.constantFrom(...some);
/** Draws the usual that many times as often as the rest. */
const mostly = <One, Other>(times: number, usual: fc.Arbitrary<One>, rest: fc.Arbitrary<Other>) =>
  fc.oneof({ weight: times, arbitrary: usual }, { weight: 1, arbitrary: rest });
const seldom = (chances: number) => nat(chances - 1).map((chance) => chance === chances - 1);
const sometimes = <One>(one: fc.Arbitrary<One>) => option(one, { nil: undefined, freq: 2 });
const level = of(...RISK_LEVELS);
const strange = of('unknownFutureValue', 'severe', null, undefined);
const levelWord = mostly(8, level, mostly(1, of('none', 'hidden'), strange));
const settled = of('none', 'confirmedSafe', 'remediated', 'dismissed');
const stateWord = mostly(8, of('atRisk', 'confirmedCompromised'), mostly(1, settled, strange));
export type Word = string | null | undefined;
const who = nat(30);
const upn = mostly(6, constant<Upn>('own'), of(...UPNS));
const entry = mostly(2, constant<EntryKind>('own'), of(...ENTRIES));

/** `in`: the groups and lists they are in at first. `deleted`: their risky user is 'deleted', too, or 'stale' yet. */
const person = record({
  ...{ level: levelWord, state: stateWord, upn, exempt: seldom(10) },
  in: mostly(6, mostly(3, fc.tuple(level), constant<RiskLevel[]>([])), subarray([...RISK_LEVELS])),
  entries: mostly(4, fc.tuple(entry), subarray([...ENTRIES])),
  deleted: mostly(12, of('no'), of('deleted', 'stale')),
});

/** Of one level, and more than a batch holds. */
const crowd = person.map((one): Drawn<typeof person> => ({ ...one, level: 'medium', state: 'atRisk', in: [] }));
const groupKind = mostly(3, of<GroupKind>(...ELIGIBLE), of<GroupKind>(...INELIGIBLE));
const listKind = mostly(2, constant<ListKind>('fit'), of(...LISTS));
const someOf = <One>(one: One, kind: fc.Arbitrary<One>) =>
  mostly(2, constant([one]), mostly(2, fc.array(kind, { maxLength: 3 }), constant([])));
const ofEachLevel = <One>(one: fc.Arbitrary<One>) => record({ high: one, medium: one, low: one });
const weighed = <One>(weight: number, arbitrary: fc.Arbitrary<One>) => ({ weight, arbitrary });
const change = fc.oneof(
  weighed(6, record({ what: of('risk'), who, level: levelWord, state: stateWord })),
  weighed(3, record({ what: of('dismiss', 'confirm'), who })),
  weighed(1, record({ what: of('revoke tokens') })),
  weighed(1, record({ what: of('delete'), who, as: of('deleted', 'stale') })),
  weighed(2, record({ what: of('rename'), who, upn })),
  weighed(3, record({ what: of('add member', 'remove member'), who, level })),
  weighed(3, record({ what: of('add entry', 'remove entry'), who, level, entry })),
  weighed(2, record({ what: of('newcomer'), level: levelWord, state: stateWord })),
  weighed(1, record({ what: of('add group'), level, kind: groupKind })),
  weighed(1, record({ what: of('add list'), level, kind: listKind })),
  weighed(2, record({ what: of('delete group', 'delete list', 'rename list'), level })),
  weighed(1, record({ what: of('withdraw consent', 'grant consents'), which: nat(9) })),
);
export type Change = Drawn<typeof change>;

const step = record({
  changes: fc.array(change, { maxLength: 8 }),
  cold: fc.boolean(),
  /** Which riskyUsers page of the run is a lie: whole in form, but without some of its entries or all. */
  lie: option(record({ page: nat(3), keep: nat(3) }), { nil: undefined, freq: 3 }),
});
export type Step = Drawn<typeof step>;

// Alone, what a run wrote at its deadline is seen by the next one, ten seconds later.
const lag = mostly(1, constant(0), integer({ min: 0, max: 9_000 }));
const percent = (min: number, max: number) => integer({ min, max });

/** Sizes are such that a run in which nothing fails ends well within its deadline. */
const parts = record({
  seed: nat(),
  destinations: of('groups', 'groups,lists', 'lists'),
  people: fc.oneof(
    weighed(6, fc.array(person, { maxLength: 12 })),
    weighed(2, fc.array(person, { minLength: 25, maxLength: 50, size: 'max' })),
    weighed(1, fc.array(crowd, { minLength: 25, maxLength: 50, size: 'max' })),
  ),
  groups: ofEachLevel(someOf<GroupKind>('fit', groupKind)),
  /** How GROUP_IDS is set, if it is. */
  pins: sometimes(mostly(1, constant<Pins>('right'), of(...PINS))),
  lists: ofEachLevel(someOf<ListKind>('fit', listKind)),
  /** Whether Cloudflare does, in what is not known of it, any of the things it may do. */
  unknowns: fc.boolean(),
  /** Members that are not users, and entries of others, in each group and list that there is at first. */
  others: nat(2),
  maxRemovals: of(50, 3, 1, 0),
  lagMs: record({ groupListedAfterMs: lag, groupReachableAfterMs: lag, membersVisibleAfterMs: lag }),
  latencyMs: of(0, 40, 300),
  pages: record({ riskyUsers: of(500, 20, 8), members: of(999, 7, 2), groups: of(999, 1), emptyPages: fc.boolean() }),
  filterRefused: seldom(6),
  /** The application that provisions on demand: how long a call takes, and the levels whose groups it is assigned. */
  provisioning: sometimes(record({ callMs: of(500, 20_000), assigned: subarray([...RISK_LEVELS]) })),
  /** What the address of the heartbeat does with it. */
  heartbeat: sometimes(of('takes it', 'refuses it', 'breaks off', 'never answers')),
  /** Of a focus sometimes one kind of fault alone, so that no other makes the run fail as well. */
  failing: fc.oneof(
    weighed(2, record({ percent: constant(0), focus: constant<Focus>('everything') })),
    weighed(3, record({ percent: percent(1, 50), focus: constant<Focus>('everything') })),
    weighed(3, record({ percent: percent(30, 100), focus: of<Focus>(...FOCI) })),
    weighed(3, record({ percent: percent(30, 100), focus: of<Focus>(...FOCI), only: nat(99) })),
  ),
  steps: fc.array(step, { minLength: 1, maxLength: 3 }),
  /** What others do between any two requests of a run, one after another. */
  edits: fc.array(change, { minLength: 1, maxLength: 12 }),
});
export type History = Drawn<typeof parts>;
export const history = parts.map((one) => Object.assign(one, { [fc.toStringMethod]: () => describe(one) }));

/** One line for each part, one for each person and step. */
function describe({ people, steps, edits, ...rest }: History): string {
  const entries = (one: object) => Object.entries(one).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const words = (one: object) => entries(one).join(' ');
  return [
    ...['', ...entries(rest)],
    ...people.map((one, index) => `person ${index}: ${words(one)}`),
    ...steps.flatMap(({ changes, ...more }, index) => [
      `run ${index + 1}: ${words(more)}`,
      ...changes.map((one) => `  before it: ${words(one)}`),
    ]),
    ...edits.map((one) => `edit: ${words(one)}`),
  ].join('\n');
}
