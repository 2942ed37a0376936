/** GET and POST /groups. */
import * as v from 'valibot';
import type { GroupEntry } from './directory';
import { badRequest, nicknameExists, notFound, unsupportedQuery } from './errors';
import { type Answer, type Call, fitting, ok, readBody } from './exchange';
import { isGuid } from './guids';
import { isOurs } from './names';
import { context, type Listing, readListing } from './pages';
import type { World } from './world';

// learn:resources/group: what tells which group is whose; no Worker has use for more
const PROPERTIES = 'id displayName createdDateTime securityEnabled mailEnabled groupTypes onPremisesSyncEnabled'.split(
  ' ',
);

// learn:group-list: "default and maximum page sizes are 100 and 999"
const LISTING: Listing = {
  ...{ name: 'groups', options: ['$filter', '$select', '$top'], properties: PROPERTIES },
  ...{ usualPage: 100, maximumPage: 999 },
};

export function listGroups(call: Call, world: World): Answer {
  const { filter, answer } = readListing(call, world, LISTING);
  const { groups } = world.directory;
  const wanted = filter === undefined ? () => true : groupFilter(filter);
  const listed = ({ id, madeAt }: GroupEntry) =>
    !world.hiddenGroups.has(id) && world.clock.now() - madeAt >= world.lag.groupListedAfterMs;
  const ids = () => [...groups.values()].filter((group) => listed(group) && wanted(group)).map(({ id }) => id);
  const show = (id: string) => groups.get(id)?.properties;
  return answer('groups', () => ids().sort(), show);
}

/** learn:resources/group: displayName and id support `in` by default, and compare without regard to case (observed). */
function groupFilter(text: string): (group: GroupEntry) => boolean {
  const [, property, list = ''] = /^(displayName|id) in \('([^']+(?:','[^']+)*)'\)$/.exec(text) ?? [];
  // Graph knows others, for which no Worker here has use. The text is (observed).
  if (!property) throw unsupportedQuery('Unsupported or invalid query filter clause.');
  const values = list.toLowerCase().split("','");
  if (property === 'displayName')
    return ({ properties }) => values.includes((properties.displayName ?? '').toLowerCase());
  // (observed)
  const odd = values.find((value) => !isGuid(value));
  if (odd !== undefined) throw badRequest(`Invalid object identifier '${odd}'.`);
  return ({ id }) => values.includes(id);
}

/** learn:group-post-members, "Designing for Eventual Consistency": a new group may not be found for a while. */
export function reachableGroup(world: World, id: string): GroupEntry {
  const group = world.directory.groups.get(id.toLowerCase());
  if (!group || world.clock.now() - group.madeAt < world.lag.groupReachableAfterMs) throw notFound(id);
  return group;
}

/** learn:group-post-groups; of the writable properties those that a plain group needs */
const NewGroup = v.strictObject({
  description: v.exactOptional(v.pipe(v.string(), v.maxLength(1024))),
  // "Maximum length is 256 characters"
  displayName: v.pipe(v.string(), v.nonEmpty(), v.maxLength(256)),
  mailEnabled: v.boolean(),
  // "Maximum length is 64 characters ... ASCII 0 - 127 except @ () \ [] " ; : <> , SPACE"
  mailNickname: v.pipe(v.string(), v.regex(/^[!-~]{1,64}$/), v.regex(/^[^@()\\[\]";:<>,]*$/)),
  securityEnabled: v.boolean(),
});

export function createGroup(call: Call, world: World): Answer {
  const body = fitting(NewGroup, readBody(call), badRequest("Invalid property or value of resource 'Group'."));
  const { groups } = world.directory;
  const taken = [...groups.values()].some((group) => group.properties.mailNickname === body.mailNickname);
  if (world.nicknamesUnique && taken) throw nicknameExists();
  if (!isOurs(body.displayName) || !body.securityEnabled || body.mailEnabled)
    world.violations.push(`created a group that is none of ours: ${call.text}`);
  const group = world.directory.addGroup(body).properties;
  return ok({ ...context(world, 'groups/$entity'), ...group }, 201);
}
