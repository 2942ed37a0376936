/** Every event a run can meet: one sentence for what is wrong, one for what to do. */
import type { StepError } from '../errors';
import { grant, remedyFor, signInSentence } from './remedies';

/** The name of a group or list. */
type What = { what: string };
type Id = { id: string };
export type Verb = 'add' | 'remove';
type Count = { count: number };
type Failed = { error: StepError };
type Refused = What & Count & Failed & { isAboutThem: boolean };

const MEMBERS_REMEDY = `${grant('GroupMember.ReadWrite.All')} If that is granted, the group is role-assignable or dynamic (use a plain security group), or a restricted management administrative unit or a role protects these users.`;
const PIN_REMEDY = `${grant('GroupMember.Read.All')} If that is granted, the id in GROUP_IDS is wrong or the group is deleted.`;
const RISKY_REMEDY = `${grant('IdentityRiskyUser.Read.All')} If that is granted, the tenant has no Entra ID P2 licence, which riskyUsers needs.`;
/** Where it is these users that are refused, and not the group or list. */
const ABOUT_USERS = {
  Graph:
    'The group takes others, so it is these users (ids): look them up in Entra; a restricted management administrative unit or a role may protect them.',
  Cloudflare:
    'If the same users (ids) are refused again, the list is full or Cloudflare does not take their address: to add them, correct their userPrincipalName, or, if they may browse unisolated, exempt them with EXEMPT_USER_IDS; to remove them, delete their entries by hand.',
} as const;
const RESTORE =
  'If it was deleted, restore it (Entra > Groups > Deleted groups): another isolates nobody before it is assigned to the SCIM application. If a wrong id is pinned, correct GROUP_IDS.';
const AGAIN = 'The next run looks again before it creates anything.';

/** The sentences of the log, by the name that stands in it as `event`. */
const sentences = {
  // What makes a run fail.
  settings: ({ problems }: { problems: readonly string[] }) =>
    `Nothing was read or written, because of the settings. ${problems.join(' ')}`,
  'sign-in': signInSentence,
  'risky-users-unread': ({ error }: Failed) =>
    `The risky users could not be read (${error.message}), so nothing was written. ${remedyFor(error.trace, RISKY_REMEDY)}`,
  'second-reading-failed': ({ error }: Failed) =>
    `The second reading of the risky users failed (${error.message}), so nobody is released. ${remedyFor(error.trace, RISKY_REMEDY)}`,
  'too-many-removals': ({ count, limit }: Count & { limit: number }) =>
    `${people(count)} would be released in this run, more than MAX_REMOVALS=${limit} allows, so nobody is. If that is right (many were dismissed at once), set MAX_REMOVALS to ${count} or more in wrangler.toml, deploy, and set it back afterwards. If not, see in Entra's audit log who settled their risk.`,
  'groups-unread': ({ error }: Failed) =>
    `The groups could not be looked up (${error.message}), so what was not found is left alone. ${remedyFor(error.trace, `${grant('GroupMember.Read.All')} Or pin the groups with GROUP_IDS in wrangler.toml.`)}`,
  'group-ineligible': ({ what, reason, id }: What & Partial<Id> & { reason: string }) =>
    `The group ${what} cannot be used: ${reason}. Pin a plain security group with GROUP_IDS${id === undefined ? ', or rename all groups of that name (ids) and the Worker creates one, which must then be assigned to the SCIM application' : ''}. The other levels go on.`,
  'name-unclear': ({ what }: What) =>
    `It is not told which of those called ${what} (ids) is the oldest that can be used, so this level is left alone and the others go on. If the next run says so too, keep the one that policies or the SCIM application name, and delete the others; for groups, grant GroupMember.Read.All or pin them with GROUP_IDS.`,
  'group-name-differs': ({ what, id, name, isExchanged }: What & Id & { name: string; isExchanged: boolean }) =>
    `GROUP_IDS names ${id} for the group ${what}, but that group is called ${name}, so it is not written. ${isExchanged ? 'Two ids are exchanged in GROUP_IDS in wrangler.toml: put each to its level.' : 'Correct GROUP_IDS in wrangler.toml, or give the group its name.'}`,
  'pin-unchecked': ({ what, id, count, error }: What & Id & Count & Partial<Failed>) =>
    `Nobody is removed from ${what} (${people(count)} would be), because Graph does not show that ${id} is that group${error ? ` (${error.message})` : ''}. ${error ? remedyFor(error.trace, PIN_REMEDY) : PIN_REMEDY}`,
  'members-unread': ({ what, error }: What & Failed) =>
    `The members of ${what} could not be read (${error.message}), so this level is left alone and the others go on. ${error.trace.status === 404 ? `The group is gone, or too new for parts of Entra to know it. ${RESTORE}` : remedyFor(error.trace, grant('GroupMember.ReadWrite.All'))}`,
  'group-not-created': ({ what, error }: What & Failed) =>
    `The group ${what} was not created${[400, 401, 403].includes(error.trace.status) ? '' : ', or it is not clear whether it was'} (${error.message}). ${AGAIN} ${remedyFor(error.trace, `${grant('Group.Create')} Or create the three groups by hand and pin them with GROUP_IDS.`)}`,
  'group-gone': ({ what }: What) =>
    `The group ${what} is gone: Graph no longer finds it. Whoever was to be added (ids) is not in it. ${RESTORE}`,
  'add-failed': (refused: Refused) => `Not added to ${refusedSentence(refused)}`,
  'remove-failed': (refused: Refused) => `Not removed from ${refusedSentence(refused)}`,
  contradicted: ({ what, verb, count }: What & Count & { verb: Verb }) =>
    `${people(count)} (ids) ${verb === 'add' ? 'added to' : 'removed from'} ${what} with success, yet read there as if not. Readings may lag: the next run looks again. If this goes on for the same users, open a case with Microsoft or Cloudflare.`,
  'lists-unread': ({ error }: Failed) =>
    `The Zero Trust lists could not be looked up (${error.message}), so what was not found is left alone. ${remedyFor(error.trace)}`,
  'list-unread': ({ what, error }: What & Failed) =>
    `The list ${what} could not be read (${error.message}), so this level is left alone and the others go on. ${remedyFor(error.trace)}`,
  'list-renamed': ({ what, id }: What & Id) =>
    `The list ${id} is ours by its description, but not called ${what} any more. Policies refer to lists by id, so no other is made and this level is left alone. Give it its name back; or, if no policy uses it, delete it.`,
  'list-not-created': ({ what, error }: What & Failed) =>
    `The list ${what} was not created, or it is not clear whether it was (${error.message}). ${AGAIN} ${remedyFor(error.trace)}`,
  'list-full': ({ what, count }: What & Count) =>
    `The list ${what} is full, so ${people(count)} at risk (ids) are not in it. Whoever is in it stays. Dismiss what is settled in Entra, or use groups (DESTINATIONS).`,
  'not-listable': ({ count }: Count) =>
    `${people(count)} at risk (ids) cannot be in a list: guests, or without a userPrincipalName that is an e-mail address. With lists alone they are not isolated: add groups to DESTINATIONS, or, if they may stay so, exempt them with EXEMPT_USER_IDS. While Graph leaves out a userPrincipalName, nobody is removed from a list.`,
  unexpected: ({ reason }: { reason: string }) =>
    `The Worker met something it was not made for (${reason}). Nothing more was done in this run; please report it.`,

  // What needs a look, while the run goes on.
  'setting-unused': ({ names }: { names: readonly string[] }) =>
    `Without effect: ${names.join(', ')}, because DESTINATIONS does not name their destination. Remove them, or add the destination.`,
  'certificate-expires': ({ days }: { days: number }) =>
    `AZURE_AD_CLIENT_CERTIFICATE expires in less than ${days + 1} days. Make a new pair, upload the certificate to the app registration, and set both secrets: openssl req -x509 -newkey rsa:2048 -noenc -keyout key.pem -out certificate.pem -days 365 -subj "/CN=risky-users"`,
  'filter-refused': () =>
    'Graph refused the filter of the risky users, so all of their entries were read. The result is the same; the reading takes longer. Nothing needs to be done.',
  'in-doubt': ({ count }: Count) =>
    `${people(count)} at risk with a level that is not high, medium or low, so they are neither added nor removed. A level of hidden means that a licence (Entra ID P2) is missing.`,
  'duplicate-names': ({ what, id }: What & Id) =>
    `Several are called ${what}. The oldest eligible one is used (${id}). If policies or the SCIM application name another (ids), let them name that one; then delete the others.`,
  'group-created': ({ what, id }: What & Id) =>
    `Created the group ${what} (${id}). Assign it to the SCIM application of Cloudflare in Entra, or nobody in it is isolated. Parts of Entra may learn of it only within minutes: this run may fail for it, and the next succeed.`,
  'list-created': ({ what, id }: What & Id) =>
    `Created the list ${what} (${id}). Name it in the Gateway policy that isolates (User Email, in list), or nobody in it is isolated.`,
  'users-gone': ({ what, count }: What & Count) =>
    `${people(count)} could not be added to ${what}, because Entra no longer knows them. Nothing needs to be done; a deleted user stays listed as risky until Microsoft removes the entry.`,
  'releases-held': ({ count }: Count) =>
    `${people(count)} no longer at risk, but MAX_REMOVALS=0 lets nobody be released.`,
  'readings-differ': ({ count }: Count) =>
    `${people(count)} missing from the first reading of the risky users were in the second, so they stay in isolation. If this goes on, look at https://admin.microsoft.com > Health.`,
  'provisioning-refused': (_: Failed) =>
    'Graph refuses on-demand provisioning, so newcomers wait for the regular cycle. Grant the application permission Synchronization.ReadWrite.All with admin consent, or leave SCIM_SERVICE_PRINCIPAL_ID empty.',
  'provisioning-no-job': () =>
    'The enterprise application SCIM_SERVICE_PRINCIPAL_ID has no active provisioning job that maps groups, so nobody reaches Cloudflare by it. Start provisioning there and enable the mapping of groups, or correct the id.',
  'provisioning-quarantine': () =>
    'The provisioning job of SCIM_SERVICE_PRINCIPAL_ID is in quarantine, so nobody reaches Cloudflare by it. See Provisioning > Provisioning logs of the enterprise application.',
  'provisioning-failed': ({ error }: Failed) =>
    `On-demand provisioning ended early (${error.message}). Newcomers wait for the regular cycle; if this goes on, check SCIM_SERVICE_PRINCIPAL_ID.`,
  'provisioning-skipped': ({ codes }: { codes: string }) =>
    `On-demand provisioning did not take some users (${codes}). They wait for the regular cycle; if this goes on, check that the three groups are assigned to the enterprise application SCIM_SERVICE_PRINCIPAL_ID, and see its provisioning logs.`,
  'heartbeat-failed': ({ reason }: { reason: string }) =>
    `The heartbeat was not taken (${reason}). All is in sync; check HEARTBEAT_URL if this goes on.`,
} as const;

export type EventName = keyof typeof sentences;
export type EventDetails = { [Name in EventName]: Parameters<(typeof sentences)[Name]>[0] };
export const EVENTS: { readonly [Name in EventName]: (details: EventDetails[Name]) => string } = sentences;

/** A count with its noun. */
export function people(count: number): string {
  return count === 1 ? '1 user' : `${count} users`;
}

function refusedSentence({ what, count, error, isAboutThem }: Refused): string {
  const { service, status, cause } = error.trace;
  const isRefusal = cause === undefined && (status === 400 || status === 403);
  const remedy = isRefusal && isAboutThem ? ABOUT_USERS[service] : remedyFor(error.trace, MEMBERS_REMEDY);
  return `${what}: ${people(count)} (${error.message}). ${remedy}`;
}
