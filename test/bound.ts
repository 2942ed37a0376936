/** The least that a run can take, given what Graph allows; pure arithmetic, told apart from any way of doing it. */

export const LIMITS = {
  /** learn.microsoft.com: riskyuser-list, group-list-members, group-post-members, json-batching, throttling-limits */
  riskyUsersPage: 500,
  membersPage: 999,
  usersToAnAdd: 20,
  partsToABatch: 20,
  identityProtectionSpacingMilliseconds: 1_000,
} as const;

/** What a run meets and has to do; the lists hold one number for each level. */
export interface Task {
  atRisk: number;
  /** Whether the access token is still to be asked for. */
  cold: boolean;
  /** Whether the groups are pinned by GROUP_IDS, so that no lookup is needed. */
  pinned: boolean;
  groupsToCreate: number;
  /** Of the groups that exist. */
  members: readonly number[];
  joins: readonly number[];
  leaves: readonly number[];
  departs: boolean;
}

export interface Bound {
  requests: number;
  milliseconds: number;
}

export function lowerBound(task: Task, latencyMilliseconds: number): Bound {
  const { identityProtectionSpacingMilliseconds: spacing } = LIMITS;
  const riskPages = pages(task.atRisk, LIMITS.riskyUsersPage, 1);
  const memberPages = task.members.map((count) => pages(count, LIMITS.membersPage, 1));
  const adds = task.joins.map((count) => pages(count, LIMITS.usersToAnAdd));
  const lookups = task.pinned ? 0 : 1;
  const batches = pages(sum(task.leaves), LIMITS.partsToABatch);
  const readings = task.departs ? 2 : 1;
  const signIns = task.cold ? 1 : 0;

  const riskReading = (riskPages - 1) * spacing + latencyMilliseconds;
  const groupReading = (lookups + Math.max(0, ...memberPages)) * latencyMilliseconds;
  let milliseconds = signIns * latencyMilliseconds + Math.max(riskReading, groupReading);
  // The three can be created at once; they can be filled only one level after another.
  if (task.groupsToCreate > 0) milliseconds += latencyMilliseconds;
  milliseconds += sum(adds) * latencyMilliseconds;
  if (task.departs) {
    const nextRiskCall = signIns * latencyMilliseconds + riskPages * spacing;
    milliseconds = Math.max(milliseconds, nextRiskCall) + riskReading;
  }
  milliseconds += batches * latencyMilliseconds;

  const requests =
    signIns + readings * riskPages + lookups + sum(memberPages) + task.groupsToCreate + sum(adds) + batches;
  return { requests, milliseconds };
}

function pages(count: number, size: number, least = 0): number {
  return Math.max(least, Math.ceil(count / size));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
