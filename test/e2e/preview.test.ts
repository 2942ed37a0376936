/** The preview against both stand-ins: a chain that is whole, and each link of it broken. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { runningJob } from '../tenant/admin-desk';
import { GROUP_NAMES } from '../tenant/names';
import { GROUP_ID, GROUP_NAME, LIST, verdictOf } from '../tools/preview/expression';
import { preview } from '../tools/preview/preview';
import { type ChainWorld, chainWorld, DAY_MS, OF_ENTRA, runHere, writeFiles } from './chain-world';

const OTHER = '2f1cbe0a-9d2e-4c51-8a43-6b0d5c7e9f10';
const READY = 'Ready: nothing is missing of what was examined. Preview never examines the Cloudflare One Client, TLS';

/** Whatever is found, nothing is written and nobody named. */
async function previewOf(world: ChainWorld) {
  const { folder, remove } = writeFiles(world);
  const { fetch, variables, tenant, cloudflare, desk, zeroTrust } = world;
  const { good, text } = await preview(folder, undefined, variables, fetch, runHere).finally(remove);
  expect([tenant, cloudflare, desk, zeroTrust].flatMap(({ violations }) => violations)).toEqual([]);
  const requests = [...tenant.requests, ...cloudflare.requests].filter(({ path }) => path !== '/token');
  expect(requests.filter(({ method }) => method !== 'GET')).toEqual([]);
  const people = tenant.users().map(({ displayName }) => displayName ?? '');
  const secrets = Object.values({ ...world.secrets, ...variables }).flatMap((one) => one.split('\n'));
  for (const word of ['@', 'eyJ', ...secrets, ...people].filter(Boolean)) expect(text.includes(word), word).toBe(false);
  const rows = text.split('\n');
  const open = rows.map((row) => row.replace(/^(..) {2}(.{19}) {2}/, (_, mark, link) => `${mark} ${link.trim()}: `));
  return { good, text, open: open.filter((row) => /^(!!|\?\?) /.test(row)), last: rows.at(-1) ?? '' };
}

type Change = (world: ChainWorld) => unknown;
/** By the lines that are not ok, as "mark link: words that it has | …": what is broken. */
type Breaks = Readonly<Record<string, Change | readonly Change[]>>;

const set = (of: keyof ChainWorld, some: object) => (world: ChainWorld) => Object.assign(world[of], some);
/** A further policy, Do Not Isolate for everybody unless it says otherwise. */
const add = (some: object) => (world: ChainWorld) =>
  world.zeroTrust.rules.push({ ...world.policy, id: 'other', action: 'noisolate', identity: '', ...some });
const orNamed = (one: string) => (world: ChainWorld) =>
  Object.assign(world.policy, { identity: `${world.policy.identity} or ${one}` });
const ofAccess = (identity_provider_id?: string) => (world: ChainWorld) =>
  world.zeroTrust.accessApps.push({ id: 'app', include: [{ azureAD: { id: OTHER, identity_provider_id } }] });
const misspelt = set('vars', { DRYRUN: 'true' });

const REST = '?? sign-in: The rest of the chain: not examined. Correct the settings first.';
const UNPLANNED = '?? groups: The risky users must be read first.';
const none = (what: string) => Array(3).fill(`!! Cloudflare: action Isolate names the ${what}`).join(' | ');
const ABSENT = '?? Cloudflare: Its group or list must be there first.';
const UNKEPT = '!! Cloudflare: which this Worker does not keep (DESTINATIONS)';
const UNASSIGNED = `names the group ${OTHER}, which is not assigned to the SCIM application`;
const EXCHANGED = '!! groups: Two ids are exchanged';
const [READ_USERS, APPS] = ['IdentityRiskyUser.Read.All', 'Application.Read.All'];
const [WRITE_MEMBERS, READ_GROUPS] = ['GroupMember.ReadWrite.All', 'GroupMember.Read.All'];
const [TENANT, CLIENT, SECRET] = ['AZURE_AD_TENANT_ID', 'AZURE_AD_CLIENT_ID', 'AZURE_AD_CLIENT_SECRET'] as const;
const NO_TOKENS = { CLOUDFLARE_API_TOKEN: '', ENTRA_ADMIN_TOKEN: '' };
const PATTERN = 'any(identity.groups.name[*] matches "IdentityProtection-RiskyUser-RiskLevel-.*")';
const FEW = { traffic: 'http.request.host == "a.example"' };
const OKTA = { id: 'a-provider-of-okta', type: 'okta', config: {}, scim_config: {} };
const FULL = Array.from({ length: 1_000 }, (_, n) => ({ value: `n${n}@a.example` }));
const FAILED = { code: 'Active', lastExecution: { state: 'Failed', timeEnded: new Date().toISOString() } };

const GROUPS: Breaks = {
  '': [
    ...[() => {}, set('policy', { identity: '' }), set('policy', { traffic: '' }), add({ action: 'off', ...FEW })],
    ...[{ precedence: 3 }, { enabled: false }, FEW].map((some) => add({ precedence: 1, ...some })),
    (world) => [world.zeroTrust.providers.push(OKTA), ofAccess(OKTA.id)(world)],
  ],
  [`!! settings: DRYRUN is no setting of this Worker. Did you mean DRY_RUN? | ${REST}`]: misspelt,
  '!! sign-in: No network: login.microsoftonline.com was not reached (ENOTFOUND) | !! settings: DRYRUN': (world) => {
    misspelt(world);
    world.fetch = () => Promise.reject(new TypeError('fetch failed', { cause: new Error('ENOTFOUND') }));
  },
  [`!! settings: There is no .dev.vars | !! settings: is not set. | ${REST}`]: ({ secrets }) => delete secrets[SECRET],
  [`!! settings: is in UTF-16 | !! settings: put ${SECRET}= | ${REST}`]: set('files', { encoding: 'utf16le' }),
  [`!! settings: Remove it from .dev.vars. | ${REST}`]: set('secrets', { AZURE_SECRET: 'x-x' }),
  '!! settings: HEARTBEAT_URL is a secret and stands in [vars]': set('vars', { HEARTBEAT_URL: 'https://a.example' }),
  [`!! settings: wrangler.toml is still the placeholder | ${REST}`]: set('vars', { [CLIENT]: '<ID>' }),
  [`!! settings: looks like the Secret ID | ${REST}`]: set('secrets', { [SECRET]: OTHER }),
  [`!! settings: for the one command: ENTRA_ADMIN_TOKEN=… | ${REST}`]: set('secrets', { ENTRA_ADMIN_TOKEN: 'x.y' }),
  [`!! settings: are exchanged | !! sign-in: AADSTS90002 | ?? sign-in: When secret and | ${UNPLANNED}`]: ({ vars }) =>
    Object.assign(vars, { [TENANT]: vars[CLIENT], [CLIENT]: vars[TENANT] }),
  '!! settings: DRY_RUN stands in wrangler.toml, so the deployed Worker writes nothing': set('vars', { DRY_RUN: true }),
  '!! settings: wrangler.toml has crons = [], so the deployed Worker never runs': set('files', { crons: 'crons = []' }),
  '?? settings: wrangler.toml has no crons': set('files', { crons: '' }),
  '!! sign-in: ends in 9 days': set('credential', { endDateTime: new Date(Date.now() + 9.5 * DAY_MS).toISOString() }),
  '?? sign-in: The app registration shows no client secret': ({ desk }) => desk.credentials.passwordCredentials.pop(),
  [`!! sign-in: ${WRITE_MEMBERS} is not granted`]: set('tenant', { permissions: [READ_USERS, READ_GROUPS] }),
  // A refused lookup of the Worker leaves the other links to be examined.
  [`!! sign-in: ${READ_GROUPS} is not granted`]: set('tenant', { permissions: [READ_USERS, WRITE_MEMBERS] }),
  [`!! groups: is called All Company | ${ABSENT}`]: ({ tenant, pins }) => pins({ high: tenant.addGroup() }),
  [`${EXCHANGED} | ${EXCHANGED} | ${ABSENT}`]: ({ ids, pins }) => pins({ high: ids.medium, medium: ids.high }),
  [`!! sign-in: Group.Create is not granted | !! groups: ${GROUP_NAMES.low} is missing | ${ABSENT}`]: (world) => {
    delete world.vars['GROUP_IDS'];
    world.tenant.deleteGroup(world.ids.low);
  },
  '!! groups: it is a dynamic': ({ tenant, ids }) => tenant.changeGroup(ids.low, { groupTypes: ['DynamicMembership'] }),
  // More than the ids that the log shows.
  '!! groups: 510 of its 510 members would be removed': ({ tenant, vars, ids }) => {
    Object.assign(vars, { MAX_REMOVALS: '1000' });
    for (let n = 0; n < 510; n += 1) tenant.addMember(ids.low, tenant.addUser());
  },
  '!! SCIM: is not assigned to the': ({ desk, scim, ids }) => desk.applications.get(scim)?.groups.delete(ids.low),
  '!! SCIM: None of the groups is assigned to an enterprise application.': ({ desk }) => desk.applications.clear(),
  [['!! sign-in: Synchronization.', ...Array(3).fill('!! SCIM: or '), '!! SCIM: has no'].join(' | ')]: (world) => {
    world.desk.applications.set(OTHER, { groups: new Set(), jobs: [] });
    set('vars', { SCIM_SERVICE_PRINCIPAL_ID: OTHER })(world);
  },
  '!! SCIM: in quarantine (Why)': set('job', { status: { code: 'Quarantine', quarantine: { reason: 'Why' } } }),
  '!! SCIM: is not active. Start provisioning.': set('job', { schedule: { state: 'Disabled' } }),
  '!! SCIM: Its last cycle failed': set('job', { status: FAILED }),
  '!! SCIM: That is too long ago': set('job', runningJob(Date.now() - 3 * DAY_MS)),
  '!! Cloudflare: SCIM is off at the identity provider': set('provider', { scim_config: { enabled: false } }),
  [`?? Cloudflare: and ${OTHER} are of the same directory`]: ({ zeroTrust, provider }) =>
    zeroTrust.providers.push({ ...provider, id: OTHER, scim_config: {} }),
  '!! Cloudflare: Automatic': set('provider', { scim_config: { enabled: true, identity_update_behavior: 'reauth' } }),
  '!! Cloudflare: There is no | ?? Cloudflare: must be there': set('provider', { config: { directory_id: OTHER } }),
  '!! Cloudflare: does not know the group': ({ zeroTrust, ids }) => zeroTrust.scimGroups.delete(ids.high),
  [none('list')]: ({ keeps, cloudflare }) =>
    Object.values(GROUP_NAMES).map((name) => [keeps('groups,lists'), cloudflare.addList({ name })]),
  [none('group')]: [{ action: 'block' }, { filters: ['dns'] }, { identity: '', ...FEW }].map((to) => set('policy', to)),
  '?? Cloudflare: has more conditions': [FEW, { identity: PATTERN }].map((some) => set('policy', some)),
  '?? Cloudflare: (Do Not Isolate) may come before': [1, null].map((precedence) => add({ precedence })),
  '?? Cloudflare: The policy other (Do Not Inspect) bypasses all': add({ action: 'off', precedence: 3 }),
  [`!! Cloudflare: ${UNASSIGNED}`]: orNamed(`identity.groups.id == "${OTHER}"`),
  [`!! Cloudflare: The policy app ${UNASSIGNED}`]: [ofAccess(), ofAccess(OF_ENTRA)],
  [UNKEPT]: (world) => orNamed(`identity.email in $${world.cloudflare.addList({ name: GROUP_NAMES.high })}`)(world),
  // A missing permission hides its own lines only, and is named.
  [`?? sign-in: secret and certificates end: not examined. graph.microsoft.com answered 403 Authorization_RequestDenied. ENTRA_ADMIN_TOKEN needs ${APPS} | ?? SCIM: Assignment; The provisioning job: not examined. | ?? Cloudflare: Whether Gateway policies name groups`]:
    set('desk', { permissions: [READ_GROUPS, 'Synchronization.Read.All'] }),
  [`?? groups: needs ${READ_GROUPS} | ?? SCIM: needs Synchronization`]: set('desk', { permissions: [APPS] }),
  '?? Cloudflare: CLOUDFLARE_API_TOKEN needs Account > Zero Trust > Read': ({ zeroTrust }) =>
    Object.assign(zeroTrust, { permissions: zeroTrust.permissions.filter((one) => one !== 'Zero Trust') }),
  [`?? sign-in: export ENTRA_ADMIN_TOKEN=$(az account | ?? groups: ENTRA_ADMIN_TOKEN= | ?? SCIM: ENTRA_ADMIN_TOKEN= | ?? Cloudflare: CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID for this command alone`]:
    set('variables', NO_TOKENS),
};

const LISTS: Breaks = {
  '': () => {},
  // What is no token is not printed.
  '?? sign-in: ENTRA_ADMIN_TOKEN is more than a token': set('variables', { ENTRA_ADMIN_TOKEN: 'first\nsecond' }),
  [`!! Entra ID Protection: ${READ_USERS} | ${UNPLANNED.replace('groups', 'lists')} | ?? Cloudflare: must be read first`]:
    set('tenant', { permissions: [] }),
  [UNKEPT]: orNamed(`identity.groups.name == "${GROUP_NAMES.high}"`),
  [Array(3).fill('!! Cloudflare: is disabled. Enable it.').join(' | ')]: set('policy', { enabled: false }),
  [`!! lists: to be made | !! Cloudflare: is gone. | ${ABSENT}`]: (it) => it.cloudflare.deleteList(it.ids.low),
  '!! lists: 1 added. More do not fit': ({ cloudflare, ids }) => cloudflare.putEntries(ids.high, ...FULL),
  '?? Cloudflare: Nobody who can be listed is at risk now, so no': ({ tenant, user }) => tenant.dismiss(user),
  '?? Cloudflare: /access/users has more pages': ({ zeroTrust }) => zeroTrust.addresses.push(...Array(5_000).fill('a')),
  '!! lists: cannot be in a | ?? Cloudflare: Nobody': ({ tenant, user }) => tenant.setUpn(user, 'a#EXT#@a.example'),
  '!! Cloudflare: does not know the address of 1 user at risk (': ({ zeroTrust: { addresses } }) =>
    addresses.push((addresses.pop() ?? '').toUpperCase()),
  // The Worker's own token reads lists and policies.
  '?? sign-in: ENTRA_ADMIN_TOKEN | ?? Cloudflare: needs Account > Access: Users > Read': set('variables', NO_TOKENS),
};

const rows = (kept: 'groups' | 'lists', breaks: Breaks) =>
  Object.entries(breaks).flatMap(([lines, change]) => [change].flat().map((one) => ({ kept, lines, change: one })));

test.each([...rows('groups', GROUPS), ...rows('lists', LISTS)])('$kept: $lines', async ({ kept, lines, change }) => {
  const world = chainWorld(kept);
  change(world);
  const { good, open, last } = await previewOf(world);
  const expected = lines.split(' | ').filter(Boolean);
  // What is not expected is seen whole.
  const seen = open.map((line, index) => {
    const [, link = '', words = ''] = /^(.*?: )(.*)$/.exec(expected[index] ?? '-: -') ?? [];
    return line.startsWith(link) && line.includes(words) ? expected[index] : line;
  });
  expect(seen).toEqual(expected);
  const wrong = open.find((line) => line.startsWith('!!'));
  expect(good).toBe(wrong === undefined);
  const ready = open.length === 0 ? READY : /^Ready as far as .*: \d lines? with \?\? above says? what was not\. Pre/;
  expect(last).toMatch(wrong ? `Not ready. First, ${wrong.slice(3)}` : ready);
});

test('what is granted beyond need, who owns the groups and what was chosen is told, and no obstacle', async () => {
  const world = chainWorld('groups');
  world.tenant.permissions = [READ_USERS, WRITE_MEMBERS, 'Group.Create', 'Directory.ReadWrite.All'];
  world.vars['MAX_REMOVALS'] = 0;
  world.tenant.addMember(world.ids.low, world.tenant.addUser());
  world.desk.owners.set(world.ids.low, [world.user]);
  const { good, text } = await previewOf(world);
  expect(good).toBe(true);
  const enough = `${READ_USERS}, ${WRITE_MEMBERS}, ${READ_GROUPS}`;
  expect(text).toContain(`Granted beyond need: Group.Create, Directory.ReadWrite.All. Enough is: ${enough}.`);
  expect(text).toContain(`${world.ids.low} by ${world.user}`);
  expect(text).toMatch(/^ok {2}groups .*MAX_REMOVALS=0 lets nobody be released/m);
});

test.each([
  [0, READY, {}],
  [1, 'Not ready. First, Cloudflare:', { BROKEN: 'yes' }],
])('the real command ends with %i: %s', (code, last, broken) => {
  const options = { encoding: 'utf8', env: { ...process.env, ...broken } } as const;
  const ended = spawnSync(process.execPath, ['--import', 'tsx', 'test/e2e/real-preview.ts'], options);
  expect(ended.stdout.trimEnd().split('\n').at(-1)?.slice(0, last.length)).toBe(last);
  expect(ended.status).toBe(code);
});

test.each([
  ['yes', '', ' http.request.host  matches".*"\n'],
  ['no', '', 'http.request.host matches ".*" and http.request.host != "a.example"'],
  ['yes', `any(identity.groups[*].id in {"another" "${OTHER}"})`],
  ['yes', `any(identity.groups.id[*] in {"${OTHER.toUpperCase()}"})`],
  ['yes', `any(identity.groups.name[*] in {"${GROUP_NAMES.high}"})`],
  ['yes', `identity.groups.name == "\\"${GROUP_NAMES.high}\\""`],
  ['yes', `(identity.email in $${OTHER.replaceAll('-', '')}) or identity.email == "a@b.example"`],
  ['perhaps', `identity.email in $${OTHER} and identity.name == "or"`],
  ['perhaps', `not(identity.name == "x") or identity.email in $${OTHER}`],
  ['no', 'any(identity.groups[*].id in {"another"})'],
  ['no', `identity.groups.id != "${OTHER}"`],
  ['no', `identity.email == "${OTHER}"`],
])('whether a policy isolates, as Cloudflare writes its expression: %s: %s %s', (verdict, identity, traffic = '') => {
  const subject = { [GROUP_ID]: OTHER, [GROUP_NAME]: GROUP_NAMES.high, [LIST]: OTHER };
  expect(verdictOf({ identity, traffic, device_posture: '' }, subject)).toBe(verdict);
});
