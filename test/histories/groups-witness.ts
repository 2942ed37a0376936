/** Judges what one run does to the groups, request by request. */
import type { RiskLevel } from '../../src/plan';
import { isEligible } from './group-kinds';
import { type Entry, type Listing, records } from './reading';
import { creationRules, noteBroken, releaseRules, standingRules } from './rules';
import { type Answered, type Done, type Judge, keyOf, type Sent } from './witness';

/** What an isolate may remember: pinned groups shown to be right, and "VERB GROUP USER" of what Graph called done. */
export type Isolate = { shown: Set<string>; told: Set<string> };

export interface GroupsKnown {
  /** The level that a group is kept for. */
  levelOf(groupId: string): RiskLevel | undefined;
  isNamed(name: string, level: RiskLevel): boolean;
  pins: readonly string[];
  isolate: Isolate;
}

type Verb = 'add' | 'remove';
/** What a user was answered last; status 0 as long as nothing has come. */
type Outcome = { status: number; said: string };
/** `batch`: whom the last batch that was no repetition concerned. */
type Change = { verb: Verb; group: string; outcomes: Map<string, Outcome>; batch: string[] };
type ByGroup = Map<string, Set<string>>;
const ID = /^[\w-]{1,64}$/;
/** learn: five calls in ten seconds, of five users each. */
const MOST_OFFERS = 5;
const MOST_OFFERED_AT_ONCE = 5;

export function watchGroups(judge: Judge, { levelOf, isNamed, pins, isolate }: GroupsKnown) {
  const { wrong, readings, exempt } = judge;
  const { shown } = isolate;
  const toldBefore = new Set(isolate.told);
  /** Who was in a group when it was read last, or is known to have been added since; and who was read at any time. */
  const members: ByGroup = new Map();
  const seen: ByGroup = new Map();
  const done: Record<Verb, ByGroup> = { add: new Map(), remove: new Map() };
  const changes = new Map<string, Change>();
  /** What a reading of the members decides: that of an earlier change has been told. */
  let current: Change | undefined;
  /** Pinned groups that this run knows to be others. */
  const differs = new Set<string>();
  const released = new Set<string>();
  const lookups: { startMs: number; endMs: number; names: string[] }[] = [];
  /** Names of groups that this run has asked for, and may not ask for again. */
  const asked = new Set<string>();
  const created = new Set<string>();
  let removing = false;
  let offers = 0;
  /** Offers answered 401, which are repeated at once with another token. */
  const unauthorized = new Set<string>();

  const isShown = (group: string) => pins.length === 0 || shown.has(group);

  function judgeRemoval(group: string, user: string): void {
    removing = true;
    const standing = readings[0]?.standings.get(user);
    const isThere = [...members].some(([id, users]) => levelOf(id) === standing && isShown(id) && users.has(user));
    noteBroken(wrong, `${user} from ${group}`, [
      [exempt.has(user), 'I5: they are exempt'],
      [!seen.get(group)?.has(user), 'I3: they were not read there'],
      [!isShown(group), 'I5: the pinned group was not shown to be that of the level'],
      ...standingRules(standing, levelOf(group), isThere),
      [readings.some(({ standings }) => standings.get(user) === 'doubt'), 'I3: they are in doubt by a later reading'],
      ...releaseRules(judge, user, released),
    ]);
  }

  function judgeAdd(group: string, user: string): void {
    const level = levelOf(group);
    noteBroken(wrong, `${user} to ${group}`, [
      [!level, 'I5: none of the groups'],
      [differs.has(group), 'I5: the pinned group is another'],
      [exempt.has(user), 'I5: they are exempt'],
      [readings[0]?.standings.get(user) !== level, `I3: they were not read at risk at ${level}`],
      [removing, 'I4: an add after a removal'],
    ]);
  }

  const judgeCreation = (name: string) =>
    noteBroken(wrong, `created ${name}`, [
      [pins.length > 0, 'I5: although the groups are pinned'],
      ...creationRules(lookups, name, asked, ({ names }) => names.includes(name)),
    ]);

  /** On-demand provisioning is for those whom this run added to a group that others can have assigned. */
  function judgeOffer({ method, path, body }: Sent): void {
    offers += unauthorized.has(keyOf({ method, url: path, body })) ? 0 : 1;
    if (offers > MOST_OFFERS) wrong.push(`I7: more than ${MOST_OFFERS} offers`);
    const subjects = records(body['parameters']).flatMap((one) => records(one['subjects']));
    for (const { objectId, links } of subjects) {
      const group = String(objectId);
      const users = records(Object(links)['members']).map(({ objectId: user }) => String(user));
      const others = users.filter((user) => !done.add.get(group)?.has(user));
      noteBroken(wrong, `offered ${users} of ${group}`, [
        [!levelOf(group) || created.has(group), 'I5: not one to offer'],
        [users.length > MOST_OFFERED_AT_ONCE, `${users.length} at once`],
        [others.length > 0, `of whom it did not add ${others}`],
      ]);
    }
  }

  function changeOf({ verb, group }: Pick<Change, 'verb' | 'group'>): Change {
    const change = changes.get(`${verb} ${group}`) ?? { verb, group, outcomes: new Map(), batch: [] };
    changes.set(`${verb} ${group}`, change);
    return change;
  }

  function judgeBatch(parts: readonly Entry[]): void {
    const all = parts.flatMap((one) => partOf(one) ?? []);
    if (all.length < parts.length) wrong.push('I5: a part of a batch that neither adds nor removes');
    for (const { verb, group, user } of all) (verb === 'add' ? judgeAdd : judgeRemoval)(group, user);
    const [first] = all;
    if (!first) return;
    const change = changeOf(first);
    current = change;
    const fresh = all.flatMap(({ user }) => (change.outcomes.has(user) ? [] : [user]));
    if (fresh.length > 0 && failedAlike(change)) wrong.push(`I7: ${first.verb} went on in ${first.group}`);
    if (fresh.length > 0) change.batch = fresh;
    for (const { user } of all) change.outcomes.set(user, { status: 0, said: '' });
  }

  function before(sent: Sent): void {
    const { method, path, body } = sent;
    const parts = records(body['requests']);
    if (path === '/$batch' && parts.length > 0 && parts.length <= 20) judgeBatch(parts);
    else if (path.endsWith('/provisionOnDemand')) judgeOffer(sent);
    else if (method === 'POST' && path === '/groups') judgeCreation(nameIn(body));
    else wrong.push(`I5: ${method} ${path}`);
  }

  function after({ method, path, body }: Sent, { status, headers, body: answer }: Answered): void {
    if (path.endsWith('/provisionOnDemand') && status === 401) unauthorized.add(keyOf({ method, url: path, body }));
    if (method === 'POST' && path === '/groups') {
      if (status === 201) created.add(String(answer['id']));
      // 401 is no creation either: it is asked again with another token.
      const isNone = [401, 429].includes(status) || (status === 503 && headers.has('retry-after'));
      if (isNone) asked.delete(nameIn(body));
    }
    const responses = answer['error'] ? [] : records(answer['responses']);
    const isOk = status >= 200 && status < 300;
    for (const one of records(body['requests'])) {
      const part = partOf(one);
      if (!part) continue;
      const { verb, group, user } = part;
      const own = isOk ? responses.find(({ id }) => id === one['id']) : { status, body: answer };
      const outcome = { status: Number(own?.['status'] ?? 0), said: saidOf(own?.['body']) };
      changeOf(part).outcomes.set(user, outcome);
      if (outcome.status === 204) note(verb, group, user);
      const isNone = verb === 'remove' && [400, 404].includes(outcome.status) && /exist/.test(outcome.said);
      if (outcome.status === 204 || isNone) isolate.told.add(`${verb} ${group} ${user}`);
    }
  }

  function note(verb: Verb, group: string, user: string): void {
    const lists = verb === 'add' ? [done.add, members] : [done.remove];
    for (const list of lists) list.set(group, (list.get(group) ?? new Set()).add(user));
    isolate.told.delete(`${verb === 'add' ? 'remove' : 'add'} ${group} ${user}`);
  }

  /** A whole list that is not of risky users. */
  function read({ path, query, entries, startMs, endMs }: Listing): void {
    const [, group] = /^\/groups\/([^/]+)\/members$/.exec(path) ?? [];
    if (path === '/groups' && query.includes('id in')) for (const entry of entries) readPin(entry);
    else if (path === '/groups') lookups.push({ startMs, endMs, names: entries.map(nameIn) });
    // With one entry to a page it is asked whether the group is there, no more.
    if (!group || query.endsWith('$top=1')) return;
    const people = entries.filter(({ '@odata.type': type }) => type === '#microsoft.graph.user');
    const users = people.map(({ id }) => String(id).toLowerCase());
    const isCurrent = current?.group === group;
    if (!current || (isCurrent && current.verb === 'add')) members.set(group, new Set(users));
    if (current && isCurrent) settle(current, users);
    seen.set(group, new Set([...(seen.get(group) ?? []), ...users]));
  }

  /** What was answered as done, and is read otherwise, counts as little as what was left open. */
  function settle({ verb, group, outcomes }: Change, users: readonly string[]): void {
    // Whom others have added meanwhile it may take for added by itself, where no time was left to send that.
    for (const user of verb === 'add' ? users : []) {
      if (outcomes.has(user) || seen.get(group)?.has(user)) continue;
      note(verb, group, user);
      toldBefore.add(`${verb} ${group} ${user}`);
    }
    for (const [user, { status, said }] of outcomes) {
      // With another token there was perhaps no time to ask again.
      if (status === 401) toldBefore.add(`${verb} ${group} ${user}`);
      else if (status !== 204 && !isOpen(verb, status, said)) continue;
      if (users.includes(user) === (verb === 'add')) note(verb, group, user);
      else done[verb].get(group)?.delete(user);
      if (status !== 401) toldBefore.delete(`${verb} ${group} ${user}`);
      outcomes.set(user, { status: 409, said: 'settled' });
    }
  }

  function readPin(entry: Entry): void {
    const { id, displayName: name } = entry;
    if (typeof name !== 'string') return;
    const level = levelOf(String(id));
    const isOurs = level !== undefined && isNamed(name, level);
    // Of a kind that is not shown nothing is known.
    if (isOurs && [entry['securityEnabled'], entry['mailEnabled'], entry['groupTypes']].some((one) => one == null))
      return;
    const isRight = isOurs && isEligible(entry);
    (isRight ? shown : differs).add(String(id));
    (isRight ? differs : shown).delete(String(id));
  }

  const said = (group: string, user: string) => `${levelOf(group)} ${user}`;
  const byLevel = (list: ByGroup) =>
    [...list].flatMap(([group, users]) => [...users].map((user) => said(group, user))).sort();
  const open = () => [...toldBefore].map((one) => said(one.split(' ')[1] ?? '', one.split(' ')[2] ?? ''));
  const outcomesOfAdds = () => [...changes.values()].flatMap((one) => (one.verb === 'add' ? [...one.outcomes] : []));
  return {
    ...{ before, after, read },
    done: (): Done => ({ added: byLevel(done.add), removed: byLevel(done.remove), open: open() }),
    unsure: () => new Set(outcomesOfAdds().flatMap(([user, { status }]) => (status === 404 ? [user] : []))),
  };
}

/** Whether an answer leaves open what was done, so that the members decide. */
function isOpen(verb: Verb, status: number, said: string): boolean {
  if (status === 404) return verb === 'remove';
  if (status === 400) return /object references (already|do not) exist/i.test(said);
  return status !== 204 && (status < 400 || status >= 500 || status === 408);
}

/** Whether all of a batch were refused alike, for a reason that is not theirs. */
function failedAlike({ verb, outcomes, batch }: Change): boolean {
  const answers = batch.map((user) => outcomes.get(user));
  const [first] = answers;
  if (!first || first.status === 204 || first.status === 404) return false;
  const theirs = first.status === 400 && isOpen(verb, first.status, first.said);
  return !theirs && answers.every((one) => one?.status === first.status && one.said === first.said);
}

function partOf({ method, url, body }: Entry): { verb: Verb; group: string; user: string } | undefined {
  const [, group = '', id = ''] = /^\/groups\/([^/]+)\/members\/(?:([^/]+)\/)?\$ref$/.exec(String(url)) ?? [];
  const verb = method === 'DELETE' ? 'remove' : 'add';
  const user = verb === 'remove' ? id : (String(Object(body)['@odata.id']).split('/').at(-1) ?? '');
  const isSound = ID.test(group) && ID.test(user) && (verb === 'remove' || (method === 'POST' && id === ''));
  return isSound ? { verb, group, user } : undefined;
}

const nameIn = ({ displayName }: Entry) => String(displayName).toLowerCase();
const saidOf = (body: unknown) => JSON.stringify(Object(Object(body)['error']));
