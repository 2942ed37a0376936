/** What an administrator or the world does to the tenant, and what is true in it now, without any lag. */
import type { Group, RiskLevel, RiskState, User } from '@microsoft/microsoft-graph-types';
import type { MemberKind, Person, Risk } from './directory';
import type { World } from './world';

export interface Admin {
  /** Gives the object id. With a level they are at risk at once. */
  addUser(user?: {
    id?: string;
    name?: string;
    upn?: string | null;
    level?: RiskLevel;
    state?: RiskState;
  }): string;
  /** Renamed; a guest's is made by `guestUpn`. */
  setUpn(id: string, upn: string | null): void;
  /** Any words. No state given: atRisk. null is sent as null, undefined not at all. */
  setRisk(
    id: string,
    level: string | null | undefined,
    ...more: [state?: string | null | undefined, detail?: string]
  ): void;
  dismiss(id: string): void;
  confirmCompromised(id: string): void;
  confirmSafe(id: string): void;
  remediate(id: string): void;
  /** Gone from the directory and all groups. Their risky user stays, marked as deleted, or, when 'stale', not yet. */
  deleteUser(id: string, options?: { riskEntry?: 'deleted' | 'stale' }): void;
  /** A security group unless the properties say otherwise. */
  addGroup(group?: Omit<Group, 'members'> & { members?: readonly string[] }): string;
  /** An administrator may make an assigned group dynamic, for one (entra: groups-change-type). */
  changeGroup(groupIdOrName: string, properties: Omit<Group, 'id' | 'members'>): void;
  deleteGroup(groupIdOrName: string): void;
  addMember(groupIdOrName: string, userId: string): void;
  removeMember(groupIdOrName: string, userId: string): void;
  /** A new object that is no user, as a member. */
  addOtherMember(groupIdOrName: string, kind?: Exclude<MemberKind, 'user'>): string;
  /** Lets a Worker write to a group that has none of the three names (a pinned one). */
  allowWritesTo(groupId: string): void;

  /** Ids of users, sorted. Throws unless there is exactly one group of that id or name. */
  members(groupIdOrName: string): string[];
  otherMembers(groupIdOrName: string): string[];
  groups(): Group[];
  groupsNamed(name: string): Group[];
  user(id: string): User | undefined;
  users(): User[];
  /** Who riskyUsers says is at risk at that level now and is in the directory, sorted. */
  atRisk(level: string): string[];
}

const NOT_AT_RISK = ['none', 'confirmedSafe', 'remediated', 'dismissed'];
const AT_RISK = ['atRisk', 'confirmedCompromised'];

export function createAdmin(world: World): Admin {
  const { directory } = world;

  function addUser({ id, name, upn, level, state }: Parameters<Admin['addUser']>[0] = {}): string {
    const person = directory.addPerson(id, name);
    if (upn !== undefined) directory.setUpn(person.id, upn);
    if (level) directory.setRisk(person.id, { level, state: state ?? 'atRisk' });
    return person.id;
  }

  function setRisk(id: string, level: string | null | undefined, ...more: [(string | null)?, string?]): void {
    const [state = more.length === 0 ? 'atRisk' : undefined, detail = 'none'] = more;
    directory.setRisk(id, { level, state, detail });
  }

  function addGroup({ members = [], ...properties }: Parameters<Admin['addGroup']>[0] = {}): string {
    const group = directory.addGroup({ displayName: 'All Company', ...properties });
    for (const id of members) directory.add(group, id);
    // They have been in it since it was made, so no lag hides them.
    group.changes.length = 0;
    return group.id;
  }

  function addOtherMember(groupIdOrName: string, kind: Exclude<MemberKind, 'user'> = 'device'): string {
    const id = kind === 'group' ? addGroup({ displayName: 'Nested' }) : world.newId();
    if (kind !== 'group') directory.others.set(id, kind);
    directory.add(directory.group(groupIdOrName), id);
    return id;
  }

  function membersOf(groupIdOrName: string, users: boolean): string[] {
    const { members } = directory.group(groupIdOrName);
    return [...members].flatMap(([id, { kind }]) => ((kind === 'user') === users ? id : [])).sort();
  }

  function isAtRisk(risk: Risk): boolean {
    if (risk.isDeleted || !directory.people.has(risk.id)) return false;
    const state = risk.state ?? '';
    // Graph's filter leaves out a state that it does not know; without a filter the level decides.
    return AT_RISK.includes(state) || (world.rejectRiskFilter && !NOT_AT_RISK.includes(state));
  }

  const userOf = ({ id, name, mail, upn }: Person): User => ({
    ...{ id, displayName: name, mail, userPrincipalName: upn },
  });
  const groupOf = (group: { properties: Group }): Group => ({ ...group.properties });

  return {
    ...{ addUser, setUpn: directory.setUpn, setRisk, addGroup, addOtherMember },
    // learn:riskyuser-dismiss
    dismiss: (id) => setRisk(id, 'none', 'dismissed', 'adminDismissedAllRiskForUser'),
    // learn:riskyuser-confirmcompromised
    confirmCompromised: (id) => setRisk(id, 'high', 'confirmedCompromised', 'adminConfirmedUserCompromised'),
    // learn:riskyuser-confirmsafe
    confirmSafe: (id) => setRisk(id, 'none', 'confirmedSafe', 'unknownFutureValue'),
    // howto-identity-protection-remediate-unblock.md; that the level is none then is inferred
    remediate: (id) => setRisk(id, 'none', 'remediated', 'userPerformedSecuredPasswordReset'),
    deleteUser: (id, { riskEntry = 'deleted' } = {}) => {
      directory.removePerson(id);
      // howto-identity-protection-remediate-unblock.md: "still appears in the risk report"
      if (riskEntry === 'deleted' && directory.risks.has(id)) directory.setRisk(id, { isDeleted: true });
    },
    changeGroup: (group, properties) => void Object.assign(directory.group(group).properties, properties),
    deleteGroup: (group) => void directory.groups.delete(directory.group(group).id),
    addMember: (group, id) => directory.add(directory.group(group), id),
    removeMember: (group, id) => directory.remove(directory.group(group), id),
    allowWritesTo: (id) => void world.writable.add(id.toLowerCase()),
    members: (group) => membersOf(group, true),
    otherMembers: (group) => membersOf(group, false),
    groups: () => [...directory.groups.values()].map(groupOf),
    groupsNamed: (name) =>
      [...directory.groups.values()].filter((group) => group.properties.displayName === name).map(groupOf),
    user: (id) => {
      const person = directory.people.get(id);
      return person && userOf(person);
    },
    users: () => [...directory.people.values()].map(userOf),
    atRisk: (level) =>
      [...directory.risks.values()]
        .filter((risk) => risk.level === level && isAtRisk(risk))
        .map((risk) => risk.id)
        .sort(),
  };
}
