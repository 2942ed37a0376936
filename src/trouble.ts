/** Every trouble a run can meet: one sentence for what is wrong, one for what to do. The key is in the log line. */
import { GraphError, type GraphTrace, isTrouble, OutOfTime, type Trouble } from './errors';
import { RETRY } from './retry';

interface ByGroup {
  group: string;
}
interface Count {
  count: number;
}
interface TimeIsUp {
  error: OutOfTime;
  deadlineSeconds: number;
  progress: string;
}

/** Sign-in errors of learn.microsoft.com/entra/identity-platform/reference-error-codes that a setting mends. */
const SIGN_IN_REMEDIES: Readonly<Record<number, string>> = {
  7000215:
    'AZURE_AD_CLIENT_SECRET is wrong. Set the value of a client secret (not its Secret ID): npx wrangler secret put AZURE_AD_CLIENT_SECRET',
  7000222:
    'AZURE_AD_CLIENT_SECRET has expired. Make a new client secret in the app registration, then: npx wrangler secret put AZURE_AD_CLIENT_SECRET',
  90002: 'AZURE_AD_TENANT_ID names no tenant of this cloud. Correct it, or AZURE_AD_CLOUD, in wrangler.toml.',
  900023: 'AZURE_AD_TENANT_ID is neither a directory id nor a verified domain. Correct it in wrangler.toml.',
  70011: 'The scope is not one of this cloud. Correct AZURE_AD_CLOUD in wrangler.toml.',
  700016:
    'AZURE_AD_CLIENT_ID names no application of the tenant AZURE_AD_TENANT_ID. Correct one of them in wrangler.toml.',
  7000229:
    'The application AZURE_AD_CLIENT_ID has no enterprise application in this tenant. Grant admin consent to it.',
  7000112:
    'The application AZURE_AD_CLIENT_ID is disabled. Enable it in Entra admin center > Enterprise applications.',
  700027:
    'AZURE_AD_CLIENT_CERTIFICATE is not one of the certificates of the app registration. Upload it there (Certificates & secrets > Certificates).',
  700024:
    'The client assertion is outside its time. Check that AZURE_AD_CLIENT_CERTIFICATE is the current certificate.',
  53003:
    'A Conditional Access policy for workload identities blocks the Worker. Exclude its application from the policy.',
};

const MEMBERS_REMEDY =
  'Grant the application permission GroupMember.ReadWrite.All with admin consent. If that is granted, the group is role-assignable or dynamic: use a plain security group.';

/** The sentences of the log, by the key that stands in it as `trouble`. The README explains each of them. */
const sentences = {
  // What makes a run fail.
  settings: ({ faults }: { faults: readonly string[] }) =>
    `Nothing was read or written, because of the settings. ${faults.join(' ')}`,
  'sign-in': ({ aadsts, status }: { aadsts: readonly number[]; status: number | undefined }) => {
    const known = aadsts.find((number) => number in SIGN_IN_REMEDIES);
    const numbers = aadsts.map((number) => `AADSTS${number}`).join(', ');
    if (status === undefined || RETRY.statuses.has(status) || status >= 500) {
      return `The sign-in of Entra is in trouble (${status ?? 'no answer'}), so the run ended. The next one tries again.`;
    }
    return `Entra refuses to sign the Worker in (${numbers || `status ${status}`}), so the run ended. ${
      (known !== undefined && SIGN_IN_REMEDIES[known]) ||
      'Check AZURE_AD_TENANT_ID, AZURE_AD_CLIENT_ID and the client secret or certificate; look the number up at https://login.microsoftonline.com/error.'
    }`;
  },
  'risky-users-refused': ({ licenceFirst }: { licenceFirst: boolean }) => {
    const licence = 'the tenant has no Entra ID P2 licence, which riskyUsers needs';
    const permission =
      'the application permission IdentityRiskyUser.Read.All is not granted with admin consent';
    const causes = licenceFirst ? [licence, permission] : [permission, licence];
    return `Graph refuses the risky users, so nothing was written. Either ${causes.join(', or ')}.`;
  },
  'risky-users-unread': ({ reason }: { reason: string }) =>
    `The risky users could not be read (${reason}), so nothing was written. The next run tries again; if this goes on, look at https://admin.microsoft.com > Health.`,
  'lookup-refused': () =>
    'Graph refuses to look up the groups, so nothing was written. Grant the application permission GroupMember.Read.All with admin consent, or pin the groups with GROUP_IDS.',
  'lookup-failed': ({ reason }: { reason: string }) =>
    `The groups could not be looked up (${reason}), so nothing was written. The next run tries again.`,
  'group-unfit': ({ group, reason }: ByGroup & { reason: string }) =>
    `The group ${group} cannot be used: ${reason}. Pin a plain security group with GROUP_IDS, or rename all groups of that name (ids) and the Worker creates one, which must then be assigned to the SCIM application. The other levels go on.`,
  'group-unread': ({ group, error }: ByGroup & { error: Trouble }) => {
    const remedies: Readonly<Record<number, string>> = {
      403: 'Grant the application permission GroupMember.ReadWrite.All with admin consent.',
      404: 'The group is gone: correct GROUP_IDS if it is pinned; a deleted one is made again within ten minutes.',
    };
    const remedy = remedies[traceOf(error).status ?? 0] ?? whatNext(error);
    return `The members of ${group} could not be read (${reasonOf(error)}), so this level is left alone and the others go on. ${remedy}`;
  },
  'group-create-refused': ({ group }: ByGroup) =>
    `Graph refuses to create the group ${group}. Grant the application permission Group.Create with admin consent, or create the three groups by hand and pin them with GROUP_IDS.`,
  'group-create-failed': ({ group, reason }: ByGroup & { reason: string }) =>
    `The group ${group} was not created, or it is not clear whether it was (${reason}). The next run looks again before it creates anything.`,
  'group-gone': ({ group }: ByGroup) =>
    `The group ${group} is gone: Graph no longer finds it. Nobody was added to it; the next run finds or creates it by name. If it is pinned, correct GROUP_IDS.`,
  'join-refused': ({ group }: ByGroup) => `Graph refuses to add members to ${group} (403). ${MEMBERS_REMEDY}`,
  'join-rejected': ({ group }: ByGroup) =>
    `The group ${group} refuses everyone (400). It may be synced from on-premises or mail-enabled: use a plain security group.`,
  'join-failed': ({ group, count }: ByGroup & Count) =>
    `Not added to ${group}: ${people(count)}. The next run tries again. If this goes on with status 400, the group may be synced from on-premises or mail-enabled: use a plain security group.`,
  'leave-refused': ({ group }: ByGroup) =>
    `Graph refuses to remove members from ${group} (403). ${MEMBERS_REMEDY}`,
  'leave-failed': ({ group, count }: ByGroup & Count) =>
    `Not removed from ${group}: ${people(count)}. The next run tries again.`,
  'second-reading-failed': ({ count, error }: Count & { error: Trouble }) =>
    `${people(count)} would leave isolation, but the second reading of the risky users failed (${reasonOf(error)}), so nobody does. ${whatNext(error)}`,
  'too-many-departures': ({ count, limit }: Count & { limit: number }) =>
    `${people(count)} would leave isolation in this run, more than MAX_REMOVALS=${limit} allows, so nobody does. If that is right (many were dismissed at once), set MAX_REMOVALS to ${count} or more in wrangler.toml, deploy, and set it back afterwards.`,
  'out-of-time': ({ error, deadlineSeconds, progress }: TimeIsUp) => {
    const isDeadline = error.limit === 'deadline' && !error.throttled;
    const why = isDeadline ? `The run reached its deadline of ${deadlineSeconds} s` : error.message;
    return `${why}: ${progress}. The next run goes on from there. ${ifOften(error)}`;
  },
  unexpected: ({ reason }: { reason: string }) =>
    `The Worker met something it was not made for (${reason}). Nothing more was done in this run; please report it.`,

  // What needs a look, while the run goes on.
  'filter-refused': () =>
    'Graph refused the filter of the risky users, so all of their entries were read. The result is the same; the reading takes longer.',
  'in-doubt': ({ count }: Count) =>
    `${people(count)} at risk with a level that is not high, medium or low, so they neither join nor leave a group. A level of hidden means that a licence (Entra ID P2) is missing.`,
  'duplicate-groups': ({ group, used }: ByGroup & { used: string }) =>
    `Several groups are called ${group}. The oldest fit one is used (${used}); find out who made the others and delete or rename them, or pin the groups with GROUP_IDS.`,
  'group-created': ({ group, id }: ByGroup & { id: string }) =>
    `Created the group ${group} (${id}). Assign it to the SCIM application of Cloudflare in Entra, or nobody in it is isolated.`,
  'group-not-listed': () =>
    'A group that was just created is not listed by Graph yet. If a second one of the name appears, keep the older one.',
  'users-gone': ({ group, count }: ByGroup & Count) =>
    `${people(count)} could not be added to ${group}, because Entra no longer knows them. Nothing needs to be done; a deleted user stays listed as risky until Microsoft removes the entry.`,
  'departures-held': ({ count }: Count) =>
    `${people(count)} no longer at risk, but MAX_REMOVALS=0 lets nobody leave isolation.`,
  'second-reading-differs': ({ count }: Count) =>
    `${people(count)} missing from the first reading of the risky users were in the second, so they stay in isolation. If this goes on, look at https://admin.microsoft.com > Health.`,
  'certificate-expires': ({ days }: { days: number }) =>
    `AZURE_AD_CLIENT_CERTIFICATE expires in less than ${days + 1} days. Make a new pair, upload the certificate to the app registration, and set both secrets: openssl req -x509 -newkey rsa:2048 -noenc -keyout key.pem -out certificate.pem -days 365 -subj "/CN=risky-users"`,
  'provisioning-refused': () =>
    'Graph refuses on-demand provisioning, so newcomers wait for the regular cycle. Grant the application permission Synchronization.ReadWrite.All with admin consent (or Application.ReadWrite.OwnedBy, if this application owns the enterprise application), or leave SCIM_SERVICE_PRINCIPAL_ID empty.',
  'provisioning-no-job': () =>
    'The enterprise application SCIM_SERVICE_PRINCIPAL_ID has no active provisioning job that maps groups, so nobody reaches Cloudflare by it. Start provisioning there and enable the mapping of groups, or correct the id.',
  'provisioning-quarantine': () =>
    'The provisioning job of SCIM_SERVICE_PRINCIPAL_ID is in quarantine, so nobody reaches Cloudflare by it. See Provisioning > Provisioning logs of the enterprise application.',
  'provisioning-failed': ({ reason }: { reason: string }) =>
    `On-demand provisioning ended early (${reason}). Newcomers wait for the regular cycle; if this goes on, check SCIM_SERVICE_PRINCIPAL_ID.`,
  'provisioning-skipped': ({ errorCode, count }: Count & { errorCode: string }) =>
    `On-demand provisioning did not take ${people(count)} (${errorCode}). They wait for the regular cycle; see the provisioning logs of the enterprise application.`,
  'provisioning-left': ({ count }: Count) =>
    `On-demand provisioning had no time for ${people(count)}, or they are not in its scope yet. They wait for the regular cycle; if this goes on, check that the three groups are assigned to the enterprise application.`,
  'heartbeat-failed': ({ reason }: { reason: string }) =>
    `The heartbeat was not taken (${reason}). The groups are in step; check HEARTBEAT_URL if this goes on.`,
} as const;

export type TroubleKey = keyof typeof sentences;
export type TroubleDetails = { [Key in TroubleKey]: Parameters<(typeof sentences)[Key]>[0] };
export const TROUBLES: { readonly [Key in TroubleKey]: (details: TroubleDetails[Key]) => string } = sentences;

function whatNext(error: Trouble): string {
  return `The next run tries again.${error instanceof OutOfTime ? ` ${ifOften(error)}` : ''}`;
}

/** What to do about a limit that every run meets. */
function ifOften({ limit, throttled }: OutOfTime): string {
  if (limit === 'requests')
    return 'The Workers Free plan allows 50 requests a run; if this happens often, use the Workers Paid plan.';
  return throttled
    ? 'If this happens often, find out which other app keeps Graph busy.'
    : 'If this happens often, set a slower cron and a larger DEADLINE_SECONDS in wrangler.toml.';
}

/** Why something was not done, in a few words that name nobody; an unknown error only by its class. */
export function reasonOf(error: unknown): string {
  if (isTrouble(error)) return error.message;
  return error instanceof Error ? error.name : 'no error';
}

/** What Graph said of itself with the error, for the log. */
export function traceOf(error: unknown): GraphTrace {
  return error instanceof GraphError ? error.trace : {};
}

/** A count with its noun. */
export function people(count: number): string {
  return count === 1 ? '1 user' : `${count} users`;
}
