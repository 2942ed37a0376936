/** Which address stands for whom, and what may be removed: lists remove by value while the plan thinks in ids. */
import { type Membership, OBJECT_ID, type RiskLevel, type RiskReading, type UserId } from '../plan';

/** An entry of a list. */
export interface Entry {
  /** As the list has it. */
  value: string;
  /** In lower case, by which addresses are compared. */
  address: string;
  /** Undefined where somebody else wrote it, or where it lost its description. */
  user: UserId | undefined;
}

/** What is known, by address and by user, so that what is asked of one of them costs no search. */
export interface Survey {
  /** The entries of each list. */
  standing: ReadonlyMap<RiskLevel, readonly Entry[]>;
  readings: readonly RiskReading[];
  exempt: ReadonlySet<UserId>;
  /** The addresses of each list, with the users whom their entries name. */
  present: ReadonlyMap<RiskLevel, ReadonlyMap<string, readonly Entry['user'][]>>;
  /** What must stand at a user's level: their present address, and all under which they stand anywhere. */
  needed: ReadonlyMap<Entry['user'], readonly string[]>;
  /** To whom an address belongs, by what Entra says or by what stands beside it in any list. */
  owners: ReadonlyMap<string, readonly Entry['user'][]>;
}

/** RFC 5321 without quoted strings, and no guest, whose address is another; the rest is left to Cloudflare's refusal. */
const ADDRESS =
  /^(?!.*#ext#)(?=.{1,254}$)[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]$/;

/** The entry that a value and its description are. */
export function entryOf(value: string, description: string): Entry {
  const id = description.trim().toLowerCase();
  return { value, address: value.toLowerCase(), user: OBJECT_ID.test(id) ? id : undefined };
}

/** The users whom these entries name, each once. */
export function usersOf(entries: readonly Entry[]): UserId[] {
  return [...new Set(entries.flatMap(({ user }) => user ?? []))];
}

/** The address of a user that a list can hold; undefined for guests and whoever has none. */
export function listableAddress(user: UserId, { addresses }: RiskReading): string | undefined {
  return addresses.get(user)?.find((address) => ADDRESS.test(address));
}

/** Brings what is known of lists and users into order. */
export function survey({ standing, readings, exempt }: Pick<Survey, 'standing' | 'readings' | 'exempt'>): Survey {
  const entries = [...standing.values()].flat().map(({ user, address }) => [user, address] as const);
  const all = readings.flatMap(({ addresses }) => [...addresses]);
  const said = all.flatMap(([user, some]) => some.map((address) => [user, address] as const));
  const byAddress = (list: readonly Entry[]) => grouped(list.map(({ address, user }) => [address, user]));
  return {
    ...{ standing, readings, exempt },
    present: new Map([...standing].map(([level, list]) => [level, byAddress(list)])),
    needed: grouped([...said.filter(([, address]) => ADDRESS.test(address)), ...entries]),
    owners: grouped([...said, ...entries].map(([user, address]) => [address, user])),
  };
}

/** What users lack at a level. */
export function missingEntries(level: RiskLevel, users: readonly UserId[], { present, needed }: Survey): Entry[] {
  const isMissing = (address: string) => !present.get(level)?.has(address);
  const lacking = (user: UserId) => needed.get(user)?.filter(isMissing) ?? [];
  return users.flatMap((user) => lacking(user).map((address) => ({ value: address, address, user })));
}

/** Where users stand at a level: whoever has no address that a list could hold counts as complete. */
export function membershipOf(level: RiskLevel, known: Survey): Membership {
  const users = known.readings.flatMap(({ atRisk }) => [...atRisk.keys()].filter((user) => atRisk.get(user) === level));
  const complete = users.filter((user) => missingEntries(level, [user], known).length === 0);
  return { members: new Set(usersOf(removableEntries(level, known, 'once moved'))), complete: new Set(complete) };
}

/**
 * The entries that may be removed from a level: none that belongs to somebody else or to anyone exempt, in doubt or at
 * risk at that level, whoever its description names; or to anyone at risk elsewhere where the address does not stand,
 * `now` or, if that is still to be seen to, `once moved`.
 */
export function removableEntries(level: RiskLevel, known: Survey, when: 'now' | 'once moved'): Entry[] {
  const { standing, readings, exempt, present, owners } = known;
  const mayLose = (user: UserId, address: string) =>
    !exempt.has(user) &&
    readings.every(({ atRisk, inDoubt, addresses }) => {
      const at = atRisk.get(user);
      if (inDoubt.has(user) || at === level) return false;
      if (at === undefined) return true;
      const named = present.get(at)?.get(address);
      if (named === undefined) return when === 'once moved';
      // By an entry of somebody else an address would stand only for as long as they need it.
      return named.includes(user) || addresses.get(user)?.includes(address);
    });
  // Whose address was not told may stand under any.
  const isHidden = ({ atRisk, inDoubt, addresses }: RiskReading) =>
    [...atRisk.keys(), ...inDoubt].some((user) => !exempt.has(user) && !addresses.has(user));
  if (readings.some(isHidden)) return [];
  const isRemovable = ({ address }: Entry) =>
    !present.get(level)?.get(address)?.includes(undefined) &&
    owners.get(address)?.every((user) => user === undefined || mayLose(user, address));
  return standing.get(level)?.filter(isRemovable) ?? [];
}

/** The values of each key, of which there are few. */
function grouped<Key, Value>(pairs: readonly (readonly [Key, Value])[]): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>();
  for (const [key, value] of pairs) {
    const values = groups.get(key);
    if (values) values.push(value);
    else groups.set(key, [value]);
  }
  return groups;
}
