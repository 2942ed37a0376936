/** Who is in a group, and the requests that change it. */
import * as v from 'valibot';
import { createBatch } from './batch';
import { type Group, ObjectId } from './directory';
import { GraphError, type GraphTrace, orGraphError } from './errors';
import type { Graph, GraphRequest } from './graph';
import type { Deadline } from './http';
import type { Io } from './io';
import { createJoin, type Join } from './joining';
import { type LeaveOutcome, leaveOutcome } from './outcomes';
import type { UserId } from './plan';
import { whileYoung } from './young-group';

const MEMBERS_PAGE = 999;
/** Of the time left: what the trouble of one level may take from the others. */
const READ_SHARE = 1 / 3;

export interface Memberships {
  /** The users among the direct members. Throws as Graph does; GraphError also when any entry is unusable. */
  read(group: Group): Promise<ReadonlySet<UserId>>;
  join: Join;
  /**
   * Removes at most 20 users, from any of the groups, and tells of each. With a trace no more is to be tried: Graph was
   * in trouble, whoever was to leave. Throws OutOfTime, SignInError.
   */
  leave<L extends { group: Group; user: UserId }>(
    leaves: readonly L[],
    settled: (leave: L, outcome: LeaveOutcome) => void,
  ): Promise<GraphTrace | undefined>;
}

const MemberEntry = v.object({ id: ObjectId, '@odata.type': v.nullish(v.string()) });

/** The memberships as one run sees them. */
export function createMemberships(
  graphOrigin: string,
  graph: Graph,
  io: Io,
  deadline: Deadline,
): Memberships {
  const batch = createBatch(graph, io, deadline);

  async function readUsers(group: Group): Promise<ReadonlySet<UserId>> {
    const users = new Set<UserId>();
    const path = `/groups/${group.id}/members?$select=id&$top=${MEMBERS_PAGE}`;
    for await (const members of graph.readPages(path, MemberEntry, { share: READ_SHARE }))
      for (const { id, '@odata.type': type } of members) if (type === '#microsoft.graph.user') users.add(id);
    return users;
  }

  return {
    join: createJoin(graphOrigin, graph, batch, io, deadline),

    async read(group) {
      const isTooEarly = (result: object) => result instanceof GraphError && result.trace.status === 404;
      const read = () => orGraphError(readUsers(group));
      const users = await whileYoung(group, isTooEarly, read, io, deadline);
      if (users instanceof GraphError) throw users;
      return users;
    },

    async leave(leaves, settled) {
      const open = new Set(leaves);
      const end = await orGraphError(
        batch(
          leaves.map(({ group, user }) => removal(group.id, user)),
          (index, answer) => {
            const leave = leaves[index];
            if (leave === undefined) return;
            open.delete(leave);
            settled(leave, leaveOutcome(answer));
          },
        ),
      );
      if (!(end instanceof GraphError)) return undefined;
      for (const leave of open) settled(leave, { refused: end.trace });
      return end.trace;
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
