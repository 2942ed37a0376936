/** Members of a group: listed, added twenty at a time or one, removed one at a time. */
import type { DirectoryObject, User } from '@microsoft/microsoft-graph-types';
import type { GroupEntry } from './directory';
import {
  alreadyMember,
  badRequest,
  insufficientPrivileges,
  notFound,
  quotaExceeded,
  restrictedUnit,
} from './errors';
import {
  type Answer,
  type Call,
  noContent,
  ok,
  pick,
  readBody,
  readQuery,
  readSelect,
  readTop,
} from './exchange';
import { reachableGroup } from './groups';
import { isGuid } from './guids';
import { GROUP_NAMES } from './names';
import type { World } from './world';

// learn:group-list-members: "default and maximum page sizes are 100 and 999"
const USUAL_PAGE = 100;
const MAXIMUM_PAGE = 999;
// learn:group-post-members: "up to 20 members in a single request"
const MOST_BINDS = 20;

// learn:resources/directoryobject and user
const PROPERTIES: readonly (keyof User)[] = [
  'id',
  'deletedDateTime',
  'displayName',
  'mail',
  'userPrincipalName',
];

export function listMembers(call: Call, world: World, id: string): Answer {
  const query = readQuery(call, ['$select', '$top']);
  const select = readSelect(query, PROPERTIES, 'Microsoft.DirectoryServices.DirectoryObject');
  const size = Math.min(readTop(query, USUAL_PAGE, MAXIMUM_PAGE), world.pageSizes.members ?? MAXIMUM_PAGE);
  const members = world.directory.membersAt(
    reachableGroup(world, id),
    world.clock.now() - world.lag.membersVisibleAfterMs,
  );
  const rest = world.pages.rest(call, () => [...members.keys()]);
  const page = world.pages.cut(call, rest, size, world.pageSizes.emptyPages ?? false);
  // concepts/odata-query-parameters: no annotations without metadata
  const bare = /odata\.metadata=none/i.test(call.headers.get('accept') ?? '');
  const value = page.ids.flatMap((member) => {
    const kind = members.get(member)?.kind;
    // permissions-overview: of members whose type the app may not read it is told the type and the id, no more.
    const object: DirectoryObject & { '@odata.type'?: string } = { id: member };
    if (!bare) object['@odata.type'] = `#microsoft.graph.${kind}`;
    return kind ? pick(object, select) : [];
  });
  return ok({
    '@odata.context': `https://${world.hosts.graph}/v1.0/$metadata#directoryObjects`,
    ...page.link,
    value,
  });
}

/** PATCH /groups/{id}: learn:group-post-members, "Add multiple members to a group in a single request". */
export function addMembers(call: Call, world: World, id: string): Answer {
  const body = readBody(call);
  const binds = body['members@odata.bind'];
  if (Object.keys(body).length !== 1 || !Array.isArray(binds)) {
    world.violation(`PATCH of a group with more or less than members: ${call.text}`);
    throw badRequest('One or more property values specified are invalid.');
  }
  // The text is inferred.
  if (binds.length > MOST_BINDS)
    throw badRequest(`The number of members to add exceeds the limit of ${MOST_BINDS}.`);
  if (binds.length === 0) throw badRequest('One or more property values specified are invalid.');
  const ids = binds.map((bind) => boundId(world, bind));
  const group = writableGroup(call, world, id);
  if (world.bulkAddForbidden) throw insufficientPrivileges();
  // (observed): terraform-provider-azuread meets it for owners
  if (new Set(ids).size < ids.length) throw badRequest('Request contains a property with duplicate values.');
  return add(world, group, ids);
}

/** POST /groups/{id}/members/$ref: learn:group-post-members. */
export function addMember(call: Call, world: World, id: string): Answer {
  const { '@odata.id': bind, ...more } = readBody(call);
  if (Object.keys(more).length > 0) throw badRequest('One or more property values specified are invalid.');
  const member = boundId(world, bind);
  return add(world, writableGroup(call, world, id), [member]);
}

/** All or nothing: "If an error condition exists in the request body, no members are added" (learn:group-post-members). */
function add(world: World, group: GroupEntry, ids: readonly string[]): Answer {
  for (const id of ids) {
    const kind = world.directory.kindOf(id);
    if (!kind) throw notFound(id);
    if (group.members.has(id)) throw alreadyMember();
    if (kind !== 'user')
      world.violation(`added ${kind} ${id}, who is no user, to ${group.properties.displayName}`);
  }
  const { membersPerGroup: most = Number.POSITIVE_INFINITY } = world.quota;
  if (group.members.size + ids.length > most) throw quotaExceeded(group.members.size + ids.length, most);
  for (const id of ids) world.directory.add(group, id);
  return noContent();
}

/** facts 3.2, 7: the host of a bind is that of the cloud. The text is (observed). */
function boundId(world: World, bind: unknown): string {
  const [, id = ''] =
    new RegExp(`^https://${world.hosts.graph}/v1\\.0/directoryObjects/([^/?#]+)$`).exec(String(bind)) ?? [];
  if (!isGuid(id)) throw badRequest(`Invalid URL format specified in payload: '${String(bind)}'.`);
  return id.toLowerCase();
}

/** DELETE /groups/{id}/members/{id}/$ref: learn:group-delete-members; not a member: (observed) GMM, facts 3.4. */
export function removeMember(call: Call, world: World, id: string, memberId: string): Answer {
  const group = writableGroup(call, world, id);
  const member = memberId.toLowerCase();
  const kind = group.members.get(member)?.kind;
  if (!kind) throw notFound(memberId);
  if (kind !== 'user')
    world.violation(`removed ${kind} ${member}, who is no user, from ${group.properties.displayName}`);
  world.directory.remove(group, member);
  return noContent();
}

/** The group, if Graph lets an app change its members (facts 2.7). */
function writableGroup(call: Call, world: World, id: string): GroupEntry {
  const group = reachableGroup(world, id);
  const { properties } = group;
  const names: readonly string[] = Object.values(GROUP_NAMES);
  if (!names.includes(properties.displayName ?? '') && !world.writable.has(group.id))
    world.violation(
      `wrote to a group that is none of ours: ${call.method} ${call.path} (${properties.displayName})`,
    );
  // learn:group-delete-members; support article on 403 when adding members; learn:group-post-members
  if (properties.groupTypes?.includes('DynamicMembership') || properties.isAssignableToRole)
    throw insufficientPrivileges();
  // entra: admin-units-restricted-management.md
  if (properties.isManagementRestricted) throw restrictedUnit();
  // (observed)
  if (properties.onPremisesSyncEnabled)
    throw badRequest(
      'Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.',
    );
  // contrib: groups-overview.md; the text is (observed)
  if (properties.mailEnabled && !properties.groupTypes?.includes('Unified'))
    throw badRequest('Cannot Update a mail-enabled security groups and or distribution list.');
  return group;
}

/** Deleting what may never be deleted: Graph does it (learn:group-delete, user-delete, group-delete-members), the test fails. */
export function destroy(call: Call, world: World, id: string): Answer {
  world.violation(`destroyed something: ${call.method} ${call.path}`);
  const object = id.toLowerCase();
  if (!world.directory.kindOf(object)) throw notFound(id);
  world.directory.removePerson(object);
  world.directory.groups.delete(object);
  world.directory.others.delete(object);
  return noContent();
}
