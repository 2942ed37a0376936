/** Judges what one run does to the lists, request by request. */
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';
import { NAMES } from '../scenarios/scene';
import { isGuid } from '../tenant/guids';
import type { Isolate } from './groups-witness';
import { type Entry as Json, records } from './reading';
import { creationRules, noteBroken, releaseRules, standingRules } from './rules';
import type { Answered, Done, Judge, Sent } from './witness';

/** `user`: undefined where others wrote it. */
export type Entry = { value: string; address: string; user: string | undefined };

type List = ReturnType<typeof newList>;
const MOST_PATCHES = 10;

export function watchLists(judge: Judge, { told }: Isolate) {
  const { wrong, readings, exempt, now } = judge;
  const lookups: { startMs: number; endMs: number; lists: Json[] }[] = [];
  const lists = new Map<string, List>();
  const pages = new Map<string, Map<string, Entry>>();
  const asked = new Set<string>();
  const released = new Set<string>();
  /** What is told again to be done may not be, so the run has to look. */
  const toldBefore = new Set(told);
  let removing = false;
  /** To which users are being added: what is learnt later comes too late for its log. */
  let current: List | undefined;

  const stands = (address: string, level: unknown) =>
    [...lists.values()].some((list) => list.level === level && isIn(list.entries, address));
  const everywhere = () => [...lists.values()].flatMap(({ entries }) => entries);

  /** Everyone whose address it is, or was when it was listed. */
  function ownersOf(address: string): Set<string> {
    const listed = everywhere().flatMap((one) => (one.address === address && one.user ? [one.user] : []));
    const known = readings.flatMap(({ addresses }) => [...addresses].filter(([, of]) => of === address));
    return new Set([...listed, ...known.map(([user]) => user)]);
  }

  function addressesOf(user: string): Set<string> {
    const upn = readings[0]?.addresses.get(user);
    const listed = everywhere().flatMap((one) => (one.user === user ? [one.address] : []));
    return new Set([...listed, ...(isListable(upn) ? [upn] : [])]);
  }

  function judgeAdd(list: List, { value, address, user }: Entry): void {
    const what = `${value} to the ${list.level} list`;
    if (!user) return void noteBroken(wrong, what, [[true, 'I5: without the id of a user']]);
    noteBroken(wrong, what, [
      [value !== address, 'not in lower case'],
      [readings[0]?.standings.get(user) !== list.level, 'I3: they were not read at risk there'],
      [exempt.has(user), 'I5: they are exempt'],
      [!addressesOf(user).has(address), 'I5: not an address of theirs'],
      [isIn(list.entries, address), 'it stands there'],
      [removing, 'I4: an add after a removal'],
    ]);
    list.added.set(user, false);
  }

  function judgeRemoval(list: List, value: string): void {
    removing = true;
    const what = `${value} from the ${list.level} list`;
    const entry = list.entries.find((one) => one.value === value);
    const { address = '', user } = entry ?? {};
    if (!entry || !user)
      return void noteBroken(wrong, what, [[true, entry ? 'I5: others wrote it' : 'I3: it was not read there']]);
    list.removed.set(entry, false);
    for (const owner of ownersOf(address)) {
      noteBroken(wrong, what, [[exempt.has(owner), 'I5: it belongs to somebody exempt']]);
      for (const { standings } of readings) {
        const standing = standings.get(owner);
        noteBroken(wrong, `${what}, of ${owner}`, standingRules(standing, list.level, stands(address, standing)));
      }
    }
    noteBroken(wrong, what, releaseRules(judge, user, released));
  }

  function judgePatch(list: List | undefined, { path, body }: Sent): void {
    const verb = body['append'] ? 'add' : 'remove';
    if (!list) return void noteBroken(wrong, path, [[true, 'I3: it was not read']]);
    list.patches += 1;
    noteBroken(wrong, path, [
      [!lookups.some((one) => keptFor(list.level, one.lists)?.['id'] === idIn(path)), 'I5: it is not ours'],
      [list.patches > MOST_PATCHES, `I7: more than ${MOST_PATCHES} changes`],
      [list.mustRead.has(verb), 'changed again before it was read'],
    ]);
    for (const one of records(body['append'])) judgeAdd(list, toEntry(one));
    for (const value of [body['remove'] ?? []].flat()) judgeRemoval(list, String(value));
    // As long as nothing has come, nobody knows what was done.
    list.mustRead.add(verb);
    current = verb === 'add' ? list : undefined;
  }

  function judgeCreation(list: Json): void {
    const { name, type } = list;
    const level = levelNamed(name);
    noteBroken(wrong, `created the list ${name}`, [
      [!level || type !== 'EMAIL' || !isMarked(list, level), 'I5: none of ours'],
      ...creationRules(lookups, String(name), asked, (one) => level !== undefined && !!keptFor(level, one.lists)),
    ]);
  }

  function before(sent: Sent): void {
    if (sent.method === 'POST') judgeCreation(sent.body);
    else if (sent.method === 'PATCH') judgePatch(lists.get(idIn(sent.path)), sent);
  }

  function after({ method, url, path, body }: Sent, startMs: number, { status, body: answer }: Answered): void {
    const hasErrors = records(answer['errors']).length > 0;
    const isSuccess = status >= 200 && status < 300 && answer['success'] === true && !hasErrors;
    const isRefused = (status >= 400 && status < 500) || answer['success'] === false || hasErrors;
    const list = lists.get(idIn(path));
    if (method === 'POST' && isSuccess) created(Object(answer['result']));
    if (method === 'POST' && status === 429) asked.delete(String(body['name']));
    if (method === 'PATCH' && list) patched(list, body, isSuccess, isRefused, status === 429);
    if (method === 'GET' && isSuccess && path === '/lists') lookedUp(startMs, answer['result']);
    else if (method === 'GET' && isSuccess) readPage(idIn(path), new URL(url).searchParams.get('page') === '1', answer);
    if (current) Object.assign(current, { told: addedTo(current, false), sure: addedTo(current, true) });
  }

  function created(list: Json): void {
    lookups.at(-1)?.lists.push(list);
    const level = levelNamed(list['name']);
    if (level) lists.set(String(list['id']), newList(level, []));
  }

  function patched(list: List, { append, remove }: Json, isSuccess: boolean, isRefused: boolean, isThrottled: boolean) {
    const verb = append ? 'add' : 'remove';
    const added = records(append).map(toEntry);
    const gone = [...list.removed.keys()].filter(({ value }) => [remove].flat().includes(value));
    const keys = [...added, ...gone].map(({ user, address }) => `${verb} ${list.level} ${user} ${address}`);
    const isSure = !keys.some((key) => toldBefore.has(key));
    for (const key of keys) told.add(key);
    // Refused again, it is sent in parts.
    if (isSuccess || isThrottled || (isRefused && list.failed.has(verb))) list.mustRead.delete(verb);
    if (!isSuccess) return void (isThrottled || list.failed.add(verb));
    for (const { user = '' } of added) list.added.set(user, isSure);
    for (const one of gone) list.removed.set(one, isSure);
    list.entries = [...list.entries.filter(({ value }) => ![remove].flat().includes(value)), ...added];
  }

  function lookedUp(startMs: number, result: unknown): void {
    const found = records(result);
    const isWhole = result === null || (Array.isArray(result) && found.length === result.length);
    if (isWhole && found.every(({ id, name, type }) => [id, name, type].every((one) => typeof one === 'string')))
      lookups.push({ startMs, endMs: now(), lists: found });
  }

  function readPage(id: string, isFirst: boolean, { result, result_info: info }: Json): void {
    // Others may have renamed it since, or changed it between two lookups.
    const known = lookups.flatMap((one) => one.lists.filter((list) => list['id'] === id));
    const level = lists.get(id)?.level ?? known.map(({ name }) => levelNamed(name)).find((one) => one);
    const read = isFirst ? new Map<string, Entry>() : pages.get(id);
    if (!level || !read) return;
    const items = records(result);
    if (items.some(({ value }) => typeof value !== 'string') || (Array.isArray(result) && items.length < result.length))
      return void pages.delete(id);
    pages.set(id, read);
    for (const one of items.map(toEntry)) read.set(one.value, one);
    // Only a run's first reading may follow an earlier lookup than its last.
    const counted = lists.has(id) ? known.slice(-1) : known;
    const isWhole = counted.some(({ count }) => {
      const totals = [Object(info)['total_count'], count].filter((one) => one !== undefined);
      return totals.length > 0 && totals.every((one) => one === read.size);
    });
    if (!isWhole) return;
    const entries = [...read.values()];
    const list = lists.get(id) ?? newList(level, entries);
    const failed = new Set([...list.failed, ...list.mustRead]);
    lists.set(id, Object.assign(list, { entries, failed, mustRead: new Set() }));
  }

  /** As sure as the run can be; `open` is what it may tell, or not. */
  function done(): Done {
    const all = [...lists.values()];
    const tell = (users: (list: List) => readonly string[]) =>
      all.flatMap((list) => users(list).map((user) => `${list.level} ${user}`)).sort();
    const added = tell(({ told }) => told);
    const removed = tell((list) => removedFrom(list, false));
    const sure = [...tell((list) => list.sure), ...tell((list) => removedFrom(list, true))];
    return { added, removed, open: [...added, ...removed].filter((one) => !sure.includes(one)) };
  }

  function addedTo({ level, start, entries, added }: List, isSure: boolean): string[] {
    const all: [string, unknown][] = isSure ? [...added] : [...(readings[0]?.standings ?? [])];
    const users = all.flatMap(([user, is]) => (is === (isSure || level) ? [user] : []));
    const isComplete = (user: string, there: typeof start) => [...addressesOf(user)].every((one) => isIn(there, one));
    return users.filter((user) => !exempt.has(user) && !isComplete(user, start) && isComplete(user, entries));
  }

  return { before, after, done };
}

function removedFrom({ entries, removed }: List, isSure: boolean): string[] {
  const left = ({ value, user }: Entry) => entries.some((one) => one.value === value && one.user === user);
  const users = new Set([...removed.keys()].map(({ user = '' }) => user));
  for (const [entry, sure] of removed) if (left(entry) || (isSure && !sure)) users.delete(entry.user ?? '');
  return [...users];
}

const newList = (level: RiskLevel, start: readonly Entry[], nobody: readonly string[] = []) => ({
  // As it was read first, and as far as the run can know now.
  ...{ level, start, entries: start, patches: 0 },
  // The changes of which something failed, and those after which the list must be read before more is sent.
  ...{ failed: new Set<string>(), mustRead: new Set<string>() },
  // What was tried, and whether the answer was a success; who was added: perhaps, and for sure.
  ...{ added: new Map<string, boolean>(), removed: new Map<Entry, boolean>(), told: nobody, sure: nobody },
});

type AnyList = { [property in 'id' | 'name' | 'type' | 'description' | 'created_at']?: unknown };

/** All of the name of a level, the oldest first. */
export const listsNamed = <List extends AnyList>(level: RiskLevel, lists: readonly List[]): List[] => {
  const age = ({ created_at, id }: List) => `${created_at} ${id}`;
  const named = lists.filter(({ name, type }) => type === 'EMAIL' && name === NAMES[level]);
  return named.sort((a, b) => (age(a) < age(b) ? -1 : 1));
};

/** Somebody renamed it, and policies refer to it by its id. */
export const renamedList = <List extends AnyList>(level: RiskLevel, lists: readonly List[]): List | undefined =>
  lists.find((one) => one.type === 'EMAIL' && one.name !== NAMES[level] && isMarked(one, level));

/** The list of a level by what was looked up. */
const keptFor = (level: RiskLevel, found: readonly Json[]): Json | undefined =>
  renamedList(level, found) ? { id: 'renamed' } : listsNamed(level, found)[0];

const levelNamed = (name: unknown) => RISK_LEVELS.find((one) => NAMES[one] === name);
const isIn = (entries: readonly Entry[], address: string) => entries.some((one) => one.address === address);
const idIn = (path: string) => path.split('/')[2] ?? '';
export const markOf = (level: RiskLevel) => `risky-users:${level}`;
const isMarked = ({ description }: AnyList, level: RiskLevel) => String(description).includes(markOf(level));

export const isListable = (upn: string | null | undefined): upn is string =>
  upn?.includes('@') === true && !upn.toLowerCase().includes('#ext#');

export function toEntry({ value, description }: { value?: unknown; description?: unknown }): Entry {
  const id = String(description ?? '').toLowerCase();
  return { value: String(value), address: String(value).toLowerCase(), user: isGuid(id) ? id : undefined };
}
