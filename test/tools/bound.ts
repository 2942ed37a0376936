/** The least that a run can take, given what Microsoft and Cloudflare allow; pure arithmetic, told apart from any way of doing it. */

/** learn.microsoft.com: riskyuser-list, group-list-members, json-batching, throttling-limits */
const LIMITS = {
  riskyUsersPage: 500,
  membersPage: 999,
  partsToABatch: 20,
  identityProtectionSpacingMs: 1_000,
  /** Writes of one application in one tenant: as many at once, then as fast as they are given back. */
  writeQuota: { writes: 3_000, everyMs: 150_000 },
  /** Of Cloudflare's list items, as far as known; one PATCH takes any number. */
  entriesPage: 1_000,
  /** No limit of theirs: nothing is created unless two lookups, so far apart, agree. */
  secondLookupAfterMs: 2_000,
} as const;

/** What a run meets and has to do; the arrays hold one number for each level. */
export interface Task {
  destination: 'groups' | 'lists';
  atRisk: number;
  /** The access token is still to be asked for. */
  cold: boolean;
  /** By GROUP_IDS: only a cold run looks the groups up, beside the members. */
  pinned: boolean;
  toCreate: number;
  /** Who is in the groups or lists that exist. */
  present: readonly number[];
  adds: readonly number[];
  removals: readonly number[];
  releases: boolean;
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const pages = (count: number, size: number) => Math.max(1, Math.ceil(count / size));

/** `quotaMs` is what Graph's write quota adds; 0 unless it is the limit. */
export function lowerBound(task: Task, latencyMs: number) {
  const { identityProtectionSpacingMs: spacingMs, writeQuota } = LIMITS;
  const isLists = task.destination === 'lists';
  const riskPages = pages(task.atRisk, LIMITS.riskyUsersPage);
  const presentPages = task.present.map((count) => pages(count, isLists ? LIMITS.entriesPage : LIMITS.membersPage));
  const requestsFor = (changes: number) => (isLists ? Math.sign(changes) : Math.ceil(changes / LIMITS.partsToABatch));
  const adds = sum(task.adds.map(requestsFor));
  const removals = sum(task.removals.map(requestsFor));
  const lookups = task.pinned ? Number(task.cold) : task.toCreate > 0 ? 2 : 1;
  const signIns = Number(task.cold);

  const riskMs = (riskPages - 1) * spacingMs + latencyMs;
  // With lists the lookup needs no token; the pinned groups are looked up beside their members.
  const before = (isLists ? 0 : signIns) + (task.pinned ? 0 : lookups);
  const waitMs = task.toCreate > 0 ? LIMITS.secondLookupAfterMs : 0;
  const presentMs = (before + Math.max(0, ...presentPages)) * latencyMs + waitMs;
  let milliseconds = Math.max(signIns * latencyMs + riskMs, presentMs);
  // The three can be created at once; they are filled one level after another.
  milliseconds += (Math.sign(task.toCreate) + adds) * latencyMs;
  if (task.releases) milliseconds = Math.max(milliseconds, signIns * latencyMs + riskPages * spacingMs) + riskMs;
  milliseconds += removals * latencyMs;

  const readings = (task.releases ? 2 : 1) * riskPages;
  const requests = signIns + readings + lookups + sum(presentPages) + task.toCreate + adds + removals;
  const written = isLists ? 0 : task.toCreate + sum(task.adds) + sum(task.removals);
  const overQuotaMs = ((written - writeQuota.writes) / writeQuota.writes) * writeQuota.everyMs;
  return { requests, milliseconds, quotaMs: Math.max(0, overQuotaMs - milliseconds) };
}
