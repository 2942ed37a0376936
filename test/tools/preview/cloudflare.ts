/** The lines on lists and on what Cloudflare knows. Shapes: `cloudflare` 7.3.0, zero-trust; permissions: the API reference. */
import * as v from 'valibot';
import { judgeLists, List } from '../../../src/cloudflare/cloudflare';
import { listableAddress } from '../../../src/cloudflare/entries';
import { nameOf } from '../../../src/context';
import type { RiskLevel } from '../../../src/plan';
import { type Chain, counted, type Said, Unexamined } from './chain';
import { changesAt, named, READ_RISK_FIRST } from './dry-run';
import { groupIdsOf } from './groups';

export const NEEDS = {
  identity: 'Account > Access: Organizations, Identity Providers, and Groups > Read',
  zeroTrust: 'Account > Zero Trust > Read',
  policies: 'Account > Access: Apps and Policies > Read',
  /** (observed) in public code; the API reference was not at hand. */
  users: 'Account > Access: Users > Read',
};
/** Of a list; 5,000 on Enterprise (facts 13). */
const MOST_ENTRIES = 1_000;
const PROVIDERS = 'Zero Trust > Integrations > Identity providers';

const orNone = v.optional(v.string());
/** identity-providers: AzureAD, IdentityProviderSCIMConfig */
const Provider = v.object({
  ...{ id: v.string(), type: v.string(), config: v.optional(v.object({ directory_id: orNone })) },
  scim_config: v.nullish(v.object({ enabled: v.optional(v.boolean()), identity_update_behavior: orNone })),
});

export const readLists = ({ cloudflare }: Chain) => cloudflare.list('/gateway/lists?type=EMAIL', List, NEEDS.zeroTrust);

/** The one that the Worker takes. */
export async function listAt(chain: Chain, level: RiskLevel): Promise<List | undefined> {
  const found = judgeLists(await readLists(chain)).get(level);
  return found?.kind === 'found' ? found.it : undefined;
}

export async function listSaid(chain: Chain, level: RiskLevel): Promise<Said | []> {
  const changes = changesAt(chain.run, 'lists', level);
  if (changes === 'failed') return [];
  const list = await listAt(chain, level);
  if (!list)
    return `!! ${nameOf(level)} is still to be made: the first run makes it. Deploy, name the list in the policy, and try again.`;
  if (!changes) throw new Unexamined(READ_RISK_FIRST);
  const { id, count = 0 } = list;
  const { added, removed } = changes;
  const told = `${nameOf(level)} (${id}) has ${count} of ${MOST_ENTRIES} entries (5,000 on Enterprise). ${counted(removed, 'user')} would be removed, ${added} added.`;
  if (count + added <= MOST_ENTRIES) return `ok ${told}`;
  return `!! ${told} More do not fit unless the account is Enterprise: use groups.`;
}

/** That of this tenant, to which its SCIM belongs. */
async function findProvider({ cloudflare, tenantId }: Chain) {
  const all = await cloudflare.list('/access/identity_providers', Provider, NEEDS.identity);
  const isOurs = (directory = tenantId) => tenantId === undefined || directory?.toLowerCase() === tenantId;
  return all.find(({ type, config }) => type === 'azureAD' && isOurs(config?.directory_id));
}

export async function providerSaid(chain: Chain): Promise<Said> {
  const provider = await findProvider(chain);
  if (!provider)
    return `!! There is no identity provider of the type Entra ID and the directory ${chain.tenantId}. Add it (${PROVIDERS}).`;
  const { id, scim_config: scim } = provider;
  if (scim?.enabled !== true)
    return `!! SCIM is off at the identity provider ${id}, so no group arrives. Turn on Enable SCIM (${PROVIDERS}).`;
  const behavior = scim.identity_update_behavior ?? 'no rule';
  if (behavior === 'automatic') return `ok The identity provider ${id} has SCIM on, with Automatic identity updates.`;
  // facts 14
  return `!! The identity provider ${id} updates identities by ${behavior}, so whoever only browses may never be isolated. Choose Automatic identity updates (${PROVIDERS}).`;
}

export async function knownGroupsSaid(chain: Chain): Promise<Said | Said[]> {
  const groups = await groupIdsOf(chain);
  const provider = await findProvider(chain);
  if (groups.length === 0 || !provider) throw new Unexamined('Groups and identity provider must be there first.');
  const query = groups.map((one) => `idp_resource_id=${one}`).join('&');
  const path = `/access/identity_providers/${provider.id}/scim/groups?${query}`;
  // access/groups: ZeroTrustGroup; `externalId` is the object id in Entra
  const found = await chain.cloudflare.list(path, v.object({ externalId: orNone }), NEEDS.identity);
  const known = found.map(({ externalId }) => externalId?.toLowerCase());
  const unknown = groups.filter((id) => !known.includes(id));
  if (unknown.length === 0) return 'ok SCIM has brought the groups.';
  const remedy = 'Assign it to the SCIM application, and wait for a cycle (40 minutes) or provision it on demand.';
  return unknown.map((id): Said => `!! Cloudflare does not know the group ${id}. ${remedy}`);
}

/** Compared exactly: whether Cloudflare matches without regard to case is not known (facts 13). */
export async function addressesSaid({ config, run: { risk }, cloudflare }: Chain): Promise<Said> {
  // access/users: UserListResponse
  const users = await cloudflare.list('/access/users', v.object({ email: orNone }), NEEDS.users);
  if (!risk) throw new Unexamined(READ_RISK_FIRST);
  const unknown = [...risk.atRisk.keys()].filter((id) => {
    const address = listableAddress(id, risk);
    return address !== undefined && !config.exemptUserIds.has(id) && users.every(({ email }) => email !== address);
  });
  if (unknown.length === 0) return 'ok Cloudflare knows the address of every user at risk.';
  return `!! Cloudflare does not know the address of ${counted(unknown.length, 'user')} at risk${named(unknown)}: they never enrolled, or their e-mail there is not their UPN in lower case. Set the Email claim of the identity provider to the UPN, or use groups.`;
}
