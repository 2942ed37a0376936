/** What an administrator or the world does to the tenant, and what is true in it now, without any lag. */
import type { Group, RiskLevel, User } from '@microsoft/microsoft-graph-types';
import type { MemberKind, Person, Risk } from './directory';
import type { World } from './world';

type Word = string | null | undefined;
type NewUser = { name?: string; upn?: string | null; level?: RiskLevel };
type NewGroup = Omit<Group, 'members'> & { members?: readonly string[] };

const AT_RISK = ['atRisk', 'confirmedCompromised'];

export function createAdmin(world: World) {
  const { directory } = world;

  /** Gives the object id. With a level they are at risk at once. */
  function addUser({ name, upn, level }: NewUser = {}): string {
    const id = directory.addPerson(name);
    if (upn !== undefined) directory.setUpn(id, upn);
    if (level) setRisk(id, level);
    return id;
  }

  /** Any words. No state given: atRisk. null is sent as null, undefined not at all. */
  function setRisk(id: string, level: Word, ...more: [state?: Word]): void {
    const [state = more.length === 0 ? 'atRisk' : undefined] = more;
    directory.setRisk(id, { level, state });
  }

  /** A security group unless the properties say otherwise. */
  function addGroup({ members = [], ...properties }: NewGroup = {}): string {
    const group = directory.addGroup({ displayName: 'All Company', ...properties });
    for (const id of members) directory.add(group, id);
    // They have been in it since it was made, so no lag hides them.
    group.changes.length = 0;
    return group.id;
  }

  /** A new object that is no user, as a member. */
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
    // Graph's filter leaves out a state that it does not know.
    return !risk.isDeleted && directory.people.has(risk.id) && AT_RISK.includes(risk.state ?? '');
  }

  const userOf = ({ id, name, mail, upn }: Person): User => ({ id, displayName: name, mail, userPrincipalName: upn });
  const { group } = directory;
  const groups = () => [...directory.groups.values()].map(({ properties }): Group => ({ ...properties }));
  return {
    ...{ addUser, setUpn: directory.setUpn, setRisk, addGroup, addOtherMember, groups },
    // learn:riskyuser-dismiss
    dismiss: (id: string) => setRisk(id, 'none', 'dismissed'),
    // learn:riskyuser-confirmcompromised
    confirmCompromised: (id: string) => setRisk(id, 'high', 'confirmedCompromised'),
    /** Gone from the directory and all groups. Their risky user stays, marked as deleted, or, when 'stale', not yet. */
    deleteUser: (id: string, { riskEntry = 'deleted' }: { riskEntry?: 'deleted' | 'stale' } = {}) => {
      directory.removePerson(id);
      // howto-identity-protection-remediate-unblock.md: "still appears in the risk report"
      if (riskEntry === 'deleted' && directory.risks.has(id)) directory.setRisk(id, { isDeleted: true });
    },
    /** An administrator may make an assigned group dynamic, for one (entra: groups-change-type). */
    changeGroup: (idOrName: string, properties: Omit<Group, 'id' | 'members'>) =>
      void Object.assign(group(idOrName).properties, properties),
    deleteGroup: (idOrName: string) => void directory.groups.delete(group(idOrName).id),
    addMember: (idOrName: string, id: string) => directory.add(group(idOrName), id),
    removeMember: (idOrName: string, id: string) => directory.remove(group(idOrName), id),
    /** Lets a Worker write to a group that has none of the three names (a pinned one). */
    allowWritesTo: (id: string) => void world.writable.add(id.toLowerCase()),

    /** Ids of users, sorted. Throws unless there is exactly one group of that id or name. */
    members: (idOrName: string) => membersOf(idOrName, true),
    otherMembers: (idOrName: string) => membersOf(idOrName, false),
    groupsNamed: (name: string) => groups().filter(({ displayName }) => displayName === name),
    user: (id: string) => {
      const person = directory.people.get(id);
      return person && userOf(person);
    },
    users: () => [...directory.people.values()].map(userOf),
    /** Who riskyUsers says is at risk at that level now and is in the directory, sorted. */
    atRisk: (level: string) => {
      const risks = [...directory.risks.values()].filter((risk) => risk.level === level && isAtRisk(risk));
      return risks.map(({ id }) => id).sort();
    },
  };
}
