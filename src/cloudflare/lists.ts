/** The destination `lists`: three Cloudflare Zero Trust lists of e-mail addresses, which need no SCIM. */
import { attempt, type Context, type Destination, type LevelState, nameOf, partMs, readLevels } from '../context';
import { StepError } from '../errors';
import type { Verb } from '../log/events';
import type { RiskLevel, RiskReading, UserId } from '../plan';
import { changeEntries, type Target } from './change';
import { type Cloudflare, judgeLists, type List, listOf, markOf, readEntries, readLists } from './cloudflare';
import * as entry from './entries';

/** The lists as one run sees them. */
export function createLists(runContext: Context, cloudflare: Cloudflare): Destination {
  const context = { ...runContext, log: runContext.log.with({ destination: 'lists' }) };
  const { config, log } = context;
  const targets = new Map<RiskLevel, Target>();
  let known = entry.survey({ standing: new Map(), readings: [], exempt: config.EXEMPT_USER_IDS });
  const logOf = (level: RiskLevel) => log.with({ level });

  /** To be called after a list has been read or changed. */
  function know(readings: readonly RiskReading[]): void {
    const standing = new Map([...targets].map(([level, { entries }]) => [level, entries]));
    known = entry.survey({ ...known, standing, readings });
  }

  const find = () =>
    attempt(readLists(cloudflare, context).then(judgeLists), (error) => log.fail('lists-unread', { error }));

  /** What stands in a list becomes a membership when the users at risk are known. */
  async function read(level: RiskLevel, list: List): Promise<LevelState | undefined> {
    const tell = (error: StepError) => logOf(level).fail('list-unread', { what: nameOf(level), error });
    const entries = await attempt(readEntries(cloudflare, context, list), tell);
    if (entries === undefined) return undefined;
    targets.set(level, { level, id: list.id, entries, patches: 0 });
    return { members: new Set(), complete: new Set() };
  }

  async function change(verb: Verb, level: RiskLevel, entries: readonly entry.Entry[], untilMs: number) {
    const target = targets.get(level);
    if (target === undefined || entries.length === 0) return [];
    const done = await changeEntries(cloudflare, { ...context, endMs: untilMs }, target, { verb, entries });
    know(known.readings);
    return done;
  }

  const holds = (level: RiskLevel, user: UserId) =>
    known.needed.has(user) && entry.missingEntries(level, [user], known).length === 0;

  return {
    name: 'lists',

    async read(risk) {
      const states = await readLevels(context, find, read);
      const reading = await risk;
      if (reading === undefined) return states;
      know([reading]);
      const untold = [...reading.inDoubt].filter((user) => !reading.addresses.has(user));
      const counted = [...reading.atRisk.keys(), ...untold].filter((user) => !config.EXEMPT_USER_IDS.has(user));
      const users = counted.filter((user) => entry.listableAddress(user, reading) === undefined);
      // While an address is not told, nobody is removed either.
      const isTold = users.every((user) => reading.addresses.has(user));
      const tell = config.DESTINATIONS.has('groups') && isTold ? log.warn : log.fail;
      if (users.length > 0) tell('not-listable', { count: users.length }, users);
      return new Map([...states].map(([level, state]) => [level, { ...state, ...entry.membershipOf(level, known) }]));
    },

    async create(level) {
      const what = nameOf(level);
      const description = `${markOf(level)}, kept in sync by the risky-users Worker. Policies use its id.`;
      const options = { untilMs: partMs(context), repeat: 'if throttled' } as const;
      const body = { name: what, type: 'EMAIL', description };
      const { isSuccess, result, trace } = await cloudflare('POST', '', options, body);
      const id = isSuccess ? listOf(result)?.id : undefined;
      if (!isSuccess && [200, 400, 409].includes(trace.status)) trace.cause ??= 'list refused';
      if (id === undefined) return logOf(level).fail('list-not-created', { what, error: new StepError(trace) });
      targets.set(level, { level, id, entries: [], patches: 0 });
      logOf(level).warn('list-created', { what, id });
    },

    async add(level, users, untilMs) {
      const isOwn = ({ user = '', address }: entry.Entry) =>
        Number(known.readings.some(({ addresses }) => addresses.get(user)?.includes(address)));
      // One entry for an address, of somebody whose present one it is not: whose it is are covered by that alone.
      const missing = entry.missingEntries(level, users, known).sort((a, b) => isOwn(b) - isOwn(a));
      await change('add', level, [...new Map(missing.map((one) => [one.address, one])).values()], untilMs);
      return users.filter((user) => holds(level, user));
    },

    holds,

    async remove(level, users, untilMs, readings) {
      know(readings);
      const wanted = new Set<UserId | undefined>(users);
      const entries = entry.removableEntries(level, known, 'now').filter(({ user }) => wanted.has(user));
      const leaving = new Set(entry.usersOf(entries));
      const error = new StepError({ service: 'Cloudflare', status: 0, cause: 'needed by somebody' });
      const kept = users.filter((user) => !leaving.has(user)).map((user) => ({ user, error }));
      logOf(level).refused('remove', nameOf(level), kept, true);
      const done = new Set(await change('remove', level, entries, untilMs));
      for (const { user = '' } of entries.filter((one) => !done.has(one))) leaving.delete(user);
      return [...leaving];
    },

    summary() {
      const foreignEntries = [...known.standing.values()].flat().filter(({ user }) => user === undefined).length;
      return foreignEntries > 0 ? { foreignEntries } : {};
    },
  };
}
