/** GET and POST /groups and /groups/{id}. */
import type { Group } from '@microsoft/microsoft-graph-types';
import type { GroupEntry } from './directory';
import { badRequest, directoryFull, GraphRefusal, nicknameExists, notFound } from './errors';
import { type Answer, type Call, ok, pick, readBody, readQuery, readSelect, readTop } from './exchange';
import { isGuid } from './guids';
import { GROUP_NAMES } from './names';
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

// learn:group-list: "default and maximum page sizes are 100 and 999"
const USUAL_PAGE = 100;
const MAXIMUM_PAGE = 999;

export function listGroups(call: Call, world: World): Answer {
  const query = readQuery(call, ['$filter', '$select', '$top']);
  const select = readSelect(query, PROPERTIES, 'Microsoft.DirectoryServices.Group');
  const size = Math.min(readTop(query, USUAL_PAGE, MAXIMUM_PAGE), world.pageSizes.groups ?? MAXIMUM_PAGE);
  const filter = query.get('$filter');
  const wanted = filter === undefined ? () => true : groupFilter(filter);
  const listed = ({ id, madeAt }: GroupEntry) =>
    !world.hiddenGroups.has(id) && world.clock.now() - madeAt >= world.lag.groupListedAfterMs;

  const rest = world.pages.rest(call, () =>
    [...world.directory.groups.values()]
      .filter((group) => listed(group) && wanted(group))
      .map((group) => group.id)
      .sort(),
  );
  const page = world.pages.cut(call, rest, size, world.pageSizes.emptyPages ?? false);
  const groups = page.ids.flatMap((id) => world.directory.groups.get(id)?.properties ?? []);
  return ok({
    '@odata.context': `https://${world.hosts.graph}/v1.0/$metadata#groups`,
    ...page.link,
    value: groups.map((group) => pick(group, select)),
  });
}

// (observed) "Too many child clauses specified in search filter expression"
const MOST_CLAUSES = 15;

/** learn:resources/group: displayName and id support eq and in by default. Both compare without regard to case (observed). */
function groupFilter(text: string): (group: GroupEntry) => boolean {
  const string = "'(?:[^']|'')*'";
  const eq = new RegExp(`^(displayName|id) eq (${string})$`).exec(text);
  const among = new RegExp(`^(displayName|id) in ?\\((\\s*${string}\\s*(?:,\\s*${string}\\s*)*)\\)$`).exec(
    text,
  );
  const [, property, list] = eq ?? among ?? [];
  const literals = list?.match(new RegExp(string, 'g'));
  // The text is (observed).
  if (!literals)
    throw new GraphRefusal(400, 'Request_UnsupportedQuery', 'Unsupported or invalid query filter clause.');
  if (literals.length > MOST_CLAUSES)
    throw new GraphRefusal(
      400,
      'Request_UnsupportedQuery',
      `Too many child clauses specified in search filter expression containing 'OR' operators: ${literals.length}. Max allowed: ${MOST_CLAUSES}.`,
    );
  const values = literals.map((literal) => literal.slice(1, -1).replaceAll("''", "'").toLowerCase());
  if (property === 'displayName')
    return ({ properties }) => values.includes((properties.displayName ?? '').toLowerCase());
  // (observed)
  const odd = values.find((value) => !isGuid(value));
  if (odd !== undefined) throw badRequest(`Invalid object identifier '${odd}'.`);
  return ({ id }) => values.includes(id);
}

export function getGroup(call: Call, world: World, id: string): Answer {
  const query = readQuery(call, ['$select']);
  const select = readSelect(query, PROPERTIES, 'Microsoft.DirectoryServices.Group');
  const body = pick(reachableGroup(world, id).properties, select);
  return ok({ '@odata.context': `https://${world.hosts.graph}/v1.0/$metadata#groups/$entity`, ...body });
}

/** learn:group-post-members, "Designing for Eventual Consistency": a new group may not be found for a while. */
export function reachableGroup(world: World, id: string): GroupEntry {
  const group = world.directory.groups.get(id.toLowerCase());
  if (!group || world.clock.now() - group.madeAt < world.lag.groupReachableAfterMs) throw notFound(id);
  return group;
}

// learn:group-post-groups; of the writable properties those that a plain group may have
const CREATABLE: Record<string, (value: unknown) => boolean> = {
  description: (value) => typeof value === 'string' && value.length <= 1024,
  // "Maximum length is 256 characters"
  displayName: (value) => typeof value === 'string' && value !== '' && value.length <= 256,
  groupTypes: (value) => Array.isArray(value) && value.every((type) => type === 'Unified'),
  isAssignableToRole: (value) => typeof value === 'boolean',
  mailEnabled: (value) => typeof value === 'boolean',
  // "Maximum length is 64 characters ... ASCII 0 - 127 except @ () \ [] " ; : <> , SPACE"
  mailNickname: (value) =>
    typeof value === 'string' && /^[!-~]{1,64}$/.test(value) && !/[@()\\[\]";:<>,]/.test(value),
  securityEnabled: (value) => typeof value === 'boolean',
  visibility: (value) => value === 'Private' || value === 'Public' || value === 'HiddenMembership',
};
const REQUIRED = ['displayName', 'mailEnabled', 'mailNickname', 'securityEnabled'];

/** learn:group-post-groups */
export function createGroup(call: Call, world: World): Answer {
  const body = readBody(call);
  for (const name of REQUIRED) {
    // (observed)
    if (body[name] === undefined)
      throw badRequest(`A value is required for property '${name}' of resource 'Group'.`);
  }
  const { 'owners@odata.bind': owners = [], ...properties } = body;
  checkOwners(world, owners);
  for (const [name, value] of Object.entries(properties)) {
    const fits = Object.hasOwn(CREATABLE, name) ? CREATABLE[name] : undefined;
    // (observed)
    if (!fits) throw badRequest(`Invalid property '${name}'.`);
    if (!fits(value)) throw badRequest(`Invalid value specified for property '${name}' of resource 'Group'.`);
  }
  const { groups } = world.directory;
  const taken = [...groups.values()].some(
    (group) => group.properties.mailNickname === properties['mailNickname'],
  );
  if (world.nicknamesUnique && taken) throw nicknameExists();
  if (world.quota.directoryFull) throw directoryFull();
  const names: readonly string[] = Object.values(GROUP_NAMES);
  const plain = properties['securityEnabled'] === true && properties['mailEnabled'] === false;
  if (!names.includes(String(properties['displayName'])) || !plain || 'groupTypes' in properties)
    world.violation(`created a group that is none of ours: ${call.text}`);
  const group = world.directory.addGroup(properties).properties;
  const graph = `https://${world.hosts.graph}`;
  return {
    status: 201,
    headers: {
      location: `${graph}/v2/${world.newId()}/directoryObjects/${group.id}/Microsoft.DirectoryServices.Group`,
    },
    body: { '@odata.context': `${graph}/v1.0/$metadata#groups/$entity`, ...group },
  };
}

/** learn:group-post-groups: owners are bound by the address of a user or service principal, at most 20. */
function checkOwners(world: World, owners: unknown): void {
  if (!Array.isArray(owners) || owners.length > 20)
    throw badRequest('One or more property values specified are invalid.');
  for (const owner of owners) {
    const [, id = ''] =
      new RegExp(`^https://${world.hosts.graph}/v1\\.0/(?:users|servicePrincipals)/([^/]+)$`).exec(
        String(owner),
      ) ?? [];
    if (!isGuid(id)) throw badRequest('One or more property values specified are invalid.');
    if (world.directory.kindOf(id) === undefined) throw notFound(id);
  }
}
