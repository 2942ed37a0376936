/** What to do about a step or a sign-in that failed, by what the response means, not by its status alone. */
import type { SignInError, Trace } from '../errors';
import { RETRY } from '../http/retry';

const NEXT = 'The next run tries again.';
const ZERO_TRUST = 'the permission Account > Zero Trust > Edit';

/** By the cause of a trace. */
const BY_CAUSE: Readonly<Record<string, string>> = {
  'no answer': NEXT,
  unreachable: `${NEXT} If this goes on, look at https://www.cloudflarestatus.com and https://status.cloud.microsoft.`,
  'out of time': `${NEXT} If this happens often, set a slower cron and a larger DEADLINE_SECONDS in wrangler.toml.`,
  'out of requests': `${NEXT} The Workers Free plan allows 50 requests a run; if this happens often, use the Workers Paid plan.`,
  'enough for one run': 'A list is written at most ten times a run, or until three fail alone: the next run goes on.',
  'no licence': 'The tenant has no Entra ID P2 licence, which riskyUsers needs: assign one.',
  'no consent':
    'The application has no rights in this tenant: grant admin consent to it, and check that AZURE_AD_TENANT_ID is the tenant of the risky users.',
  'already a member':
    'Graph says that they are members and does not list them. Readings may lag: the next run looks again.',
  'no member': 'Graph says that they are no members, and no reading confirms it. It may lag: the next run looks again.',
  'sign-in refused': 'The token was refused and the sign-in gave no other: see the line of the event sign-in.',
  'wrong tenant':
    'Graph does not know the tenant of the token: check AZURE_AD_TENANT_ID and AZURE_AD_CLOUD in wrangler.toml.',
  quota:
    'The group or the directory is full (a quota of Entra); it is not a missing permission. Delete in Entra what is not needed (deleted objects count until they are purged), or ask Microsoft support to raise the quota.',
  'restricted unit':
    'The group or the user is in a restricted management administrative unit (Entra admin center > Roles & admins > Admin units): take them out of it, or give the application a role with that unit as its scope.',
  synced: 'The group is synced from on-premises: use a plain security group (GROUP_IDS in wrangler.toml).',
  'mail-enabled': 'The group is mail-enabled: use a plain security group (GROUP_IDS in wrangler.toml).',
  'name taken':
    'Graph refuses the name. As a rule somebody renamed our group, which still has the nickname: give it its name back, or pin it with GROUP_IDS in wrangler.toml.',
  'list refused': 'If it is refused again, another list has that name, or the account has its 100 lists.',
  'needed by somebody': NEXT,
  'expired page': `The page token of Graph expired while the list was read. ${NEXT} If this goes on, set a slower cron and a larger DEADLINE_SECONDS in wrangler.toml.`,
  'token refused': `CLOUDFLARE_ZERO_TRUST_API_TOKEN is not a valid API token, or has expired. Make one with ${ZERO_TRUST}, then: npx wrangler secret put CLOUDFLARE_ZERO_TRUST_API_TOKEN`,
  'not permitted': `CLOUDFLARE_ZERO_TRUST_API_TOKEN needs ${ZERO_TRUST} for the account CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID: give it that permission (reading alone is not enough), or correct the account in wrangler.toml.`,
  'no account': `CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID names no account in which CLOUDFLARE_ZERO_TRUST_API_TOKEN has ${ZERO_TRUST}. Correct it in wrangler.toml.`,
};

/** What to do; `permission` is what a 403 of Graph without a better cause misses. */
export function remedyFor({ service, status, cause }: Trace, permission = ''): string {
  const known = BY_CAUSE[cause ?? ''];
  if (known !== undefined) return known;
  if (status === 403) return permission;
  if (status === 401)
    return `Graph does not accept the token. If the next run fails alike, with a fresh one, check the admin consent of the application, AZURE_AD_TENANT_ID and AZURE_AD_CLOUD. ${permission}`;
  if (status === 429) return `${NEXT} If this happens often, find out which other app keeps ${service} busy.`;
  const health = service === 'Graph' ? 'https://admin.microsoft.com > Health' : 'https://www.cloudflarestatus.com';
  return `${NEXT} If this goes on, look at ${health}.`;
}

/** The sentence for a permission of Microsoft Graph. */
export function grant(permission: string): string {
  return `Grant the application permission ${permission} with admin consent.`;
}

const WRONG_CLOUD =
  'AZURE_AD_CLOUD is not the cloud of this tenant or application. Set it to global, usgov or dod in wrangler.toml.';
const PUT_SECRET = 'npx wrangler secret put AZURE_AD_CLIENT_SECRET';
const UNKNOWN =
  'Check AZURE_AD_TENANT_ID, AZURE_AD_CLIENT_ID and the client secret or certificate; look the number up at https://login.microsoftonline.com/error.';

/** learn.microsoft.com/entra/identity-platform/reference-error-codes, and what people met (issue threads beside it). */
const BY_AADSTS: Readonly<Record<number, string>> = {
  // A new secret is refused so for some seconds (microsoft-graph-docs#17966).
  7000215: `AZURE_AD_CLIENT_SECRET is wrong. Set the value of a client secret (not its Secret ID): ${PUT_SECRET} (a secret made within the last minute may only need that minute).`,
  7000222: `AZURE_AD_CLIENT_SECRET has expired. Make a new client secret in the app registration, then: ${PUT_SECRET}`,
  90002: 'AZURE_AD_TENANT_ID names no tenant of this cloud. Correct it, or AZURE_AD_CLOUD, in wrangler.toml.',
  900023: 'AZURE_AD_TENANT_ID is neither a directory id nor a verified domain. Correct it in wrangler.toml.',
  // teams-js#3121, certify#553
  900382: WRONG_CLOUD,
  500011: WRONG_CLOUD,
  70011: WRONG_CLOUD,
  700038: 'AZURE_AD_CLIENT_ID is not the Application (client) ID of an app registration. Correct it in wrangler.toml.',
  700016:
    'AZURE_AD_CLIENT_ID names no application of the tenant AZURE_AD_TENANT_ID. Correct one of them in wrangler.toml; if both are right, correct AZURE_AD_CLOUD.',
  7000229:
    'The application AZURE_AD_CLIENT_ID has no enterprise application in this tenant. Grant admin consent to it.',
  7000112: 'The application AZURE_AD_CLIENT_ID is disabled. Enable it in Entra admin center > Enterprise applications.',
  700027:
    'AZURE_AD_CLIENT_CERTIFICATE is not one of the certificates of the app registration. Upload it there (Certificates & secrets > Certificates).',
  // It speaks of the assertion's times, which the Worker sets by its clock.
  700024:
    'The clocks of the Worker and of Entra differ by more than the five minutes that a client assertion lives; the certificate is not the cause. If the next runs fail too, set AZURE_AD_CLIENT_SECRET in place of the pair and report it to Cloudflare.',
  53003:
    'A Conditional Access policy for workload identities blocks the Worker. Exclude its application from the policy.',
};

/** What to do when Entra does not sign the Worker in, by its AADSTS number. */
export function signInSentence({ error }: { error: SignInError }): string {
  const { status, cause, aadsts = [] } = error.trace;
  const known = aadsts.find((number) => number in BY_AADSTS);
  if (known === undefined && (status < 400 || status >= 500 || RETRY.statuses.has(status))) {
    const where = cause === 'unreachable' ? ': Cloudflare could not reach Microsoft' : '';
    return `The sign-in of Entra did not work (${status === 0 ? 'no answer' : `status ${status}`}${where}). ${NEXT}`;
  }
  const numbers = aadsts.map((number) => `AADSTS${number}`).join(', ') || `status ${status}`;
  return `Entra refuses to sign the Worker in (${numbers}). ${known === undefined ? UNKNOWN : BY_AADSTS[known]}`;
}
