/// <reference types="vite/client" />
/** Every message of the log, read as an administrator would: does it name what to change, and blame nothing else? */
import { describe, expect, it, test } from 'vitest';
import { EVENTS } from '../../src/log/events';
import remediesText from '../../src/log/remedies.ts?raw';
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';
import { CERTIFICATE_PEM, PRIVATE_KEY_PEM, SHORT_CERTIFICATE_PEM } from '../tenant/certificate';
import * as errors from '../tenant/errors';
import * as faults from '../tenant/faults';
import { altered, lacking } from '../tenant/list-faults';
import type { ProvisioningOptions } from '../tenant/provisioning';
import type { Tenant } from '../tenant/tenant';
import { addGroups, addRisky, type Ended, NAMES, ON, scene } from './scene';

const ALL = ['IdentityRiskyUser.Read.All', 'GroupMember.ReadWrite.All', 'GroupMember.Read.All', 'Group.Create'];
const [READ_RISK, WRITE] = ALL;
const ADD = /^POST .*\/members\/\$ref/;
const A = 'aaaaaaaa-0000-4000-8000-00000000000a';
/** All that a message can lay the blame on. */
const BLAMABLE =
  /\b[A-Z]+(?:_[A-Z]+)+\b|\b[A-Z]\w+\.(?:Read\w*\.All|Create)\b|\bSCIM\b|consent|licence|quota|clocks|cron\b|Paid plan/g;

/** One user to be added to high, one to be released from low; then something is wrong. */
function world() {
  const here = scene({ certificate: { pem: SHORT_CERTIFICATE_PEM } });
  const { tenant } = here;
  const stranger = tenant.addUser();
  const { ids, pin } = addGroups(tenant, { low: [stranger] });
  const [user = ''] = addRisky(tenant, 'high', 1);
  return { ...here, ids, pin, stranger, user };
}
type World = ReturnType<typeof world>;
type Make = (here: World) => unknown;

const env = (values: Record<string, unknown>) => (here: World) => Object.assign(here.env, values);
const knob = (values: Partial<Tenant>) => (here: World) => Object.assign(here.tenant, values);
function give(on: RegExp, fault: faults.Fault, more: Partial<faults.FaultRule> = {}): Make {
  return ({ tenant }) => tenant.fault({ on, give: fault, ...more });
}
const refuse = (on: RegExp, refusal: Parameters<typeof faults.refuse>[0]) => give(on, faults.refuse(refusal));
const answer = (on: RegExp, code: number, more: Partial<faults.FaultRule> = {}) => give(on, faults.status(code), more);
const lose = (permission = '') => knob({ permissions: ALL.filter((one) => one !== permission) });
type Properties = Parameters<Tenant['changeGroup']>[1];
const change = (level: RiskLevel, to: Properties) => (here: World) => here.tenant.changeGroup(here.ids[level], to);
const remove = (level: RiskLevel) => (here: World) => here.tenant.deleteGroup(here.ids[level]);
const pinned: Make = (here) => env({ GROUP_IDS: here.pin })(here);
const hidden: Make = ({ tenant, ids }) => RISK_LEVELS.map((level) => tenant.hiddenGroups.add(ids[level]));
function all(...makes: Make[]): Make {
  return async (here) => {
    for (const make of makes) await make(here);
  };
}
const pins = (from: RegExp, to: string) => (here: World) => env({ GROUP_IDS: here.pin.replace(from, to) })(here);
const exchanged = pins(/medium=(.*),low=(.*)/, 'medium=$2,low=$1');
const foreign: Make = (here) => pins(/low=.*/, `low=${here.tenant.addGroup()}`)(here);
function provision(options: ProvisioningOptions = {}, permissions = [...ALL, 'Synchronization.ReadWrite.All']): Make {
  return ({ tenant, env: settings, ids }) => {
    const { servicePrincipalId, unassigned } = tenant.addProvisioning(options);
    unassigned.add(ids.high);
    Object.assign(tenant, { permissions });
    settings['SCIM_SERVICE_PRINCIPAL_ID'] = servicePrincipalId;
  };
}
const unknownApplication = all(provision(), env({ SCIM_SERVICE_PRINCIPAL_ID: A }));
const pair = env({ AZURE_AD_CLIENT_CERTIFICATE: SHORT_CERTIFICATE_PEM, AZURE_AD_CLIENT_PRIVATE_KEY: PRIVATE_KEY_PEM });
const others = env({ AZURE_AD_CLIENT_CERTIFICATE: CERTIFICATE_PEM, AZURE_AD_CLIENT_PRIVATE_KEY: PRIVATE_KEY_PEM });
const longAgo: Make = ({ clock }) => clock.advance(900_000);
const justMade: Make = (here) => knob({ secretKnownFrom: here.clock.now() + 90_000 })(here);
const entraSays = (code: number) =>
  give(ON.token, faults.status(401, { error: { code: 'invalid_client', message: `AADSTS${code}: words of Entra` } }));
const dynamic = change('low', { groupTypes: ['DynamicMembership'] });
const onPremises = change('high', { onPremisesSyncEnabled: true });
const isBehind = all(knob({ signInClockAheadMs: 900_000 }), entraSays(700024));
const goes: Make = ({ tenant, user }) => tenant.deleteUser(user, { riskEntry: 'stale' });
const failedConnection = give(ON.lookup, faults.unreachable(522));
const notMember = errors.badRequest("One or more removed object references do not exist for 'members'.");
const unique = knob({ nicknamesUnique: true });
const renamed = all(change('medium', { displayName: 'x', mailNickname: NAMES.medium }), unique);
const refusesName = all(remove('high'), answer(ON.create, 400));
const lacksKind = altered(({ displayName }) => (displayName === NAMES.low ? { groupTypes: null } : {}));
const halfShown = give(ON.lookup, lacksKind);
const lacksId = faults.rewrite(() => ({}));
const givesNoId = all(remove('high'), give(ON.create, lacksId));
const pinsUnanswered = all(pinned, give(ON.lookup, faults.broken()));
const mailEnabled = change('high', { mailEnabled: true });
const unread = (code: number) => answer(ON.riskyUsers, code, { after: 1 });
const another: Make = ({ tenant, ids }) => tenant.addMember(ids.low, tenant.addUser());
const brakes = all(another, env({ MAX_REMOVALS: 1 }));
const losesHigh: Make = ({ tenant, ids }) =>
  tenant.before(({ path }) => {
    if (path === '/$batch' && tenant.groupsNamed(NAMES.high).length > 0) tenant.deleteGroup(ids.high);
  });
const refusesOne: Make = ({ tenant, user }) => {
  addRisky(tenant, 'high', 3);
  tenant.fault({ on: faults.changesOf(user), give: faults.status(403) });
};
const contradicts: Make = ({ tenant, user }) => {
  const [other = ''] = addRisky(tenant, 'high', 1);
  tenant.fault({ on: faults.changesOf(user), give: faults.ignored() });
  tenant.fault({ on: faults.changesOf(other), give: faults.status(504, { applied: true }) });
};
const dismissed: Make = ({ tenant, user }) => tenant.dismiss(user);
const expires: Make = ({ tenant, ids }) => {
  tenant.pageSizes = { members: 1 };
  tenant.addMember(ids.low, tenant.addUser());
  tenant.fault({ on: /skiptoken/, give: faults.refuse(errors.expiredPageToken()) });
};
const hidesStranger: Make = ({ tenant, stranger }) => {
  tenant.setRisk(stranger, 'low');
  tenant.fault({ on: ON.riskyUsers, times: 1, give: lacking(({ id }) => id === stranger) });
};

/**
 * What the log says: the event (first, and others that come with it), the cause of the response if it has a name, and
 * the words, with an ellipsis for what stands between. It must lay the blame on what is named here, and on nothing else.
 */
type Messages = Readonly<Record<string, Make>>;

const FAILURES: Messages = {
  'settings: Nothing was read or written … DRYRUN is no setting … Did you mean DRY_RUN?': env({ DRYRUN: 'true' }),
  'risky-users-unread: Grant … IdentityRiskyUser.Read.All with admin consent … Entra ID P2 licence': lose(READ_RISK),
  'risky-users-unread (no licence): no Entra ID P2 licence … assign one': knob({ licensed: false }),
  'risky-users-unread (out of time): cron … DEADLINE_SECONDS in wrangler.toml': give(ON.riskyUsers, faults.hang()),
  'risky-users-unread (out of requests): 50 … Workers Paid plan': give(ON.riskyUsers, faults.runtimeRefusal()),
  'groups-unread: GroupMember.Read.All with admin consent … GROUP_IDS in wrangler.toml': answer(ON.lookup, 403),
  'groups-unread (no answer): no whole answer came … The next run tries again': give(ON.lookup, faults.broken()),
  'groups-unread (unreachable): Cloudflare could not reach Graph: status 522 … status.com': failedConnection,
  'groups-unread (no consent): grant admin consent … AZURE_AD_TENANT_ID': refuse(ON.lookup, errors.identityNotFound()),
  'groups-unread (wrong tenant): AZURE_AD_TENANT_ID and AZURE_AD_CLOUD': refuse(
    ON.lookup,
    errors.organizationNotFound(A),
  ),
  'group-ineligible: RiskLevel-low … dynamic group … GROUP_IDS … SCIM': dynamic,
  'group-ineligible: RiskLevel-low … Pin a plain security group with GROUP_IDS. The other': all(pinned, dynamic),
  'name-unclear: RiskLevel-low (ids) … SCIM … delete the others … GroupMember.Read.All … GROUP_IDS': halfShown,
  'pin-unchecked: RiskLevel-low … GroupMember.Read.All … consent … GROUP_IDS': all(pinned, halfShown),
  'group-name-differs: RiskLevel-low … called All Company … Correct GROUP_IDS in wrangler.toml': foreign,
  'group-name-differs: RiskLevel-medium … called … RiskLevel-low … exchanged in GROUP_IDS': exchanged,
  'pin-unchecked: RiskLevel-low (1 user … GroupMember.Read.All … consent … GROUP_IDS': all(pinned, hidden),
  'pin-unchecked: RiskLevel-low … is that group (no whole answer came). The next run tries again': pinsUnanswered,
  'members-unread: RiskLevel-high … left alone … GroupMember.ReadWrite.All … consent': answer(ON.members, 403),
  'members-unread: RiskLevel-medium … The group is gone … restore it … SCIM … GROUP_IDS': all(pinned, remove('medium')),
  'members-unread (expired page): page token … The next run … cron … DEADLINE_SECONDS in wrangler.toml': expires,
  'group-not-created: RiskLevel-high was not created (Graph answered 403 … Group.Create … consent … GROUP_IDS': all(
    remove('high'),
    lose('Group.Create'),
  ),
  'group-not-created: RiskLevel-high … answered 201 and gave no id … next run looks again': givesNoId,
  'group-not-created (name taken): renamed our group … give it its name back, or pin it with GROUP_IDS': renamed,
  'group-not-created (name taken): was not created (Graph answered 400 … pin it with GROUP_IDS': refusesName,
  'group-gone: RiskLevel-high is gone … restore it … SCIM … GROUP_IDS': all(longAgo, losesHigh),
  'add-failed remove-failed: RiskLevel-high: 1 user … GroupMember.ReadWrite.All with admin consent': lose(WRITE),
  'add-failed: GroupMember.ReadWrite.All … consent … plain': change('high', { isAssignableToRole: true }),
  'add-failed: The group takes others, so it is these users (ids): look them up in Entra': refusesOne,
  'add-failed: RiskLevel-high: 1 user (Graph answered 400 … The next run tries again': answer(ADD, 400),
  'add-failed (quota): quota … not a missing permission … Microsoft support': knob({ quota: { membersPerGroup: 0 } }),
  'add-failed (restricted unit): out of it … role with that unit': change('high', { isManagementRestricted: true }),
  'add-failed pin-unchecked (synced): synced from on-premises … (GROUP_IDS': all(pinned, hidden, onPremises),
  'add-failed pin-unchecked (mail-enabled): mail-enabled … (GROUP_IDS': all(pinned, hidden, mailEnabled),
  'add-failed (already a member): may lag … next run': refuse(ADD, errors.alreadyMember()),
  'remove-failed (no member): may lag … next run': refuse(/^DELETE/, notMember),
  'remove-failed (no member): no reading confirms it … next run': refuse(/^DELETE/, errors.notFound(A)),
  'remove-failed: RiskLevel-low: 1 user … GroupMember.ReadWrite.All … consent': all(dismissed, lose(WRITE)),
  'contradicted: 1 user (ids) added to IdentityProtection-RiskyUser-RiskLevel-high … Readings may lag': contradicts,
  'second-reading-failed: IdentityRiskyUser.Read.All with admin consent … licence': unread(403),
  'second-reading-failed: nobody is released. The next run': unread(500),
  'too-many-removals: 2 users would … MAX_REMOVALS=1 … set MAX_REMOVALS to 2 or more in wrangler.toml': brakes,
  'members-unread: consent … AZURE_AD_TENANT_ID … AZURE_AD_CLOUD … GroupMember.ReadWrite.All': answer(ON.members, 401),
  'members-unread: 418 … The next run tries again. If this goes on … admin.microsoft.com': answer(ON.members, 418),
  'members-unread: 429 … The next run tries again. If this happens often … which other app': answer(ON.members, 429),
};

const WARNINGS: Messages = {
  'setting-unused: CLOUDFLARE_ZERO_TRUST_API_TOKEN … DESTINATIONS': env({ CLOUDFLARE_ZERO_TRUST_API_TOKEN: 'x' }),
  'filter-refused: The result is the same … Nothing needs to be done': knob({ rejectRiskFilter: true }),
  'in-doubt: 1 user … neither added nor removed … licence': ({ tenant }) => tenant.setRisk(tenant.addUser(), 'hidden'),
  'duplicate-names: RiskLevel-low … SCIM application name another (ids) … delete the others': ({ tenant }) =>
    tenant.addGroup({ displayName: NAMES.low }),
  'group-created: RiskLevel-medium ( … Assign it to the SCIM application of Cloudflare in Entra': remove('medium'),
  'users-gone: 1 user … RiskLevel-high … Entra no longer knows them. Nothing needs to be done': all(longAgo, goes),
  'releases-held: 1 user no longer at risk, but MAX_REMOVALS=0': env({ MAX_REMOVALS: 0 }),
  'readings-differ: 1 user … so they stay in isolation … https://admin.microsoft.com > Health': hidesStranger,
  'certificate-expires: AZURE_AD_CLIENT_CERTIFICATE expires in less than 10 days … upload … openssl req': pair,
  'provisioning-refused: Synchronization.ReadWrite.All … consent … SCIM_SERVICE_PRINCIPAL_ID empty': provision({}, ALL),
  'provisioning-no-job: SCIM_SERVICE_PRINCIPAL_ID … Start provisioning': provision({ jobs: [{ schedule: 'Paused' }] }),
  'provisioning-quarantine: SCIM_SERVICE_PRINCIPAL_ID is in quarantine': provision({ jobs: [{ code: 'Quarantine' }] }),
  'provisioning-failed: ended early (Graph answered 404 … check SCIM_SERVICE_PRINCIPAL_ID': unknownApplication,
  'provisioning-skipped: (NotEffectivelyEntitled) … enterprise application SCIM_SERVICE_PRINCIPAL_ID': provision(),
  'heartbeat-failed: no answer … All is in sync; check HEARTBEAT_URL': env({ HEARTBEAT_URL: 'https://beat.example' }),
};

const SIGN_IN: Readonly<Record<string, Make | undefined>> = {
  '7000215: AZURE_AD_CLIENT_SECRET is wrong … Secret ID … wrangler secret put': env({ AZURE_AD_CLIENT_SECRET: 'x' }),
  '7000215: AZURE_AD_CLIENT_SECRET … made within the last minute may only need that minute': justMade,
  '7000222: AZURE_AD_CLIENT_SECRET has expired … npx wrangler secret put': knob({ secretExpired: true }),
  '90002: AZURE_AD_TENANT_ID names no tenant … AZURE_AD_CLOUD': env({ AZURE_AD_TENANT_ID: 'fabrikam.example' }),
  '900023: AZURE_AD_TENANT_ID is neither a directory id nor a verified domain': undefined,
  '900382: AZURE_AD_CLOUD is not the cloud of this tenant': knob({ homeCloud: 'usgov' }),
  '500011: AZURE_AD_CLOUD is not the cloud of this tenant': undefined,
  '70011: AZURE_AD_CLOUD is not the cloud of this tenant': undefined,
  '700038: AZURE_AD_CLIENT_ID is not the Application': env({ AZURE_AD_CLIENT_ID: A.replace(/\w/g, '0') }),
  '700016: AZURE_AD_CLIENT_ID names no … AZURE_AD_TENANT_ID … AZURE_AD_CLOUD': env({ AZURE_AD_CLIENT_ID: A }),
  '7000229: AZURE_AD_CLIENT_ID has no enterprise application in this tenant. Grant admin consent to it': undefined,
  '7000112: AZURE_AD_CLIENT_ID is disabled. Enable it in Entra admin center > Enterprise applications': undefined,
  '700027: AZURE_AD_CLIENT_CERTIFICATE is not one of … (Certificates & secrets > Certificates)': others,
  '700024: The clocks … certificate is not the cause … AZURE_AD_CLIENT_SECRET': all(others, isBehind),
  '53003: Conditional Access policy for workload identities … Exclude its application from the policy': undefined,
  '99999: Check AZURE_AD_TENANT_ID, AZURE_AD_CLIENT_ID … https://login.microsoftonline.com/error': undefined,
};

/** Judges the message of the first of the events, which are all that there may be. */
function judge(ended: Ended, row: string): void {
  const [, events = '', says = ''] = /^([a-z -]+?)(?: \([\w -]+\))?: (.*)$/.exec(row) ?? [];
  const [event] = events.split(' ');
  expect(new Set(ended.events)).toEqual(new Set(events.split(' ')));
  const message = ended.lines.find((line) => line.event === event)?.message ?? '';
  for (const words of says.split(' … ')) expect(message).toContain(words);
  expect(new Set(message.match(BLAMABLE))).toEqual(new Set(says.match(BLAMABLE)));
  expect(message).toMatch(/^[A-Z0-9].*[.\w"]$/);
  expect(message).not.toMatch(/undefined|\[object|NaN| {2}|\.\.|[a-z]\. [a-z]|@/);
}

async function runAfter(make: Make): Promise<Ended> {
  const here = world();
  await make(here);
  const noBeat = () => Promise.reject(new Error('https://beat.example'));
  return here.run({ fetch: (url, init) => (url.includes('beat.') ? noBeat() : here.tenant.fetch(url, init)) });
}

test.each(Object.entries(FAILURES))('A failure names what to change, and nothing else: %s', async (row, make) => {
  const ended = await runAfter(make);
  expect(ended.ok).toBe(false);
  judge(ended, row);
  if (row.startsWith('settings')) expect(ended.requests).toBe(0);
});

test.each(Object.entries(WARNINGS))('A warning says what it is about, and the run goes on: %s', async (row, make) => {
  const ended = await runAfter(make);
  expect(ended.ok).toBe(true);
  judge(ended, row);
  expect(ended.lines.filter(({ severity }) => severity === 'warn')).toHaveLength(1);
});

// Stryker rewrites the text that is read here.
const isMutated = remediesText.includes('stryMutAct');
test.skipIf(isMutated)('Every event, cause and AADSTS number is judged, but for lists', () => {
  const rows = Object.keys({ ...FAILURES, ...WARNINGS });
  const events = Object.keys(EVENTS).filter((event) => !/list|sign-in|unexpected/.test(event));
  expect(new Set(rows.map((row) => /^[a-z-]+/.exec(row)?.[0]))).toEqual(new Set(events));
  const causes = [...remediesText.matchAll(/^ {2}'?([a-z -]+?)'?: ?[`'\nN]/gm)].map(([, cause]) => cause);
  const ofTokens = ['sign-in refused', 'token refused', 'not permitted', 'no account'];
  const ofLists = ['enough for one run', 'list refused', 'needed by somebody'];
  const judged = rows.flatMap((row) => /^[a-z- ]+ \(([a-z -]+)\):/.exec(row)?.[1] ?? []);
  expect(new Set([...judged, ...ofTokens, ...ofLists])).toEqual(new Set(causes));
  const numbers = [...remediesText.matchAll(/^ {2}(\d+):/gm)].map(([, number]) => number);
  expect(new Set(Object.keys(SIGN_IN).map((row) => row.split(':')[0]))).toEqual(new Set([...numbers, '99999']));
});

describe('A refused sign-in', () => {
  it.each(Object.entries(SIGN_IN))('is one line, by the number that Entra gives: AADSTS%s', async (row, make) => {
    const number = Number(row.split(':')[0]);
    const ended = await runAfter(make ?? entraSays(number));
    expect([ended.lines.length, ended.requests]).toEqual([1, 1]);
    judge(ended, `sign-in: Entra refuses to sign the Worker in (AADSTS${number}). … ${row.replace(/^\d+: /, '')}`);
    expect(ended.text).not.toContain('words of Entra');
  });

  const answers = (more: object, status = 200): faults.Fault => {
    const body = { token_type: 'Bearer', access_token: 'x', expires_in: 9, ...more };
    return { inBatch: false, give: async () => ({ status, headers: {}, body }) };
  };
  it.each<[string, faults.Fault, number]>([
    ['an answer that is not JSON', faults.html(), 200],
    ['a redirect', faults.redirect('https://login.microsoftonline.com/other'), 302],
    ['a token of nearly that type', answers({ token_type: 'not-bearer' }), 200],
    ['a token that is empty', answers({ access_token: '' }), 200],
    ['a token with the status of an error', answers({}, 400), 400],
  ])('%s is no sign-in', async (_, fault, status) => {
    const ended = await runAfter(give(ON.token, fault));
    const remedy = status < 400 ? 'The next run tries again.' : 'Check AZURE_AD_TENANT_ID, AZURE_AD_CLIENT_ID';
    judge(ended, `sign-in: (status ${status}) … ${remedy}`);
  });

  it.each<[string, faults.Fault, string]>([
    ['unreachable', faults.broken(), 'no answer'],
    ['beyond a broken connection', faults.unreachable(525), 'status 525: Cloudflare could not reach Microsoft'],
    ['throttled for longer than the run', faults.throttled('120'), 'status 429'],
  ])('a sign-in that is %s is said once and blames no setting', async (_, fault, what) => {
    const { runInSync, tenant, run } = world();
    const rule = tenant.fault({ on: ON.token, give: fault });
    const ended = await run();
    judge(ended, `sign-in: The sign-in of Entra did not work (${what}). The next run tries again.`);
    expect([ended.ok, ended.lines.length]).toEqual([false, 1]);
    expect(ended.requests).toBeLessThanOrEqual(6);
    expect(ended.milliseconds).toBeLessThanOrEqual(50_000);
    rule.remove();
    await runInSync();
  });

  it.each([ON.riskyUsers, ON.batch])('lost at %s is blamed, and neither consent nor a permission', async (during) => {
    const { tenant, run, ids, stranger } = world();
    await run();
    tenant.addMember(ids.low, stranger);
    addRisky(tenant, 'high', 1);
    tenant.before(({ method, path }) => {
      if (!during.test(`${method} ${path}?`)) return;
      tenant.secretExpired = true;
      tenant.revokeTokens();
    });
    const ended = await run();
    expect(ended.ok).toBe(false);
    expect(ended.text).toContain('AZURE_AD_CLIENT_SECRET has expired');
    expect(ended.text).not.toMatch(/consent|\.All\b/);
    expect(tenant.members(ids.low)).toEqual([stranger]);
  });
});
