/** Who is in a group, and the only three requests that change it. */
import * as v from 'valibot';
import { type Group, ObjectId } from './directory';
import { GraphError } from './errors';
import { BATCH_PARTS, type Graph, type GraphAnswer, type GraphRequest } from './graph';
import { type Deadline, wait } from './http';
import type { Io } from './io';
import {
  type GroupStop,
  isRefusal,
  type JoinOutcome,
  joinOutcome,
  type LeaveOutcome,
  leaveOutcome,
} from './outcomes';
import type { UserId } from './plan';

/** learn: group-post-members (members@odata.bind) and json-batching have the same limit. */
export const USERS_AT_ONCE = BATCH_PARTS;
const MEMBERS_PAGE = 999;
/** A new group is tried again after this (learn: group-post-members, "a few seconds"), so long. */
const YOUNG_GROUP_WAIT_MILLISECONDS = 2_000;
const YOUNG_GROUP_PATIENCE_MILLISECONDS = 16_000;
export interface Memberships {
  /** The users among the direct members. Throws as Graph does; GraphError also when any entry is unusable. */
  read(group: Group): Promise<ReadonlySet<UserId>>;
  /** Adds at most 20 users and tells of each. A GroupStop says that the group takes nobody. Throws OutOfTime, SignInError. */
  join(
    group: Group,
    users: readonly UserId[],
    settled: (user: UserId, outcome: JoinOutcome) => void,
  ): Promise<GroupStop | undefined>;
  /** Removes at most 20 users, from any of the groups, and tells of each. Throws OutOfTime, SignInError. */
  leave<L extends { group: Group; user: UserId }>(
    leaves: readonly L[],
    settled: (leave: L, outcome: LeaveOutcome) => void,
  ): Promise<void>;
}

const MemberEntry = v.object({ id: ObjectId, '@odata.type': v.nullish(v.string()) });

/** The memberships as one run sees them; `graphOrigin` is the host that a bind must name. */
export function createMemberships(
  graphOrigin: string,
  graph: Graph,
  io: Io,
  deadline: Deadline,
): Memberships {
  /** Some tenants allow only single adds (facts: microsoft-graph-docs#16000). */
  let bulkRefused = false;

  const directoryObject = (user: UserId) => `${graphOrigin}/v1.0/directoryObjects/${user}`;

  const joinAll = (group: Group, users: readonly UserId[]): GraphRequest => ({
    method: 'PATCH',
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
    const answer = await graph.send({ method: 'GET', path: `/groups/${group.id}/members?$select=id&$top=1` });
    return answer.status === 200 ? true : answer.status === 404 ? false : undefined;
  }

  /** Settles whoever can be settled. With a GroupStop, the others are left as they are: it is not about them. */
  async function tryToJoin(
    group: Group,
    users: readonly UserId[],
    settled: (user: UserId, outcome: JoinOutcome) => void,
  ): Promise<GroupStop | undefined> {
    if (!bulkRefused) {
      const answer = await graph.send(joinAll(group, users));
      const { status } = answer;
      if (status === 403) bulkRefused = true;
      else if (status !== 400 && status !== 404) {
        for (const user of users) settled(user, status === 204 ? 'joined' : { refused: answer.trace });
        return undefined;
      }
    }
    const others: { user: UserId; answer: GraphAnswer | undefined }[] = [];
    await graph.batch(
      users.map((user) => joinOne(group, user)),
      (index, answer) => {
        const user = users[index];
        if (user === undefined) return;
        if (answer?.status === 204) settled(user, 'joined');
        else others.push({ user, answer });
      },
    );
    const notFound = others.some(({ answer }) => answer?.status === 404);
    const there = notFound ? await isThere(group) : true;
    if (there === false) return { why: 'group gone' };
    const refused = others.filter(({ answer }) => answer && isRefusal(answer));
    const refusal = refused[0]?.answer;
    if (refusal && refused.length === users.length) return { why: 'all refused', trace: refusal.trace };
    for (const { user, answer } of others) settled(user, joinOutcome(answer, there === true));
    return undefined;
  }

  /** Tries again while the group is so new that parts of Entra may not have heard of it. */
  async function whileYoung<Result>(
    group: Group,
    isTooEarly: (result: Result) => boolean,
    act: () => Promise<Result>,
  ) {
    for (let waited = 0; ; waited += YOUNG_GROUP_WAIT_MILLISECONDS) {
      const result = await act();
      const patient = io.now() < group.youngUntilMilliseconds && waited < YOUNG_GROUP_PATIENCE_MILLISECONDS;
      if (!patient || !isTooEarly(result)) return result;
      await wait(io, deadline, YOUNG_GROUP_WAIT_MILLISECONDS);
    }
  }

  return {
    async read(group) {
      const path = `/groups/${group.id}/members?$select=id&$top=${MEMBERS_PAGE}`;
      const isTooEarly = (result: object) => result instanceof GraphError && result.trace.status === 404;
      const entries = await whileYoung(group, isTooEarly, () =>
        orGraphError(graph.readAll(path, MemberEntry)),
      );
      if (entries instanceof GraphError) throw entries;
      const users = entries.filter((entry) => entry['@odata.type'] === '#microsoft.graph.user');
      return new Set(users.map(({ id }) => id));
    },

    async join(group, users, settled) {
      const open = new Set(users);
      const settle = (user: UserId, outcome: JoinOutcome) => {
        open.delete(user);
        settled(user, outcome);
      };
      const isTooEarly = (stop: GroupStop | undefined | GraphError) =>
        stop !== undefined &&
        !(stop instanceof GraphError) &&
        !(stop.why === 'all refused' && stop.trace.status === 403);
      const end = await whileYoung(group, isTooEarly, () =>
        orGraphError(tryToJoin(group, [...open], settle)),
      );
      if (!(end instanceof GraphError)) return end;
      for (const user of open) settled(user, { refused: end.trace });
      return undefined;
    },

    async leave(leaves, settled) {
      const open = new Set(leaves);
      const end = await orGraphError(
        graph.batch(
          leaves.map(({ group, user }) => removal(group.id, user)),
          (index, answer) => {
            const leave = leaves[index];
            if (leave === undefined) return;
            open.delete(leave);
            settled(leave, leaveOutcome(answer));
          },
        ),
      );
      if (end instanceof GraphError) for (const leave of open) settled(leave, { refused: end.trace });
    },
  };
}

/**
 * The only DELETE there is. Without `/$ref`, or with anything but two ids, it would delete the user or the group
 * (learn: group-delete-members, group-delete), so nothing else is ever built.
 */
function removal(groupId: string, user: UserId): GraphRequest {
  if (!v.is(ObjectId, groupId) || !v.is(ObjectId, user))
    throw new TypeError('not the ids of a group and a user');
  return { method: 'DELETE', path: `/groups/${groupId}/members/${user}/$ref` };
}

/** A request that ended badly, as a value; whatever ends the run is still thrown. */
async function orGraphError<Result>(promise: Promise<Result>): Promise<Result | GraphError> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof GraphError) return error;
    throw error;
  }
}
