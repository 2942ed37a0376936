/** The preview from the settings files to the checklist: reads what it may, and writes nothing. */
import type { DestinationName } from '../../../src/config/schema';
import { nameOf } from '../../../src/context';
import { SettingsError } from '../../../src/errors';
import { OBJECT_ID, RISK_LEVELS } from '../../../src/plan';
import type { Fetch } from '../../tenant/front-door';
import { HOSTS } from '../../tenant/world';
import { type Chain, type Check, causeOf, createApi, examine, render, TIMEOUT_MS } from './chain';
import * as cloudflare from './cloudflare';
import { dryRun, type inWorkerd, runLines } from './dry-run';
import * as entra from './entra';
import { readSettings, settingsLines } from './settings';

const ACCOUNTS = 'https://api.cloudflare.com/client/v4/accounts';
const SET_ADMIN =
  'Set ENTRA_ADMIN_TOKEN in the shell: export ENTRA_ADMIN_TOKEN=$(az account get-access-token --resource-type ms-graph --query accessToken --output tsv)';
const SET_CLOUDFLARE =
  'Set CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID for this command alone: set in the shell, wrangler would use them for login, deploy and tail. The token needs of Account, each > Read: Zero Trust; Access: Organizations, Identity Providers, and Groups; Access: Apps and Policies; Access: Users.';

const isolation = (of: DestinationName) =>
  RISK_LEVELS.map((level): Check => {
    return [
      'Cloudflare',
      `A policy to isolate ${level} (${of})`,
      (chain) => cloudflare.isolationSaid(chain, of, level),
    ];
  });
const OF_ALL: readonly Check[] = [
  ['sign-in', 'When secret and certificates end', entra.credentialSaid],
  ['sign-in', 'Which permissions are granted', entra.permissionSaid],
  ['Cloudflare', 'Whether policies name what is not kept', cloudflare.staleSaid],
];
const OF_GROUPS: readonly Check[] = [
  ...RISK_LEVELS.map((level): Check => ['groups', nameOf(level), (chain) => entra.groupSaid(chain, level)]),
  ['groups', 'Owners of the groups', entra.ownerSaid],
  ['SCIM', 'Assignment', entra.assignmentSaid],
  ['SCIM', 'The provisioning job', entra.jobSaid],
  ['Cloudflare', 'SCIM at the identity provider', cloudflare.providerSaid],
  ['Cloudflare', 'Whether Cloudflare knows the groups', cloudflare.knownGroupsSaid],
  ['Cloudflare', 'Whether Gateway policies name groups not assigned to SCIM', cloudflare.gatewaySaid],
  ['Cloudflare', 'Whether Access policies name groups not assigned to SCIM', cloudflare.accessSaid],
  ...isolation('groups'),
];
const OF_LISTS: readonly Check[] = [
  ...RISK_LEVELS.map((level): Check => ['lists', nameOf(level), (chain) => cloudflare.listSaid(chain, level)]),
  ['Cloudflare', 'Whether Cloudflare knows the addresses of users at risk', cloudflare.addressesSaid],
  ...isolation('lists'),
];

/** Never sends anything but GET, except the sign-in. `folder` has the settings files, `environment` is of wrangler.toml. */
export async function preview(
  folder: string,
  environment: string | undefined,
  variables: Readonly<Record<string, string | undefined>>,
  fetchAny: Fetch,
  runWorker: typeof inWorkerd,
) {
  const fetch: Fetch = async (input, init) => {
    const isSignIn = new URL(String(input)).pathname.endsWith('/oauth2/v2.0/token');
    if (isSignIn || (init?.method ?? 'GET') === 'GET') return fetchAny(input, init);
    throw new Error(`a ${init?.method}, though the preview only reads`);
  };
  const settings = await readSettings(folder, environment);
  const { file, cron, env, config } = settings;
  // The settings may be wrong, and their cloud is needed all the same.
  const cloud = new Map(Object.entries(HOSTS)).get(env['AZURE_AD_CLOUD']?.trim().toLowerCase() ?? '') ?? HOSTS.global;
  const tenant = await findTenant(env, cloud.login, fetch).catch(causeOf);
  if (typeof tenant === 'string') {
    const unreached = `${cloud.login} was not reached (${tenant}). Nothing beyond the settings was examined.`;
    return render([['sign-in', `!! No network: ${unreached}`], ...settingsLines(settings, false)]);
  }
  const known = settingsLines(settings, tenant.areExchanged);
  if (config instanceof SettingsError)
    return render([...known, ['sign-in', '?? The rest of the chain: not examined. Correct the settings first.']]);
  const { ENTRA_ADMIN_TOKEN, CLOUDFLARE_API_TOKEN, CLOUDFLARE_ACCOUNT_ID } = variables;
  const run = await dryRun(env, cron, fetch, runWorker);
  // With lists, the token of the Worker reads lists and policies as well.
  const account = config.CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID || CLOUDFLARE_ACCOUNT_ID;
  const token = account && (CLOUDFLARE_API_TOKEN?.trim() || config.CLOUDFLARE_ZERO_TRUST_API_TOKEN);
  const chain: Chain = {
    ...{ config, run, tenantId: tenant.id },
    admin: createApi(fetch, `https://${cloud.graph}/v1.0`, 'ENTRA_ADMIN_TOKEN', ENTRA_ADMIN_TOKEN?.trim(), SET_ADMIN),
    cloudflare: createApi(fetch, `${ACCOUNTS}/${account}`, 'CLOUDFLARE_API_TOKEN', token, SET_CLOUDFLARE),
  };
  const { DESTINATIONS: kept } = config;
  const checks = [kept.has('groups') ? OF_GROUPS : [], OF_ALL, kept.has('lists') ? OF_LISTS : []].flat();
  return render(await examine([...known, ...runLines(run, file)], checks, chain));
}

/** From public metadata (entra: v2-protocols-oidc): the tenant's object id, and whether the client id is that of one. */
async function findTenant(env: Readonly<Record<string, string>>, login: string, fetch: Fetch) {
  const lookUp = async (name: string) => {
    const address = `https://${login}/${encodeURIComponent(name)}/v2.0/.well-known/openid-configuration`;
    const response = await fetch(address, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) });
    const { issuer }: { issuer?: unknown } = response.ok ? await response.json() : {};
    return /\/([\da-f-]{36})\/v2\.0$/.exec(String(issuer))?.[1];
  };
  const { AZURE_AD_TENANT_ID = '', AZURE_AD_CLIENT_ID = '' } = env;
  const [tenant, client] = [AZURE_AD_TENANT_ID.trim(), AZURE_AD_CLIENT_ID.trim().toLowerCase()];
  const id = await lookUp(/^[\w.-]+$/.test(tenant) ? tenant : 'organizations');
  return { id, areExchanged: id === undefined && OBJECT_ID.test(client) && (await lookUp(client)) !== undefined };
}
