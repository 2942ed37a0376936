/** Decides, without doing anything, who joins, moves and departs. */

/** In the order in which people are brought into isolation. */
export const RISK_LEVELS = ['high', 'medium', 'low'] as const;
export type RiskLevel = (typeof RISK_LEVELS)[number];
/** The object id of a user, in lower case. */
export type UserId = string;

/** riskState of learn.microsoft.com/graph/api/resources/riskyuser: an admin or the user has settled the risk. */
const SETTLED_STATES: ReadonlySet<unknown> = new Set(['none', 'confirmedSafe', 'remediated', 'dismissed']);

/** One entry of riskyUsers. */
export interface RiskyUser {
  id: UserId;
  riskLevel?: unknown;
  riskState?: unknown;
  isDeleted?: unknown;
}

/** Who is at risk. Whoever is reported at risk with a level that is not high, medium or low is in doubt. */
export interface RiskReading {
  atRisk: ReadonlyMap<UserId, RiskLevel>;
  inDoubt: ReadonlySet<UserId>;
}

/** The users in each group. A level that is not in here is left alone. */
export type Members = ReadonlyMap<RiskLevel, ReadonlySet<UserId>>;

/** A user to be removed from the group of `level`; `to` is the level of his present risk, if he has one. */
export interface Leave {
  user: UserId;
  level: RiskLevel;
  to?: RiskLevel;
}

export interface Plan {
  joins: ReadonlyMap<RiskLevel, readonly UserId[]>;
  /** Leaves of those who are at risk at another level now. */
  moves: readonly (Leave & { to: RiskLevel })[];
  /** Leaves of those who are at risk at no level any more. */
  departures: readonly Leave[];
  exemptAtRisk: number;
}

/** Judges every entry by itself, whatever the filter of the query was. Someone listed twice counts at his higher level. */
export function createRiskReading(): { add(entries: Iterable<RiskyUser>): void; whole(): RiskReading } {
  const atRisk = new Map<UserId, RiskLevel>();
  const inDoubt = new Set<UserId>();
  return {
    add(entries) {
      for (const { id, riskLevel, riskState, isDeleted } of entries) {
        if (isDeleted === true || SETTLED_STATES.has(riskState) || riskLevel === 'none') continue;
        const level = RISK_LEVELS.find((known) => known === riskLevel);
        const earlier = atRisk.get(id);
        if (level === undefined) inDoubt.add(id);
        else if (earlier === undefined || isHigher(level, earlier)) atRisk.set(id, level);
      }
    },
    whole() {
      for (const id of atRisk.keys()) inDoubt.delete(id);
      return { atRisk, inDoubt };
    },
  };
}

/** The difference between what is and what should be. The exempt neither join nor leave, nor do those in doubt. */
export function planChanges(
  { atRisk, inDoubt }: RiskReading,
  members: Members,
  exempt: ReadonlySet<UserId>,
): Plan {
  const joins = new Map<RiskLevel, UserId[]>(RISK_LEVELS.map((level) => [level, []]));
  const moves: (Leave & { to: RiskLevel })[] = [];
  const departures: Leave[] = [];
  let exemptAtRisk = 0;
  for (const [user, level] of atRisk) {
    if (exempt.has(user)) exemptAtRisk += 1;
    else if (members.get(level)?.has(user) === false) joins.get(level)?.push(user);
  }
  for (const level of RISK_LEVELS) {
    for (const user of members.get(level) ?? []) {
      const to = atRisk.get(user);
      if (to === level || exempt.has(user) || inDoubt.has(user)) continue;
      if (to === undefined) departures.push({ user, level });
      else moves.push({ user, level, to });
    }
  }
  return { joins, moves, departures, exemptAtRisk };
}

/**
 * The moves of those known to be in the group of their present level: read there as members, or `joined` it. Nobody
 * leaves a group on less, because he might then be in none.
 */
export function coveredMoves(
  moves: Plan['moves'],
  members: Members,
  joined: ReadonlyMap<RiskLevel, readonly UserId[]>,
): Plan['moves'] {
  const joinedUsers = new Map(RISK_LEVELS.map((level) => [level, new Set(joined.get(level))]));
  return moves.filter(({ user, to }) => members.get(to)?.has(user) || joinedUsers.get(to)?.has(user));
}

/** The departures that a second reading confirms: of those who are neither at risk nor in doubt in it either. */
export function confirmedDepartures(departures: readonly Leave[], { atRisk, inDoubt }: RiskReading): Leave[] {
  return departures.filter(({ user }) => !atRisk.has(user) && !inDoubt.has(user));
}

/** How many people those leaves concern; one may be in several groups. */
export function countUsers(leaves: readonly Leave[]): number {
  return new Set(leaves.map(({ user }) => user)).size;
}

function isHigher(level: RiskLevel, other: RiskLevel): boolean {
  return RISK_LEVELS.indexOf(level) < RISK_LEVELS.indexOf(other);
}
