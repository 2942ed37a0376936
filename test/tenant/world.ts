/** What every route of the stand-in tenant works with: the directory, the settings a test may turn, and the notebook of violations. */
import type { Clock } from './clock';
import type { Directory } from './directory';
import type { Rest } from './pages';

/** Of each cloud that has riskyUsers (concepts/deployments.md). */
export const HOSTS = {
  global: { login: 'login.microsoftonline.com', graph: 'graph.microsoft.com' },
  usgov: { login: 'login.microsoftonline.us', graph: 'graph.microsoft.us' },
  dod: { login: 'login.microsoftonline.us', graph: 'dod-graph.microsoft.us' },
};
export type Cloud = keyof typeof HOSTS;

/** What a test may change at any time. */
export interface Knobs {
  /** Replication (devblogs "Designing for Eventual Consistency for Microsoft Entra"; learn:group-list). */
  lag: { groupListedAfterMs: number; groupReachableAfterMs: number; membersVisibleAfterMs: number };
  /** riskyUsers answers 400 to any $filter. */
  rejectRiskFilter: boolean;
  /** A server may give fewer per page than asked for, or none (concepts/paging.md). */
  pageSizes: { riskyUsers?: number; members?: number; groups?: number; emptyPages?: boolean };
  /** No list is a destination, so whoever asks for a userPrincipalName asks too much. */
  upnForbidden: boolean;
  /** learn:resources/riskyuser: riskyUsers needs Entra ID P2. */
  licensed: boolean;
  /** The application permissions granted. A token carries those of its moment (kubernetes#90351, azure-sdk-for-net#30959). */
  permissions: readonly string[];
  /** How many members Graph lets a group have. */
  quota: { membersPerGroup?: number };
  /** A new group may not have the mailNickname of another, renamed or not (microsoft-graph-docs#5122). */
  nicknamesUnique: boolean;
  /** Groups that the permissions do not show in lists of groups, by id. */
  readonly hiddenGroups: Set<string>;
  /** The secret is the right one, but past its date. */
  secretExpired: boolean;
  /** Milliseconds since the epoch; before that a new secret is not yet known everywhere (microsoft-graph-docs#17966). */
  secretKnownFrom: number;
  /** By how much the clock of the sign-in service is ahead of the Worker's. */
  signInClockAheadMs: number;
  /** Where the tenant really lives; one whose Worker was set to another cloud is asked in that other. */
  homeCloud: Cloud;
  /** How long an access token lasts. */
  tokenSeconds: number;
}

/** What each stand-in lends to the machinery that both use. */
export interface Service {
  readonly clock: Clock;
  random(): number;
  /** What no Worker may ever do; a test that leaves any here has failed. */
  readonly violations: string[];
  /** The most requests that one client had under way at once. */
  maxInFlight: number;
}

export interface World extends Knobs, Service {
  readonly directory: Directory;
  /** By its token: a link that was given out, and what is left to list. */
  readonly nextLinks: Map<string, { href: string; rest: Rest }>;
  readonly hosts: (typeof HOSTS)[Cloud];
  /** Groups that may be written whatever their name. */
  readonly writable: Set<string>;
  newId(): string;
}

/** Notes what no Worker may do, and gives the error to throw. */
export function unexpected(world: Pick<Service, 'violations'>, text: string): Error {
  world.violations.push(text);
  return new Error(text);
}
