/** GET and POST /groups. */
import type { Group } from '@microsoft/microsoft-graph-types';
import type { GroupEntry } from './directory';
import { badRequest, directoryFull, nicknameExists, notFound, unsupportedQuery } from './errors';
import { type Answer, type Call, readBody } from './exchange';
import { isGuid } from './guids';
import { isOurs } from './names';
import { context, type Listing, readListing } from './pages';
import type { World } from './world';

// learn:resources/group, properties
const PROPERTIES: readonly (keyof Group)[] = [
  ...(['id', 'deletedDateTime', 'assignedLabels', 'assignedLicenses', 'classification'] as const),
  ...(['createdDateTime', 'description', 'displayName', 'expirationDateTime', 'groupTypes'] as const),
  ...(['isAssignableToRole', 'isManagementRestricted', 'mail', 'mailEnabled', 'mailNickname'] as const),
  ...(['membershipRule', 'membershipRuleProcessingState', 'onPremisesDomainName'] as const),
  ...(['onPremisesLastSyncDateTime', 'onPremisesNetBiosName', 'onPremisesSamAccountName'] as const),
  ...(['onPremisesSecurityIdentifier', 'onPremisesSyncEnabled', 'preferredDataLocation'] as const),
  ...(['preferredLanguage', 'proxyAddresses', 'renewedDateTime', 'securityEnabled'] as const),
  ...(['securityIdentifier', 'theme', 'uniqueName', 'visibility'] as const),
];

const TYPE = 'Microsoft.DirectoryServices.Group';
// learn:group-list: "default and maximum page sizes are 100 and 999"
const LISTING: Listing = {
  name: 'groups',
  ...{ options: ['$filter', '$select', '$top'], properties: PROPERTIES, type: TYPE, usualPage: 100, maximumPage: 999 },
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

// (observed) "Too many child clauses specified in search filter expression"
const MOST_CLAUSES = 15;

/** learn:resources/group: displayName and id support eq and in by default. Both compare without regard to case (observed). */
function groupFilter(text: string): (group: GroupEntry) => boolean {
  const string = "'(?:[^']|'')*'";
  const eq = new RegExp(`^(displayName|id) eq (${string})$`).exec(text);
  const among = new RegExp(`^(displayName|id) in ?\\((\\s*${string}\\s*(?:,\\s*${string}\\s*)*)\\)$`).exec(text);
  const [, property, list] = eq ?? among ?? [];
  const literals = list?.match(new RegExp(string, 'g'));
  // The text is (observed).
  if (!literals) throw unsupportedQuery('Unsupported or invalid query filter clause.');
  if (literals.length > MOST_CLAUSES)
    throw unsupportedQuery(`Too many child clauses specified in search filter expression: ${literals.length}.`);
  const values = literals.map((literal) => literal.slice(1, -1).replaceAll("''", "'").toLowerCase());
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

// learn:group-post-groups; of the writable properties those that a plain group may have
const boolean = (value: unknown) => typeof value === 'boolean';
const CREATABLE: Record<string, (value: unknown) => boolean> = {
  description: (value) => typeof value === 'string' && value.length <= 1024,
  // "Maximum length is 256 characters"
  displayName: (value) => typeof value === 'string' && value !== '' && value.length <= 256,
  groupTypes: (value) => Array.isArray(value) && value.every((type) => type === 'Unified'),
  isAssignableToRole: boolean,
  mailEnabled: boolean,
  // "Maximum length is 64 characters ... ASCII 0 - 127 except @ () \ [] " ; : <> , SPACE"
  mailNickname: (value) => typeof value === 'string' && /^[!-~]{1,64}$/.test(value) && !/[@()\\[\]";:<>,]/.test(value),
  securityEnabled: boolean,
  visibility: (value) => value === 'Private' || value === 'Public' || value === 'HiddenMembership',
};
const REQUIRED = ['displayName', 'mailEnabled', 'mailNickname', 'securityEnabled'];

/** learn:group-post-groups */
export function createGroup(call: Call, world: World): Answer {
  const body = readBody(call);
  const missing = REQUIRED.find((name) => body[name] === undefined);
  // (observed)
  if (missing) throw badRequest(`A value is required for property '${missing}' of resource 'Group'.`);
  for (const [name, value] of Object.entries(body)) {
    const fits = Object.hasOwn(CREATABLE, name) ? CREATABLE[name] : undefined;
    // (observed)
    if (!fits) throw badRequest(`Invalid property '${name}'.`);
    if (!fits(value)) throw badRequest(`Invalid value specified for property '${name}' of resource 'Group'.`);
  }
  const { groups } = world.directory;
  const taken = [...groups.values()].some((group) => group.properties.mailNickname === body['mailNickname']);
  if (world.nicknamesUnique && taken) throw nicknameExists();
  if (world.quota.directoryFull) throw directoryFull();
  const plain = body['securityEnabled'] === true && body['mailEnabled'] === false;
  if (!isOurs(body['displayName']) || !plain || 'groupTypes' in body)
    world.violations.push(`created a group that is none of ours: ${call.text}`);
  const group = world.directory.addGroup(body).properties;
  const location = `https://${world.hosts.graph}/v2/${world.newId()}/directoryObjects/${group.id}/${TYPE}`;
  return { status: 201, headers: { location }, body: { ...context(world, 'groups/$entity'), ...group } };
}
