/** The arithmetic that the bench is measured by. */
import { expect, test } from 'vitest';
import { lowerBound, type Task } from './bound';

const quiet: Task = {
  ...{ destination: 'groups', cold: false, pinned: false, atRisk: 500, present: [100, 150, 250] },
  ...{ toCreate: 0, adds: [0, 0, 0], removals: [0, 0, 0], releases: false },
};
const lists = { destination: 'lists' } as const;

test.each<[string, Partial<Task>, number, number]>([
  ['nothing to do: the risky users beside the lookup and the members', {}, 5, 100],
  ['pinned groups save the lookup', { pinned: true }, 4, 50],
  ['but for a cold run, beside the members', { pinned: true, cold: true }, 6, 100],
  ['a cold run signs in first', { cold: true }, 6, 150],
  ['a second page of risky users comes a second later', { atRisk: 501 }, 6, 1_050],
  ['members come in pages of 999, one after another', { present: [0, 0, 1_999] }, 7, 200],
  ['twenty to a batch, one level after another', { adds: [20, 21, 0], removals: [0, 0, 1] }, 9, 300],
  ['lists are looked up before the sign-in, and changed at once', { ...lists, cold: true, adds: [20, 21, 0] }, 8, 200],
  ['entries come in pages of 1,000', { ...lists, present: [0, 1_000, 1_001] }, 6, 150],
  ['all three are created at once, after two lookups', { present: [], toCreate: 3 }, 6, 2_150],
  ['the second reading starts a second after the first', { removals: [0, 0, 1], releases: true }, 7, 1_100],
])('%s', (_, change, requests, milliseconds) => {
  expect(lowerBound({ ...quiet, ...change }, 50)).toEqual({ requests, milliseconds, quotaMs: 0 });
});

test('Graph takes 3,000 writes at once, the creations among them, and then 20 a second; Cloudflare counts none', () => {
  const fill = { ...quiet, present: [], toCreate: 3, adds: [0, 0, 4_197] };
  const { milliseconds, quotaMs } = lowerBound(fill, 50);
  expect(milliseconds + quotaMs).toBe(60_000);
  expect(lowerBound({ ...fill, ...lists }, 50).quotaMs).toBe(0);
});
