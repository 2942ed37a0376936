/** Arbitrary histories: what a tenant holds at first, what goes wrong, and what changes between and during the runs. */
import fc from 'fast-check';
import { RISK_LEVELS, type RiskLevel } from '../src/plan';

export type Word = string | null | undefined;

export interface Person {
  level: Word;
  state: Word;
  /** The groups he is in at first. */
  in: readonly RiskLevel[];
  exempt: boolean;
  /** 'marked': his risky user is marked as deleted; 'stale': not yet. */
  deleted: 'no' | 'marked' | 'stale';
}

/** What the address of the heartbeat does with it. */
export type Heartbeat = 'takes it' | 'refuses it' | 'breaks off' | 'never answers';

/** Which calls are in trouble. */
export const FOCI = [
  ...(['everything', 'the sign-in', 'the risky users', 'the second reading', 'the lookup'] as const),
  ...(['the members', 'creations', 'bulk additions', 'single changes', 'provisioning'] as const),
];
export type Focus = (typeof FOCI)[number];

export type Unfit = 'dynamic' | 'mail-enabled' | 'synced' | 'distribution' | 'Microsoft 365';
export type GroupKind = 'fit' | 'older' | 'other case' | Unfit;

export type Change =
  | { what: 'risk'; who: number; level: Word; state: Word }
  | { what: 'dismiss' | 'confirm' | 'revoke tokens' | 'allow single adds only'; who: number }
  | { what: 'delete'; who: number; entry: 'deleted' | 'stale' }
  | { what: 'add member' | 'remove member'; who: number; level: RiskLevel }
  | { what: 'newcomer'; level: Word; state: Word }
  | { what: 'add group'; level: RiskLevel; kind: GroupKind }
  | { what: 'delete group'; level: RiskLevel };

export interface Step {
  changes: readonly Change[];
  cold: boolean;
  /** Which riskyUsers page of the run is a lie: whole in form, but without some of its entries or all. */
  lie: { page: number; keep: number } | undefined;
}

export interface History {
  seed: number;
  people: readonly Person[];
  groups: Readonly<Record<RiskLevel, readonly GroupKind[]>>;
  pinned: boolean;
  /** Members that are not users, in each group that the tenant has at first. */
  others: number;
  maxRemovals: number;
  lagMs: { groupListedAfterMs: number; groupReachableAfterMs: number; membersVisibleAfterMs: number };
  latencyMs: number;
  pages: { riskyUsers: number; members: number; groups: number; emptyPages: boolean };
  filterRefused: boolean;
  bulkAddForbidden: boolean;
  /** The application that provisions on demand: how long a call takes, and the levels whose groups it is assigned. */
  provisioning: { callMs: number; assigned: readonly RiskLevel[] } | undefined;
  heartbeat: Heartbeat | undefined;
  trouble: { percent: number; focus: Focus };
  steps: readonly Step[];
  /** What others do between any two requests of a run, one after another. */
  edits: readonly Change[];
}

const level: fc.Arbitrary<RiskLevel> = fc.constantFrom(...RISK_LEVELS);
const levelWord = fc.oneof(
  { weight: 8, arbitrary: level },
  { weight: 1, arbitrary: fc.constantFrom('none', 'hidden') },
  { weight: 1, arbitrary: fc.constantFrom<Word>('unknownFutureValue', 'severe', null, undefined) },
);
const stateWord = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('atRisk', 'confirmedCompromised') },
  { weight: 1, arbitrary: fc.constantFrom('none', 'confirmedSafe', 'remediated', 'dismissed') },
  { weight: 1, arbitrary: fc.constantFrom<Word>('unknownFutureValue', null, undefined) },
);
const who = fc.nat(30);

const person: fc.Arbitrary<Person> = fc.record({
  level: levelWord,
  state: stateWord,
  in: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 5, arbitrary: level.map((one) => [one]) },
    { weight: 1, arbitrary: fc.subarray([...RISK_LEVELS]) },
  ),
  exempt: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 9),
  deleted: fc.oneof(
    { weight: 12, arbitrary: fc.constant('no' as const) },
    { weight: 1, arbitrary: fc.constantFrom('marked' as const, 'stale' as const) },
  ),
});

const groupKind: fc.Arbitrary<GroupKind> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<GroupKind>('fit', 'older', 'other case') },
  {
    weight: 1,
    arbitrary: fc.constantFrom<GroupKind>(
      'dynamic',
      'mail-enabled',
      'synced',
      'distribution',
      'Microsoft 365',
    ),
  },
);
const groupsOfOneName: fc.Arbitrary<readonly GroupKind[]> = fc.oneof(
  { weight: 5, arbitrary: fc.constant(['fit' as const]) },
  { weight: 1, arbitrary: fc.constant([]) },
  { weight: 2, arbitrary: fc.array(groupKind, { maxLength: 3 }) },
);

const risk: fc.Arbitrary<Change> = fc.record({
  what: fc.constant('risk' as const),
  who,
  level: levelWord,
  state: stateWord,
});
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 6, arbitrary: risk },
  { weight: 3, arbitrary: fc.record({ what: fc.constantFrom('dismiss' as const, 'confirm' as const), who }) },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constantFrom('revoke tokens' as const, 'allow single adds only' as const),
      who,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      what: fc.constant('delete' as const),
      who,
      entry: fc.constantFrom('deleted' as const, 'stale' as const),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      what: fc.constantFrom('add member' as const, 'remove member' as const),
      who,
      level,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ what: fc.constant('newcomer' as const), level: levelWord, state: stateWord }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('add group' as const), level, kind: groupKind }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('delete group' as const), level }) },
);

const step: fc.Arbitrary<Step> = fc.record({
  changes: fc.array(change, { maxLength: 8 }),
  cold: fc.boolean(),
  lie: fc.option(fc.record({ page: fc.nat(3), keep: fc.nat(3) }), { nil: undefined, freq: 3 }),
});

// Alone, what a run wrote at its deadline is seen by the next one, ten seconds later.
const lag = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 9_000 }));

/** Sizes are such that a run without trouble ends well within its deadline. */
export const history: fc.Arbitrary<History> = fc
  .record({
    seed: fc.nat(),
    people: fc.oneof(
      { weight: 3, arbitrary: fc.array(person, { maxLength: 12 }) },
      { weight: 1, arbitrary: fc.array(person, { minLength: 25, maxLength: 50, size: 'max' }) },
    ),
    groups: fc.record({ high: groupsOfOneName, medium: groupsOfOneName, low: groupsOfOneName }),
    pinned: fc.boolean(),
    others: fc.nat(2),
    maxRemovals: fc.constantFrom(50, 3, 1, 0),
    lagMs: fc.record({ groupListedAfterMs: lag, groupReachableAfterMs: lag, membersVisibleAfterMs: lag }),
    latencyMs: fc.constantFrom(0, 40, 300),
    pages: fc.record({
      riskyUsers: fc.constantFrom(500, 20, 8),
      members: fc.constantFrom(999, 7, 2),
      groups: fc.constantFrom(999, 1),
      emptyPages: fc.boolean(),
    }),
    filterRefused: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 5),
    bulkAddForbidden: fc.integer({ min: 0, max: 5 }).map((chance) => chance === 5),
    provisioning: fc.option(
      fc.record({ callMs: fc.constantFrom(500, 20_000), assigned: fc.subarray([...RISK_LEVELS]) }),
      { nil: undefined, freq: 2 },
    ),
    heartbeat: fc.option(
      fc.constantFrom<Heartbeat>('takes it', 'refuses it', 'breaks off', 'never answers'),
      { nil: undefined, freq: 2 },
    ),
    trouble: fc.oneof(
      { weight: 2, arbitrary: fc.constant({ percent: 0, focus: 'everything' as const }) },
      {
        weight: 3,
        arbitrary: fc.record({
          percent: fc.integer({ min: 1, max: 50 }),
          focus: fc.constant('everything' as const),
        }),
      },
      {
        weight: 5,
        arbitrary: fc.record({
          percent: fc.integer({ min: 30, max: 100 }),
          focus: fc.constantFrom(...FOCI.slice(1)),
        }),
      },
    ),
    steps: fc.array(step, { minLength: 1, maxLength: 3 }),
    edits: fc.array(change, { minLength: 1, maxLength: 12 }),
  })
  .map((one) => Object.assign(one, { [fc.toStringMethod]: () => describe(one) }));

/** One line for each part, one for each person, group and step. */
function describe({ people, steps, edits, ...rest }: History): string {
  const words = (one: object) =>
    Object.entries(one)
      .map(([name, value]) => `${name}=${value === undefined ? 'undefined' : JSON.stringify(value)}`)
      .join(' ');
  return [
    '',
    ...Object.entries(rest).map(([name, value]) => `${name}: ${JSON.stringify(value)}`),
    ...people.map((one, index) => `person ${index}: ${words(one)}`),
    ...steps.flatMap(({ changes, ...more }, index) => [
      `run ${index + 1}: ${words(more)}`,
      ...changes.map((one) => `  before it: ${words(one)}`),
    ]),
    ...edits.map((one) => `edit: ${words(one)}`),
  ].join('\n');
}
