/** The lines on what Cloudflare knows, its policies too. Shapes: `cloudflare` 7.3.0; permissions: the API reference. */
import * as v from 'valibot';
import { judgeLists, List } from '../../../src/cloudflare/cloudflare';
import { listableAddress } from '../../../src/cloudflare/entries';
import { DESTINATIONS, type DestinationName } from '../../../src/config/schema';
import { nameOf } from '../../../src/context';
import { RISK_LEVELS, type RiskLevel } from '../../../src/plan';
import { type Chain, counted, type Said, Unexamined } from './chain';
import { changesAt, named, READ_RISK_FIRST } from './dry-run';
import { groupIdAt, groupIdsOf, readAssigned } from './entra';
import { bare, GROUP_ID, GROUP_NAME, ID, LIST, names, valuesIn, verdictOf } from './expression';

const NEEDS = {
  identity: 'Account > Access: Organizations, Identity Providers, and Groups > Read',
  zeroTrust: 'Account > Zero Trust > Read',
  policies: 'Account > Access: Apps and Policies > Read',
  /** (observed) in public code; the API reference was not at hand. */
  users: 'Account > Access: Users > Read',
};
/** Of a list; 5,000 on Enterprise (facts 13). */
const MOST_ENTRIES = 1_000;
const NOBODY =
  'Nobody who can be listed is at risk now, so no address was compared. Compare the UPN and e-mail of some by hand (Team & Resources > Users).';
const PROVIDERS = 'Zero Trust > Integrations > Identity providers';

const orNone = v.optional(v.string());
/** identity-providers: AzureAD, IdentityProviderSCIMConfig */
const Provider = v.object({
  ...{ id: v.string(), type: v.string(), config: v.optional(v.object({ directory_id: orNone })) },
  scim_config: v.nullish(v.object({ enabled: v.optional(v.boolean()), identity_update_behavior: orNone })),
});
type Provider = v.InferOutput<typeof Provider>;

const text = v.optional(v.string(), '');
const id = v.optional(v.string(), '(without id)');
/** gateway/rules: GatewayRule */
const Rule = v.object({
  ...{ id, action: v.string(), enabled: v.boolean(), filters: v.array(v.string()) },
  ...{ traffic: text, identity: text, device_posture: text, deleted_at: v.nullish(v.string()) },
  // Nothing is greater than NaN, so a policy without may come first.
  precedence: v.fallback(v.number(), Number.NaN),
});
type Rule = v.InferOutput<typeof Rule>;
/** access/policies, access/applications, access/groups: AzureGroupRule `{azureAD: {id, …}}` stands at any depth. */
const AccessItem = v.looseObject({ id });
const AZURE_GROUP = /"azureAD":\{[^}]*"id":"([^"]*)"[^}]*\}/g;

const readLists = ({ cloudflare }: Chain) => cloudflare.list('/gateway/lists?type=EMAIL', List, NEEDS.zeroTrust);

/** The one that the Worker takes. */
async function listAt(chain: Chain, level: RiskLevel): Promise<List | undefined> {
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
  const [{ id, count = 0 }, { added, removed }] = [list, changes];
  const told = `${nameOf(level)} (${id}) has ${count} of ${MOST_ENTRIES} entries (5,000 on Enterprise). ${counted(removed, 'user')} would be removed, ${added} added.`;
  if (count + added <= MOST_ENTRIES) return `ok ${told}`;
  return `!! ${told} More do not fit unless the account is Enterprise: use groups.`;
}

const isEntra = ({ type, config }: Provider, tenant = config?.directory_id) =>
  type === 'azureAD' && (config?.directory_id ?? tenant)?.toLowerCase() === tenant?.toLowerCase();

const allProviders = ({ cloudflare }: Chain) => cloudflare.list('/access/identity_providers', Provider, NEEDS.identity);

/** That of this tenant, to which its SCIM belongs. */
async function findProvider(chain: Chain) {
  const [first, ...more] = (await allProviders(chain)).filter((one) => isEntra(one, chain.tenantId));
  if (!first || more.length === 0) return first;
  const ids = [first, ...more].map(({ id }) => id).join(' and ');
  throw new Unexamined(`The providers ${ids} are of the same directory. Look at that with which people sign in.`);
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
  const unknown = groups.filter((id) => found.every(({ externalId }) => externalId?.toLowerCase() !== id));
  if (unknown.length === 0) return 'ok SCIM has brought the groups.';
  const remedy = 'Assign it to the SCIM application, and wait for a cycle (40 minutes) or provision it on demand.';
  return unknown.map((id): Said => `!! Cloudflare does not know the group ${id}. ${remedy}`);
}

/** Compared exactly: whether Cloudflare matches without regard to case is not known (facts 13). */
export async function addressesSaid({ config, run: { risk }, cloudflare }: Chain): Promise<Said> {
  // access/users: UserListResponse
  const users = await cloudflare.list('/access/users', v.object({ email: orNone }), NEEDS.users);
  if (!risk) throw new Unexamined(READ_RISK_FIRST);
  const ids = [...risk.atRisk.keys()].filter((id) => !config.EXEMPT_USER_IDS.has(id) && listableAddress(id, risk));
  if (ids.length === 0) throw new Unexamined(NOBODY);
  const unknown = ids.filter((id) => users.every(({ email }) => email !== listableAddress(id, risk)));
  if (unknown.length === 0) return 'ok Cloudflare knows the address of every user at risk.';
  return `!! Cloudflare does not know the address of ${counted(unknown.length, 'user')} at risk${named(unknown)}: they never enrolled, or their e-mail there is not their UPN in lower case. Set the Email claim of the identity provider to the UPN, or use groups.`;
}

const readRules = async ({ cloudflare }: Chain) =>
  (await cloudflare.list('/gateway/rules', Rule, NEEDS.zeroTrust)).filter(({ deleted_at }) => !deleted_at);

const readEnabled = async (chain: Chain) => (await readRules(chain)).filter(({ enabled }) => enabled);

/** Where the level stands, or would stand if it were kept; one that is not kept may be named where its id is not known. */
async function targetsOf(chain: Chain, level: RiskLevel) {
  const groupId = await groupIdAt(chain, level).catch(() => undefined);
  const listId = (await listAt(chain, level).catch(() => undefined))?.id;
  const group = { [GROUP_ID]: groupId, [GROUP_NAME]: nameOf(level) };
  return {
    groups: { id: groupId, subject: group, title: `the group ${groupId ?? nameOf(level)} (${level})` },
    lists: { id: listId, subject: { [LIST]: listId }, title: `the list ${listId} (${level})` },
  };
}

/** traffic-policies/order-of-enforcement: Do Not Inspect first, then the lowest precedence of those on isolation. */
const bypassesOf = (one: Rule, rules: readonly Rule[]) =>
  rules.flatMap(({ id, action, enabled, precedence }) => {
    const whose = `the policy ${one.id}, which isolates`;
    if (enabled && action === 'off')
      return `The policy ${id} (Do Not Inspect) bypasses all other HTTP policies, also ${whose}: narrow it, or read for whom it is.`;
    if (!enabled || action !== 'noisolate' || precedence > one.precedence) return [];
    return `The policy ${id} (Do Not Isolate) may come before ${whose}: put that one above it, or read for whom it is.`;
  });

export async function isolationSaid(chain: Chain, of: DestinationName, level: RiskLevel): Promise<Said> {
  const { id, subject, title } = (await targetsOf(chain, level))[of];
  if (!id) throw new Unexamined('Its group or list must be there first.');
  const ofHttp = (await readRules(chain)).filter(({ filters }) => filters.includes('http'));
  const rules = ofHttp.filter((rule) => verdictOf(rule, subject) !== 'no');
  const isolating = rules.filter(({ action }) => action === 'isolate');
  const enabled = isolating.filter((rule) => rule.enabled);
  const sure = enabled.filter((rule) => verdictOf(rule, subject) === 'yes');
  const good = sure.find((rule) => bypassesOf(rule, rules).length === 0);
  if (good) return `ok The policy ${good.id} isolates ${title}.`;
  if (sure[0]) throw new Unexamined(bypassesOf(sure[0], rules).join(' '));
  const more = 'has more conditions (identity, traffic or device posture): read its expression.';
  if (enabled[0]) throw new Unexamined(`The policy ${enabled[0].id} ${more}`);
  if (isolating[0]) return `!! The policy ${isolating[0].id}, which isolates ${title}, is disabled. Enable it.`;
  return `!! No enabled HTTP policy with the action Isolate names ${title}. Add one (Traffic policies > HTTP).`;
}

/** Policies that name what nobody keeps: users are neither added there nor removed. */
export async function staleSaid(chain: Chain): Promise<Said[]> {
  const lists = await readLists(chain);
  const others = DESTINATIONS.filter((name) => !chain.config.DESTINATIONS.has(name));
  const targets = await Promise.all(RISK_LEVELS.map((level) => targetsOf(chain, level)));
  const unkept = targets.flatMap((target) => others.map((name) => target[name]));
  const remedy = 'which this Worker does not keep (DESTINATIONS). Take it out of the policy, or keep it.';
  return (await readEnabled(chain)).flatMap(({ id: policy, identity }): Said[] => {
    const stale = unkept.filter(({ subject }) => names(identity, subject));
    const gone = valuesIn(identity, LIST).filter((listed) => lists.every(({ id }) => bare(id) !== bare(listed)));
    return [
      ...stale.map(({ title }): Said => `!! The policy ${policy} names ${title}, ${remedy}`),
      ...gone.map((id): Said => `!! The policy ${policy} names the list ${id}, which is gone. Name the present one.`),
    ];
  });
}

/** facts 14: SCIM overwrites the groups of an identity, so a policy sees only those that are assigned. */
async function unassignedSaid(chain: Chain, uses: readonly { policy: string; group: string }[]) {
  const { assigned } = await readAssigned(chain);
  if (!assigned) throw new Unexamined('SCIM_SERVICE_PRINCIPAL_ID must name the SCIM application first.');
  const known = assigned.flatMap(({ principalId, principalDisplayName }) => [principalId, principalDisplayName ?? '']);
  // Of our groups the link SCIM has told, so they count as assigned here.
  const all = [...known, ...(await groupIdsOf(chain)), ...RISK_LEVELS.map(nameOf)].map(bare);
  const why =
    'which is not assigned to the SCIM application, so SCIM takes it out of every identity. Assign it, unless it is of another identity provider.';
  // No names are printed.
  const titleOf = (group: string) => (ID.test(group) ? `the group ${group}` : 'a group by name');
  const unknown = uses.filter(({ group }) => !all.includes(bare(group)));
  return unknown.map(({ policy, group }): Said => `!! The policy ${policy} names ${titleOf(group)}, ${why}`);
}

export async function gatewaySaid(chain: Chain): Promise<Said[]> {
  const uses = (await readEnabled(chain)).flatMap(({ id: policy, identity }) =>
    valuesIn(identity, GROUP_ID, GROUP_NAME).map((group) => ({ policy, group })),
  );
  return unassignedSaid(chain, uses);
}

/** Applications carry their policies, reusable ones stand apart. */
export async function accessSaid(chain: Chain): Promise<Said[]> {
  const read = (path: string, needs: string) => chain.cloudflare.list(`/access/${path}`, AccessItem, needs);
  const { policies, identity } = NEEDS;
  const items = await Promise.all([read('apps', policies), read('policies', policies), read('groups', identity)]);
  const others = (await allProviders(chain)).filter((one) => !isEntra(one, chain.tenantId));
  const isOfOther = ([rule]: RegExpExecArray) => others.some(({ id }) => rule.includes(id));
  const groupsIn = (item: object) => [...JSON.stringify(item).matchAll(AZURE_GROUP)].filter((one) => !isOfOther(one));
  const uses = items.flat().flatMap((item) => groupsIn(item).map(([, group = '']) => ({ policy: item.id, group })));
  return unassignedSaid(chain, uses);
}
