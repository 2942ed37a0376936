/** The lists of a history: what others do to them, and what is true of them. */
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';
import { NAMES } from '../scenarios/scene';
import type { Cloudflare } from '../tenant/cloudflare/cloudflare';
import { guestUpn } from '../tenant/names';
import type { Tenant } from '../tenant/tenant';
import type { EntryKind, History, ListKind, Upn } from './history';
import { type Entry as AnyEntry, isListable, listsNamed, markOf, renamedList, toEntry } from './lists-witness';
import type { Standing } from './reading';

type People = { ids: readonly string[]; exempt: ReadonlySet<string>; standing(id: string): Standing | undefined };
type Entry = AnyEntry & { level: RiskLevel };
type Properties = Omit<Parameters<Cloudflare['addList']>[0], 'name'> & { name?: string };

const PROPERTIES: Record<ListKind, (level: RiskLevel) => Properties> = {
  fit: (level) => ({ description: `${markOf(level)}, kept by the Worker` }),
  older: (level) => ({ description: markOf(level), created_at: '2020-02-02T02:02:02.000Z' }),
  'without a mark': () => ({ description: 'made by hand' }),
  renamed: (level) => ({ description: markOf(level), name: `Isolated ${level}` }),
  'of hosts': () => ({ type: 'DOMAIN' }),
};

export function createListsWorld(history: History, tenant: Tenant, cloudflare: Cloudflare, people: People) {
  const { ids, exempt, standing } = people;
  const upns = new Map<string, string | null>();
  let renamed = 0;

  /** Gives what they were called; a name that comes later is another. */
  function setUpn(id: string, kind: Upn): void {
    const index = ids.indexOf(id);
    const now = tenant.user(id)?.userPrincipalName ?? null;
    renamed += 1;
    const next = {
      own: upns.has(id) ? `Renamed.${renamed}@Contoso.example` : now,
      'of the next': upns.get(ids[(index + 1) % ids.length] ?? '') ?? now,
      guest: guestUpn(`guest.${index}@partner.example`),
      none: null,
      'no address': `nobody.${index}`,
      refused: `Refused.${index}@Contoso.example`,
    }[kind];
    if (kind === 'refused') cloudflare.refusedValues.add(addressOf(next) ?? '');
    upns.set(id, next);
    tenant.setUpn(id, next);
  }

  const addressOf = (upn: string | null | undefined) => (isListable(upn) ? upn.toLowerCase() : undefined);

  function addList(level: RiskLevel, kind: ListKind): void {
    if (kind === 'of hosts' && cloudflare.sameName === 'refused') return;
    const id = cloudflare.addList({ name: NAMES[level], ...PROPERTIES[kind](level) });
    cloudflare.allowWritesTo(id);
    for (let other = 0; other < history.others; other += 1)
      cloudflare.putEntries(id, { value: `stranger.${other}@elsewhere.example`, description: 'added by hand' });
  }

  /** The list that is kept for the level: the oldest of its name. */
  const ours = (level: RiskLevel): string | undefined => listsNamed(level, cloudflare.lists())[0]?.id;
  const isRenamed = (level: RiskLevel) => renamedList(level, cloudflare.lists()) !== undefined;
  const usable = () => RISK_LEVELS.filter((level) => !isRenamed(level));

  function addEntry(id: string, level: RiskLevel, kind: EntryKind): void {
    const list = ours(level);
    const upn = upns.get(id) ?? '';
    const address = addressOf(upn);
    const next = ids[(ids.indexOf(id) + 1) % ids.length] ?? id;
    const former = { value: `former.${ids.indexOf(id)}@contoso.example`, description: id };
    const own = address ? { value: address, description: id } : former;
    const entry = {
      ...{ own, former },
      'as written': address ? { value: upn, description: id.toUpperCase() } : former,
      'described as the next': { ...own, description: next },
      'of others': { ...own, description: 'added by hand' },
    }[kind];
    if (list && !isAt(level, entry.value.toLowerCase())) cloudflare.putEntries(list, entry);
  }

  function removeEntries(id: string, level: RiskLevel): void {
    for (const { value, user, address } of entriesAt(level))
      if (user === id || address === addressOf(upns.get(id))) cloudflare.removeEntry(ours(level) ?? '', value);
  }

  function renameList(level: RiskLevel): void {
    const wrong = renamedList(level, cloudflare.lists());
    const list = wrong?.id ?? ours(level);
    // A run that is under way knows it by its id.
    if (list) cloudflare.allowWritesTo(list);
    if (list) cloudflare.changeList(list, { name: wrong ? NAMES[level] : `Once ${level}` });
  }

  function deleteList(level: RiskLevel): void {
    const list = ours(level);
    if (list) cloudflare.deleteList(list);
  }

  /** The entries of the list of a level. */
  function entriesAt(level: RiskLevel): Entry[] {
    const list = ours(level);
    const found = list === undefined ? [] : cloudflare.entries(list);
    return found.map((one) => ({ level, ...toEntry(one) }));
  }

  const entries = () => RISK_LEVELS.flatMap(entriesAt);
  const isAt = (level: unknown, address: string | undefined, user?: string) =>
    entries().some((one) => one.level === level && one.address === address && (user ?? one.user) === one.user);

  /** Everyone whose address it is by what riskyUsers says, or by what stands beside it. */
  function ownersOf(address: string, listed: readonly Entry[]): string[] {
    const described = listed.flatMap((one) => (one.address === address && one.user ? [one.user] : []));
    const named = ids.filter((id) => standing(id) !== undefined && upns.get(id)?.toLowerCase() === address);
    return [...new Set([...described, ...named])];
  }

  /** What of a change nobody should have made who knew the truth; after a lie, an address need only stand anywhere. */
  function wrongIn(before: readonly Entry[], lied: boolean): string[] {
    const now = entries();
    const isNew = ({ level, value }: Entry) => !before.some((one) => one.level === level && one.value === value);
    const isDue = ({ level, user = '' }: Entry) => standing(user) === level && !exempt.has(user);
    const added = now.filter((one) => isNew(one) && !isDue(one));
    const removed = before.filter((one) => !isAt(one.level, one.address));
    const there = (level: RiskLevel) => before.filter((one) => one.level === level);
    return [
      ...added.map(({ user = '', level, value }) => `${value} was added to ${level} for ${standing(user)}`),
      ...removed.flatMap(({ address, level, user = '' }) =>
        // Of whom a lie leaves out nobody knows the address; by what another list says the witness judges, if it was read.
        (lied ? [user] : ownersOf(address, there(level))).flatMap((owner) => {
          const present = standing(owner);
          const note = (why: string) => [`${why}: ${address} was removed from ${level}, of ${owner} at ${present}`];
          if (exempt.has(owner)) return note('I5');
          if (present === 'doubt') return note('I3');
          const isCovered = lied ? now.some((one) => one.address === address) : isAt(present, address);
          return present === undefined || isCovered ? [] : note('I4');
        }),
      ),
    ];
  }

  /** Whether nobody needs the entry there any more, as far as it stands where its owners are now. */
  function isSurplus({ level, address, user }: Entry, all: readonly Entry[]): boolean {
    if (user === undefined) return false;
    return ownersOf(address, all).every((owner) => {
      const present = standing(owner);
      if (exempt.has(owner) || present === level || present === 'doubt') return false;
      const isTheirs = isAt(present, address, owner) || upns.get(owner)?.toLowerCase() === address;
      return present === undefined || (isTheirs && isAt(present, address) && !isRenamed(present) && !isOut(owner, all));
    });
  }

  const atRisk = () => ids.filter((id) => !exempt.has(id) && usable().some((level) => level === standing(id)));

  /** What is not where it should be, at the levels that can be used. `held`: nobody is released, by choice. */
  function amiss(held = false): string[] {
    const all = entries();
    const isWrong = (one: Entry) => usable().includes(one.level) && isSurplus(one, all);
    const surplus = all.filter((one) => isWrong(one) && (!held || standing(one.user ?? '') !== undefined));
    const missing = atRisk().filter((id) => {
      const address = addressOf(upns.get(id));
      return address && !isAt(standing(id), address) && !isRefused(address);
    });
    return [
      ...surplus.map(({ level, value, user = '' }) => `${value} stays in ${level}, of ${user} at ${standing(user)}`),
      ...missing.map((id) => `${upns.get(id)} is not in ${standing(id)}`),
    ];
  }

  /** Whether they need an address at their level that Cloudflare does not take. */
  function isOut(id: string, all: readonly Entry[]): boolean {
    const listed = all.flatMap(({ user, address }) => (user === id ? [address] : []));
    return [...listed, addressOf(upns.get(id))].some((one) => isRefused(one) && !isAt(standing(id), one));
  }

  const isRefused = (address = '') => cloudflare.refusedValues.has(address);

  /** Why a run must fail, whatever it does. */
  function hopeless(): string[] {
    const all = entries();
    const isAlone = history.destinations === 'lists';
    const isNowhere = (id: string) => isAlone && !exempt.has(id) && !addressOf(upns.get(id));
    return [
      ...RISK_LEVELS.filter(isRenamed).map((level) => `${level} is renamed`),
      ...ids.filter((id) => isNowhere(id) && (standing(id) ?? 'doubt') !== 'doubt').map((id) => `${id} stands nowhere`),
      ...atRisk().flatMap((id) => (isOut(id, all) ? [`${upns.get(id)} is refused`] : [])),
    ];
  }

  return {
    ...{ setUpn, addList, addEntry, removeEntries, renameList, deleteList },
    ...{ entries, wrongIn, amiss, hopeless },
    addresses: () => [...upns.values(), ...entries().map(({ value }) => value)].filter((one) => one !== null),
  };
}
