/** Changes the entries of one list with as few PATCHes as can be, and tells what became of each entry. */
import { attempt, type Context, nameOf } from '../context';
import { StepError, type Trace } from '../errors';
import { retryWaitMs } from '../http/retry';
import type { Verb } from '../log/events';
import type { Refused } from '../log/log';
import { type RiskLevel, shuffled, toldAfter } from '../plan';
import { type Cloudflare, readEntries, readLists } from './cloudflare';
import { type Entry, usersOf } from './entries';

/** A list never costs more, because Cloudflare blocks a client that sends over 600 requests a minute. */
const MOST_PATCHES = { add: 9, remove: 10 } as const;
const MOST_REFUSED_ALONE = 3;
const ENOUGH = { service: 'Cloudflare', status: 0, cause: 'enough for one run' } as const;
/** Entries that a list holds (account-limits): ordinary plans, Enterprise. Which of them counts, the refusal tells. */
const LIMITS = [1_000, 5_000];

/** The list of a level: what it holds, as far as is known, and how often it has been written in this run. */
export type Target = { readonly level: RiskLevel; readonly id: string; entries: readonly Entry[]; patches: number };

type Change = { verb: Verb; entries: readonly Entry[] };

/**
 * Adds or removes entries: all with one PATCH if that is taken. One that is not is never repeated (unless throttled):
 * the list is read again, and what is still open is sent, halved where it is refused. Gives what is done, the target
 * says what the list holds then, and the log what is not done.
 */
export async function changeEntries(cloudflare: Cloudflare, context: Context, target: Target, change: Change) {
  const { verb, entries } = change;
  const { io, cache, endMs: untilMs } = context;
  const before = new Set(cache.done?.[`${verb} ${target.id}`]);
  const nameIn = ({ user, address }: Entry) => `${user} ${address}`;
  let done: Entry[] = [];
  let contradicted: Entry[] = [];
  const failed: Refused[] = [];
  let full: readonly Entry[] = [];
  let waitMs = 0;
  let last: Trace = ENOUGH;

  async function send(some: readonly Entry[]): Promise<boolean> {
    // Every attempt counts.
    const paceMs = () => {
      target.patches += 1;
      return 0;
    };
    const attempts = MOST_PATCHES[verb] - target.patches;
    const options = { untilMs, repeat: 'if throttled', attempts, paceMs } as const;
    const append = some.map(({ value, user }) => ({ value, description: user }));
    const body = verb === 'add' ? { append } : { remove: some.map(({ value }) => value) };
    const { isSuccess, trace, retryAfter } = await cloudflare('PATCH', `/${target.id}`, options, body);
    last = trace;
    waitMs = retryWaitMs({ ...trace, retryAfter, attempts: 1, nowMs: io.now(), random: io.random() }) ?? 0;
    if (!isSuccess) return false;
    if (some.some((one) => before.has(nameIn(one)))) {
      contradicted = [...contradicted, ...(await readAgain(some))];
      return true;
    }
    done = [...done, ...some];
    // Of what is removed nobody asks again in this run.
    if (verb === 'add') target.entries = [...target.entries, ...some];
    return true;
  }

  function fail(some: readonly Entry[], error = new StepError(last)): void {
    for (const user of usersOf(some)) failed.push({ user, error });
  }

  /** Those who are open after the list has been read again; all fail if it could not be. */
  async function readAgain(some: readonly Entry[]): Promise<readonly Entry[]> {
    const present = await attempt(readAnew(cloudflare, context, target.id), (error) => fail(some, error));
    if (present === undefined) return [];
    target.entries = present;
    // An entry to be removed that somebody else took over meanwhile is theirs.
    const keyOf = ({ value, address, user }: Entry) => (verb === 'add' ? address : `${user} ${value}`);
    const keys = new Set(present.map(keyOf));
    const isOpen = (one: Entry) => keys.has(keyOf(one)) === (verb === 'remove');
    contradicted = [...contradicted, ...done.filter(isOpen)];
    done = [...done, ...some].filter((one) => !isOpen(one));
    return some.filter(isOpen);
  }

  let parts: (readonly Entry[])[] = [entries];
  while (parts.length > 0) {
    const some = parts.shift() ?? [];
    const rest = () => [...some, ...parts.splice(0).flat()];
    const isAtLimit = verb === 'add' && LIMITS.includes(target.entries.length);
    const left = MOST_PATCHES[verb] - target.patches;
    if (left <= 0 || failed.length >= MOST_REFUSED_ALONE) fail(rest(), new StepError(ENOUGH));
    // Where nothing got through in halves, one alone may.
    else if (left === 1 && some !== entries && done.length === 0 && some.length > 1) parts.unshift(...split(some, [1]));
    else if (await send(some)) continue;
    else if (kindOf(last) === 'final') fail(rest());
    else if (some === entries || kindOf(last) === 'unclear') {
      // A service that has just failed is left alone as by any other request (I8).
      await io.sleep(Math.max(0, Math.min(waitMs, untilMs - io.now())));
      const open = await readAgain(rest());
      const ends = LIMITS.map((limit) => limit - target.entries.length);
      if (some === entries) parts = split(shuffled(open, io.random), ends);
      else fail(open);
    } else if (isAtLimit && full.length > 0) full = [...full, ...rest()];
    // At a limit one alone tells whether the list is full or an entry is refused.
    else if (some.length > 1) parts.push(...split(some, [isAtLimit ? 1 : Math.ceil(some.length / 2)]));
    else if (isAtLimit) full = some;
    else fail(some);
  }
  cache.done = toldAfter(cache.done, verb, target.id, [...done, ...contradicted].map(nameIn));
  const log = context.log.with({ level: target.level });
  const what = nameOf(target.level);
  const [users, waiting] = [usersOf(contradicted), usersOf(full)];
  if (users.length > 0) log.fail('contradicted', { what, verb, count: users.length }, users);
  if (waiting.length > 0) log.fail('list-full', { what, count: waiting.length }, waiting);
  log.refused(verb, what, failed, true);
  return done;
}

/** The lookup says how many entries there are, because their pages need not (facts of the lists API). */
async function readAnew(cloudflare: Cloudflare, context: Context, id: string): Promise<Entry[]> {
  const list = (await readLists(cloudflare, context)).find((one) => one.id === id);
  if (list === undefined) throw new StepError({ service: 'Cloudflare', status: 404 }, 'the list is gone');
  return readEntries(cloudflare, context, list);
}

/** Refused as a whole, which may be taken in parts; not to be tried again now; or nobody knows. */
function kindOf({ status, cause }: Trace): 'refused' | 'final' | 'unclear' {
  const isAnswer = cause !== 'no answer' && (status === 200 || (status >= 400 && status < 500 && status !== 408));
  if (!isAnswer) return 'unclear';
  return cause === undefined && status !== 429 ? 'refused' : 'final';
}

/** In parts that end there, none of them empty. */
function split(entries: readonly Entry[], ends: readonly number[]): (readonly Entry[])[] {
  const inside = ends.filter((end) => end > 0);
  return [0, ...inside].map((start, part) => entries.slice(start, inside[part])).filter(({ length }) => length > 0);
}
