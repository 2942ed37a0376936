/** Decides, without doing anything, who is added, moved and released. */

/** In the order in which users are brought into isolation. */
export const RISK_LEVELS = ['high', 'medium', 'low'] as const;
export type RiskLevel = (typeof RISK_LEVELS)[number];
/** The object id of a user, in lower case. */
export type UserId = string;
export const OBJECT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** riskState of learn.microsoft.com/graph/api/resources/riskyuser: an administrator or the user has settled the risk. */
const SETTLED_STATES: ReadonlySet<unknown> = new Set(['none', 'confirmedSafe', 'remediated', 'dismissed']);

/** One entry of riskyUsers, of which only the id has been looked at. */
export type RiskyUser = { id: UserId; [property: string]: unknown };

/** Who is at risk. Whoever is reported at risk with a level that is not high, medium or low is in doubt. */
export interface RiskReading {
  atRisk: ReadonlyMap<UserId, RiskLevel>;
  inDoubt: ReadonlySet<UserId>;
  /** Each userPrincipalName of both, in lower case, as far as it was told; empty where there is none. */
  addresses: ReadonlyMap<UserId, readonly string[]>;
}

/** Where users stand at one level of a destination. */
export interface Membership {
  /** Who is there, and could be removed. */
  members: ReadonlySet<UserId>;
  /** For whom there is nothing to add; with groups the same users. */
  complete: ReadonlySet<UserId>;
}

/** A level that is not in here is left alone. */
export type Memberships = ReadonlyMap<RiskLevel, Membership>;

/** A user to be removed from `level`: released, or moved `to` the level at which they are at risk now. */
export type Removal = { user: UserId; level: RiskLevel; to: RiskLevel | undefined };

/** Judges every entry by itself, whatever the filter of the query was. Of a user listed twice the higher level counts. */
export function assessRisk(entries: Iterable<RiskyUser>): RiskReading {
  const atRisk = new Map<UserId, RiskLevel>();
  const inDoubt = new Set<UserId>();
  const addresses = new Map<UserId, string[]>();
  for (const { id, riskLevel, riskState, isDeleted, userPrincipalName } of entries) {
    if (isDeleted === true || SETTLED_STATES.has(riskState) || riskLevel === 'none') continue;
    const level = RISK_LEVELS.find((one) => one === riskLevel || one === atRisk.get(id));
    if (level === undefined) inDoubt.add(id);
    else atRisk.set(id, level);
    const address = userPrincipalName ?? (userPrincipalName === null ? '' : undefined);
    if (typeof address === 'string') addresses.set(id, [...(addresses.get(id) ?? []), address.toLowerCase()]);
  }
  for (const id of atRisk.keys()) inDoubt.delete(id);
  return { atRisk, inDoubt, addresses };
}

/** The difference between what is and what should be. The exempt are neither added nor removed, nor are those in doubt. */
export function planChanges({ atRisk, inDoubt }: RiskReading, memberships: Memberships, exempt: ReadonlySet<UserId>) {
  const adds = new Map<RiskLevel, UserId[]>();
  for (const [user, level] of atRisk) {
    if (exempt.has(user) || memberships.get(level)?.complete.has(user) !== false) continue;
    const users = adds.get(level) ?? [];
    users.push(user);
    adds.set(level, users);
  }
  const removals: Removal[] = [];
  for (const [level, { members }] of memberships)
    for (const user of members) {
      const to = atRisk.get(user);
      if (to !== level && !exempt.has(user) && !inDoubt.has(user)) removals.push({ user, level, to });
    }
  return { adds, removals };
}

/** How many users those removals concern; one may stand at several levels. */
export function countUsers(removals: readonly Removal[]): number {
  return new Set(removals.map(({ user }) => user)).size;
}

/** By verb and group or list: whom its last change was told as done. To hear so again needs a look (microsoft-graph-docs#8896). */
export type Told = Readonly<Record<string, readonly string[]>>;

/** The same after another change; what that has undone may be told afresh. */
export function toldAfter(told: Told | undefined, verb: 'add' | 'remove', id: string, names: readonly string[]): Told {
  const other = `${verb === 'add' ? 'remove' : 'add'} ${id}`;
  const undone = new Set(names);
  return { ...told, [`${verb} ${id}`]: names, [other]: told?.[other]?.filter((name) => !undone.has(name)) ?? [] };
}

/** In another order in each run, so that whoever is refused does not keep the same others out for ever (I6). */
export function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  const placed = items.map((item) => ({ item, place: random() }));
  return placed.sort((a, b) => a.place - b.place).map(({ item }) => item);
}
