/** Members of a group: listed, added and removed one at a time. */
import type { GroupEntry } from './directory';
import { alreadyMember, badRequest, insufficientPrivileges, notFound, quotaExceeded, restrictedUnit } from './errors';
import { type Answer, type Call, noContent, readBody } from './exchange';
import { reachableGroup } from './groups';
import { isGuid } from './guids';
import { isOurs } from './names';
import { type Listing, readListing } from './pages';
import type { World } from './world';

// learn:group-list-members: "default and maximum page sizes are 100 and 999"
const LISTING: Listing = {
  ...{ name: 'members', options: ['$select', '$top'], properties: ['id'], usualPage: 100, maximumPage: 999 },
};

export function listMembers(call: Call, world: World, id: string): Answer {
  const { answer } = readListing(call, world, LISTING);
  const seenAt = world.clock.now() - world.lag.membersVisibleAfterMs;
  const members = world.directory.membersAt(reachableGroup(world, id), seenAt);
  // permissions-overview: of members whose type the app may not read it is told the type and the id, no more.
  const show = (member: string): object | undefined => {
    const kind = members.get(member)?.kind;
    return kind && { '@odata.type': `#microsoft.graph.${kind}`, id: member };
  };
  return answer('directoryObjects', () => [...members.keys()], show);
}

/** POST /groups/{id}/members/$ref: learn:group-post-members. */
export function addMember(call: Call, world: World, groupId: string): Answer {
  const { '@odata.id': bind, ...more } = readBody(call);
  if (Object.keys(more).length > 0) throw badRequest('One or more property values specified are invalid.');
  const id = boundId(world, bind);
  const group = writableGroup(call, world, groupId);
  const kind = world.directory.kindOf(id);
  if (!kind) throw notFound(id);
  if (group.members.has(id)) throw alreadyMember();
  if (kind !== 'user') world.violations.push(`added ${kind} ${id}, who is no user, to ${group.properties.displayName}`);
  const { membersPerGroup: most = Number.POSITIVE_INFINITY } = world.quota;
  if (group.members.size >= most) throw quotaExceeded(group.members.size + 1, most);
  world.directory.add(group, id);
  return noContent();
}

/** facts 3.2, 7: the host of a bind is that of the cloud. The text is (observed). */
function boundId(world: World, bind: unknown): string {
  const address = new RegExp(`^https://${world.hosts.graph}/v1\\.0/directoryObjects/([^/?#]+)$`);
  const [, id = ''] = address.exec(String(bind)) ?? [];
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
    world.violations.push(`removed ${kind} ${member}, who is no user, from ${group.properties.displayName}`);
  world.directory.remove(group, member);
  return noContent();
}

/** The group, if Graph lets an app change its members (facts 2.7). */
function writableGroup(call: Call, world: World, id: string): GroupEntry {
  const group = reachableGroup(world, id);
  const { properties } = group;
  if (!isOurs(properties.displayName) && !world.writable.has(group.id))
    world.violations.push(`wrote to a group that is none of ours: ${call.method} ${call.path}`);
  // learn:group-delete-members; support article on 403 when adding members; learn:group-post-members
  if (properties.groupTypes?.includes('DynamicMembership') || properties.isAssignableToRole)
    throw insufficientPrivileges();
  // entra: admin-units-restricted-management.md
  if (properties.isManagementRestricted) throw restrictedUnit();
  // (observed)
  if (properties.onPremisesSyncEnabled)
    throw badRequest('Unable to update the specified properties for on-premises mastered Directory Sync objects.');
  // contrib: groups-overview.md; the text is (observed)
  if (properties.mailEnabled && !properties.groupTypes?.includes('Unified'))
    throw badRequest('Cannot Update a mail-enabled security groups and or distribution list.');
  return group;
}
