/** Who is in a group, and the one function that adds and removes them. */
import { attempt, type Context, partMs } from '../context';
import { StepError, type Trace } from '../errors';
import type { GraphRequest } from '../graph/graph';
import { BATCH_PARTS, readList, recordOf, sendBatch, soundArray } from '../graph/many';
import type { UserId } from '../plan';
import { type Group, objectIdOf } from './lookup';

const USERS = ['#microsoft.graph.user', '#microsoft.graph.agentUser']; // Which inherits (learn: resources/agentuser).

export interface Change {
  verb: 'add' | 'remove';
  group: Group;
  users: readonly UserId[];
  untilMs: number;
  /** Whose change Graph has reported as done before, though it was to be made again. */
  doubted: ReadonlySet<UserId>;
  /** Who surely is in Entra. */
  isKnown(user: UserId): boolean;
}

/** The users among the direct members. Throws StepError unless the list is whole, SignInError. */
export async function readMembers(context: Context, groupId: string): Promise<Set<UserId>> {
  // 999 is the most that Graph gives at once (learn: group-list-members).
  const path = `/groups/${groupId}/members?$select=id&$top=999`;
  const members = await readList(context.graph, path, memberOf, { untilMs: partMs(context) });
  return new Set(members.filter(({ isUser }) => isUser).map(({ id }) => id));
}

/** Without its type a user may pass for something else, and the other way about (microsoft-graph-docs#12986). */
function memberOf({ id: given, '@odata.type': type }: Readonly<Record<string, unknown>>) {
  const id = objectIdOf(given);
  return id === undefined || typeof type !== 'string' ? undefined : { id, isUser: USERS.includes(type) };
}

/** What became of a user: known to be done, not known to Entra, failed, or left open by the response. */
type Answer = { user: UserId; error: StepError; meaning: 'done' | 'gone' | 'failed' | 'open' };

/**
 * Adds or removes users in batches, until `untilMs`. A batch in which all fail alike ends it. What the responses leave
 * open is settled by one more reading of the members; if that fails, nothing of it counts as done. `told` are
 * those of whom Graph reports the change as done, `contradicted` whom it lists otherwise. Throws SignInError.
 */
export async function changeMembers(context: Context, change: Change) {
  const { verb, group, users, untilMs } = change;
  const answers: Answer[] = [];
  let isThere: boolean | undefined;
  for (let start = 0; start < users.length; start += BATCH_PARTS) {
    const some = users.slice(start, start + BATCH_PARTS);
    const requests = some.map((user) => requestFor(context.graph.origin, verb, group.id, user));
    const responses = await sendBatch(context.graph, context.io, requests, { untilMs });
    const mayBeGone = verb === 'add' && !group.isYoung && responses.some(({ status }) => status === 404);
    if (mayBeGone) isThere = await groupIsThere(context, group.id, untilMs);
    const batch = responses.map(({ status, trace, body }, index): Answer => {
      const user = some[index] ?? '';
      if (verb === 'remove' && status === 404) trace.cause ??= 'no member';
      // Of a user and a group it tells which (observed by group-membership-management).
      const isOfGroup = JSON.stringify(body ?? '').includes(group.id);
      return { user, error: new StepError(trace), meaning: meaningOf(change, trace, user, isThere && !isOfGroup) };
    });
    const ending = endOfLevel(batch);
    answers.push(...batch);
    if (ending === undefined) continue;
    for (const user of users.slice(start + BATCH_PARTS)) answers.push({ ...ending, user, meaning: 'failed' });
    break;
  }
  const those = (meaning: Answer['meaning']) => answers.filter((one) => one.meaning === meaning);
  const idsOf = (some: readonly Answer[]) => some.map(({ user }) => user);
  const open = those('open');
  const members = open.length > 0 ? await attempt(readMembers(context, group.id), () => {}) : undefined;
  const isDone = ({ user, meaning }: Answer) => (members ? members.has(user) === (verb === 'add') : meaning === 'done');
  const wasTold = ({ error }: Answer) => members !== undefined && error.trace.status === 204;
  const settled = [...those('done'), ...open];
  const undone = settled.filter((one) => !isDone(one));
  const failed = [...those('failed'), ...undone.filter((one) => !wasTold(one))];
  const contradicted = idsOf(undone.filter(wasTold));
  const done = idsOf(settled.filter(isDone));
  const isSaid = ({ error: { trace } }: Answer) => trace.status === 204 || trace.cause === 'no member';
  const told = idsOf(settled.filter((one) => isDone(one) || isSaid(one)));
  return { done, told, gone: idsOf(those('gone')), failed, contradicted, groupIsGone: isThere === false, members };
}

/** What a response says of one user (learn: group-post-members, group-delete-members; texts observed). */
function meaningOf(change: Change, trace: Trace, user: UserId, isThere?: boolean): Answer['meaning'] {
  const { status, cause } = trace;
  if (status === 204) return cause !== undefined || change.doubted.has(user) ? 'open' : 'done';
  if (status === 404 && change.verb === 'add') return isThere && !cause && !change.isKnown(user) ? 'gone' : 'failed';
  if (status === 404 || cause === 'already a member' || cause === 'no member') return 'open';
  // Refused or put off, or else nobody knows.
  return status >= 400 && status < 500 && status !== 408 ? 'failed' : 'open';
}

/** What all of a batch hear alike of the group or of Graph, as the rest would. */
function endOfLevel(batch: readonly Answer[]): Answer | undefined {
  const [first] = batch;
  // Stryker disable next-line OptionalChaining,ObjectLiteral: a batch has a first part.
  const { status = 0, cause = '' } = first?.error.trace ?? {};
  const keyOf = ({ meaning, error: { trace } }: Answer) => `${meaning} ${trace.status} ${trace.cause}`;
  const isAlike = new Set(batch.map(keyOf)).size === 1;
  const isOfUsers = status === 204 || status === 404 || /member/.test(cause);
  // Stryker disable next-line OptionalChaining: a batch has a first part.
  return isAlike && (first?.meaning === 'failed' || (first?.meaning === 'open' && !isOfUsers)) ? first : undefined;
}

/** Asks what every write permission may read. Undefined if that is not answered either. */
async function groupIsThere({ graph }: Context, groupId: string, untilMs: number): Promise<boolean | undefined> {
  const path = `/groups/${groupId}/members?$select=id&$top=1`;
  const { status, body } = await graph.send({ method: 'GET', path }, { untilMs, attempts: 2 });
  return status === 200 && soundArray(recordOf(body), 'value') ? true : status === 404 ? false : undefined;
}

/** The only DELETE: without `/$ref` or two ids the user or the group itself would go (learn: group-delete-members). */
function requestFor(origin: string, verb: Change['verb'], groupId: string, user: UserId): GraphRequest {
  // Stryker disable next-line all: a second lock: ids are looked at where they are read.
  if (!objectIdOf(groupId) || !objectIdOf(user)) throw new TypeError('not the ids of a group and a user');
  if (verb === 'remove') return { method: 'DELETE', path: `/groups/${groupId}/members/${user}/$ref` };
  const body = { '@odata.id': `${origin}/v1.0/directoryObjects/${user}` };
  return { method: 'POST', path: `/groups/${groupId}/members/$ref`, body };
}
