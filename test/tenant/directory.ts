/** What the tenant holds: people, who of them is at risk, groups and their members, and how the members were a while ago. */
import type { Group } from '@microsoft/microsoft-graph-types';
import type { Clock } from './clock';
import { oneOf, personName, upnOf } from './names';

export type MemberKind = 'user' | 'group' | 'device' | 'servicePrincipal';

export interface Person {
  id: string;
  name: string;
  mail: string;
  /** userPrincipalName; null is sent as null. */
  upn: string | null;
}

export interface Risk extends Person {
  /** Any word, for Graph's enums grow; null is sent as null, undefined not at all. */
  level: string | null | undefined;
  state: string | null | undefined;
  isDeleted: boolean;
}

type Membership = { kind: MemberKind; since: number };

type Properties = Omit<Group, 'members'>;

export interface GroupEntry {
  id: string;
  properties: Properties;
  madeAt: number;
  members: Map<string, Membership>;
  /** Every change of `members`, oldest first; `was` is undefined for someone who was no member before. */
  changes: { at: number; id: string; was: Membership | undefined }[];
}

export type Directory = ReturnType<typeof createDirectory>;

/** What a new security group looks like to Graph (learn:group-post-groups, response), but for what is null. */
const NEW_GROUP: Properties = { groupTypes: [], mailEnabled: false, mailNickname: 'group', securityEnabled: true };

export function createDirectory(clock: Clock, newId: () => string) {
  const people = new Map<string, Person>();
  const risks = new Map<string, Risk>();
  const groups = new Map<string, GroupEntry>();
  /** Devices and service principals. */
  const others = new Map<string, MemberKind>();
  let count = 0;

  function addPerson(name = personName(count)): string {
    count++;
    const [id, upn] = [newId(), upnOf(name)];
    people.set(id, { id, name, mail: upn.toLowerCase(), upn });
    return id;
  }

  function removePerson(id: string): void {
    people.delete(id);
    for (const group of groups.values()) remove(group, id);
  }

  function setUpn(id: string, upn: string | null): void {
    const known = [people.get(id), risks.get(id)].filter((entry) => entry !== undefined);
    if (known.length === 0) throw new Error(`no user ${id}`);
    for (const entry of known) entry.upn = upn;
  }

  function setRisk(id: string, change: Partial<Risk>): void {
    const known = risks.get(id) ?? people.get(id);
    if (!known) throw new Error(`no user ${id}`);
    risks.set(id, { level: 'none', state: 'none', isDeleted: false, ...known, ...change });
  }

  function addGroup(properties: Properties): GroupEntry {
    const id = (properties.id ?? newId()).toLowerCase();
    const madeAt = properties.createdDateTime ? Date.parse(properties.createdDateTime) : clock.now();
    const createdDateTime = `${new Date(madeAt).toISOString().slice(0, 19)}Z`;
    const all = { ...NEW_GROUP, ...properties, id, createdDateTime };
    const group: GroupEntry = { id, properties: all, madeAt, members: new Map(), changes: [] };
    groups.set(id, group);
    return group;
  }

  const group = (idOrName: string) => oneOf(groups, idOrName, ({ properties }) => properties.displayName);

  const kindOf = (id: string): MemberKind | undefined =>
    people.has(id) ? 'user' : groups.has(id) ? 'group' : others.get(id);

  function change(entry: GroupEntry, id: string, now: Membership | undefined): void {
    const was = entry.members.get(id);
    if (!was === !now) return;
    entry.changes.push({ at: clock.now(), id, was });
    if (now) entry.members.set(id, now);
    else entry.members.delete(id);
  }

  function add(entry: GroupEntry, id: string): void {
    const kind = kindOf(id);
    if (!kind) throw new Error(`no object ${id}`);
    change(entry, id, { kind, since: clock.now() });
  }

  const remove = (entry: GroupEntry, id: string): void => change(entry, id, undefined);

  function membersAt(entry: GroupEntry, at: number): ReadonlyMap<string, Membership> {
    if ((entry.changes.at(-1)?.at ?? at) <= at) return entry.members;
    const then = new Map(entry.members);
    for (const { id, was } of entry.changes.filter((later) => later.at > at).toReversed()) {
      if (was) then.set(id, was);
      else then.delete(id);
    }
    return then;
  }

  return {
    ...{ people, risks, groups, others },
    ...{ addPerson, removePerson, setUpn, setRisk, addGroup, group, add, remove, kindOf, membersAt },
  };
}
