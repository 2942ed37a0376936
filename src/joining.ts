/** Brings users into a group: twenty with one request, or one by one where that is refused. */
import { BATCH_PARTS, type Batch } from './batch';
import type { Group } from './directory';
import { GraphError, orGraphError } from './errors';
import type { Graph, GraphAnswer, GraphRequest } from './graph';
import type { Deadline } from './http';
import type { Io } from './io';
import { type GroupStop, groupStop, type JoinOutcome, joinOutcome } from './outcomes';
import type { UserId } from './plan';
import { whileYoung } from './young-group';

/** learn: group-post-members (members@odata.bind) and json-batching have the same limit. */
export const USERS_AT_ONCE = BATCH_PARTS;
/** Of the time left: what the trouble of one level may take from the others. */
const SHARE = 1 / 4;
/** What stands for an answer where none came. */
const NO_ANSWER: GraphAnswer = { status: 0, body: undefined, message: '', busy: false, trace: {} };

type NotJoined = { user: UserId; answer: GraphAnswer };
type Settle = (user: UserId, outcome: JoinOutcome) => void;

/** Adds at most 20 users and tells of each. With a GroupStop no more is to be tried. Throws OutOfTime, SignInError. */
export type Join = (
  group: Group,
  users: readonly UserId[],
  settled: Settle,
) => Promise<GroupStop | undefined>;

/** The joins of one run; `graphOrigin` is the host that a bind must name. */
export function createJoin(
  graphOrigin: string,
  graph: Graph,
  batch: Batch,
  io: Io,
  deadline: Deadline,
): Join {
  /** Some tenants allow only single adds (facts: microsoft-graph-docs#16000). */
  let bulkRefused = false;

  const directoryObject = (user: UserId) => `${graphOrigin}/v1.0/directoryObjects/${user}`;

  const joinAll = (group: Group, users: readonly UserId[]): GraphRequest => ({
    method: 'PATCH',
    share: SHARE,
    path: `/groups/${group.id}`,
    body: { 'members@odata.bind': users.map(directoryObject) },
  });

  const joinOne = (group: Group, user: UserId): GraphRequest => ({
    method: 'POST',
    path: `/groups/${group.id}/members/$ref`,
    body: { '@odata.id': directoryObject(user) },
  });

  /** True if the group takes members now, so that a 404 spoke of the user. Asks what every write permission may read. */
  async function isThere(group: Group): Promise<boolean | undefined> {
    const path = `/groups/${group.id}/members?$select=id&$top=1`;
    const { status } = (await orGraphError(graph.send({ method: 'GET', path, share: SHARE }))).trace;
    return status === 200 ? true : status === 404 ? false : undefined;
  }

  /** Adds them one by one, settles those who joined, and gives the others. */
  async function joinEach(group: Group, users: readonly UserId[], settled: Settle): Promise<NotJoined[]> {
    const open = new Set(users);
    const others: NotJoined[] = [];
    const end = await orGraphError(
      batch(
        users.map((user) => joinOne(group, user)),
        (index, answer = NO_ANSWER) => {
          const user = users[index];
          if (user === undefined) return;
          open.delete(user);
          if (answer.status === 204) settled(user, 'joined');
          else others.push({ user, answer });
        },
        SHARE,
      ),
    );
    const { trace } = end instanceof GraphError ? end : NO_ANSWER;
    for (const user of open) others.push({ user, answer: { ...NO_ANSWER, trace } });
    return others;
  }

  /** Settles whoever can be settled. With a GroupStop, the others are left as they are: it is not about them. */
  async function tryToJoin(
    group: Group,
    users: readonly UserId[],
    settled: Settle,
  ): Promise<GroupStop | undefined> {
    if (!bulkRefused) {
      const answer = await orGraphError(graph.send(joinAll(group, users)));
      const { status } = answer.trace;
      if (status === 204) {
        for (const user of users) settled(user, 'joined');
        return undefined;
      }
      if (!(answer instanceof GraphError) && answer.busy) {
        for (const user of users) settled(user, { refused: answer.trace });
        return { why: 'trouble' };
      }
      bulkRefused = status === 403;
    }
    let others = await joinEach(group, users, settled);
    const there = others.some(isNotFound) ? await isThere(group) : true;
    if (there === false) return { why: 'group gone' };
    // In a new group it may have been the group that was not found a moment ago: a second 404 speaks of the user.
    const unclear = there && io.now() < group.youngUntilMilliseconds ? others.filter(isNotFound) : [];
    if (unclear.length > 0) {
      const again = unclear.map(({ user }) => user);
      others = [...others.filter((one) => !isNotFound(one)), ...(await joinEach(group, again, settled))];
    }
    const answers = others.map(({ answer }) => answer);
    const stop = groupStop(answers, users.length);
    if (stop?.why === 'all refused') return stop;
    for (const { user, answer } of others) settled(user, joinOutcome(answer, there === true));
    return stop;
  }

  return async (group, users, settled) => {
    const open = new Set(users);
    const settle: Settle = (user, outcome) => {
      open.delete(user);
      settled(user, outcome);
    };
    const isTooEarly = (stop: GroupStop | undefined) => stop?.why === 'group gone' || is400(stop);
    const attempt = () => tryToJoin(group, [...open], settle);
    const stop = await whileYoung(group, isTooEarly, attempt, io, deadline);
    // Only a whole twenty speaks of the group; fewer may each have a reason of their own.
    if (stop?.why !== 'all refused' || users.length === USERS_AT_ONCE) return stop;
    for (const user of open) settled(user, { refused: stop.trace });
    return undefined;
  };
}

const isNotFound = ({ answer }: NotJoined) => answer.status === 404;

function is400(stop: GroupStop | undefined): stop is Extract<GroupStop, { why: 'all refused' }> {
  return stop?.why === 'all refused' && stop.trace.status === 400;
}
