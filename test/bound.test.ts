/** The arithmetic that the bench is measured by. */
import { expect, test } from 'vitest';
import { lowerBound, type Task } from './bound';
import { longestChain } from './chain';

const quiet: Task = {
  atRisk: 500,
  cold: false,
  pinned: false,
  groupsToCreate: 0,
  members: [100, 150, 250],
  joins: [0, 0, 0],
  leaves: [0, 0, 0],
  departs: false,
};

test.each<[string, Partial<Task>, number, number]>([
  ['nothing to do: the risky users beside the lookup and the members', {}, 5, 100],
  ['pinned groups save the lookup', { pinned: true }, 4, 50],
  ['a cold run signs in first', { cold: true }, 6, 150],
  ['a second page of risky users comes a second later', { atRisk: 501 }, 6, 1_050],
  ['members come in pages of 999, one after another', { members: [0, 0, 1_999] }, 7, 200],
  ['twenty to an add, one level after another', { joins: [20, 21, 0] }, 8, 250],
  ['twenty to a batch, whatever the group', { leaves: [10, 10, 1] }, 7, 200],
  ['groups can be created all at once', { members: [], groupsToCreate: 3 }, 5, 100],
  ['the second reading starts a second after the first', { leaves: [0, 0, 1], departs: true }, 7, 1_100],
])('%s', (_, change, requests, milliseconds) => {
  expect(lowerBound({ ...quiet, ...change }, 50)).toEqual({ requests, milliseconds });
});

test.each([
  ['none', [], 0],
  [
    'side by side',
    [
      [0, 50],
      [0, 50],
      [49, 90],
    ],
    1,
  ],
  [
    'one after another, at once',
    [
      [0, 50],
      [50, 100],
      [100, 150],
    ],
    3,
  ],
  [
    'the longest of several',
    [
      [0, 200],
      [0, 50],
      [50, 90],
      [95, 120],
    ],
    3,
  ],
  ['one that never ended is behind others, and nothing is behind it', [[0, 50], [60], [900, 950]], 2],
])('the longest chain: %s', (_, spans: number[][], length) => {
  const requests = spans.map(([at = 0, endedAt]) => (endedAt === undefined ? { at } : { at, endedAt }));
  expect(longestChain(requests)).toBe(length);
});
