/** The arithmetic that the bench is measured by. */
import { expect, test } from 'vitest';
import { lowerBound, type Task } from './bound';

const quiet: Task = {
  ...{ destination: 'groups', cold: false, pinned: false, atRisk: 500, present: [100, 150, 250] },
  ...{ toCreate: 0, adds: [0, 0, 0], removals: [0, 0, 0], releases: false },
};
const lists = { destination: 'lists' } as const;

test.each<[string, Partial<Task>, requests: number, milliseconds: number, quotaMs: number]>([
  ['the risky users are read beside the lookup and the members', {}, 5, 100, 0],
  ['a cold run signs in first', { cold: true }, 6, 150, 0],
  ['pinned groups are looked up when cold, beside the members', { pinned: true, cold: true }, 6, 100, 0],
  ['a second page of risky users comes a second later', { atRisk: 501 }, 6, 1_050, 0],
  ['members come in pages of 999, one after another', { present: [0, 0, 1_999] }, 7, 200, 0],
  ['twenty to a batch, one level after another', { adds: [20, 21, 0], removals: [0, 0, 1] }, 9, 300, 0],
  ['lists need no sign-in, have pages of 1,000', { ...lists, cold: true, present: [0, 1_000, 1_001] }, 7, 150, 0],
  ['a list is changed at once, without a quota', { ...lists, adds: [0, 1, 4_197] }, 7, 200, 0],
  ['the second reading starts a second after the first', { removals: [0, 0, 1], releases: true }, 7, 1_100, 0],
  ['3,000 writes, then 20 a second', { present: [], toCreate: 3, adds: [0, 0, 4_197] }, 216, 12_650, 47_350],
])('%s', (_, change, requests, milliseconds, quotaMs) => {
  expect(lowerBound({ ...quiet, ...change }, 50)).toEqual({ requests, milliseconds, quotaMs });
});
