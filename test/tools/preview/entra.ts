/** The lines on what Entra knows: sign-in, groups, and SCIM, which carries them to Cloudflare. */
import * as v from 'valibot';
import { nameOf } from '../../../src/context';
import { RISK_LEVELS, type RiskLevel } from '../../../src/plan';
import { ADMIN_NEEDS, type Chain, counted, type Said, Unexamined, unlessGone } from './chain';
import { changesAt, READ_RISK_FIRST } from './dry-run';

const DAY_MS = 86_400_000;
/** Removing so much of a group, and at least so many users, is no ordinary minute. */
const SUSPICIOUS = { share: 0.5, users: 5 };
/** A secret that ends sooner is something to do today; the Worker warns of its certificate as early. */
const RENEW_DAYS = 14;
const NO_SECRET = 'The app registration shows no client secret. Look at the enterprise application for when it ends.';

/** The appId of Microsoft Graph in every tenant (learn: permissions-reference). */
const GRAPH_APP_ID = '00000003-0000-0000-c000-000000000000';
/** What for, the permission to grant, and others that do as well, the wide ones far more (learn: permissions-reference). */
type Need = readonly [to: string, grant: string, others: string, wide: string];
const WRITE_ALL = 'Group.ReadWrite.All Directory.ReadWrite.All';
const READ_ALL = `Group.Read.All Directory.Read.All ${WRITE_ALL}`;
const READ_RISK: Need = ['read the risky users', 'IdentityRiskyUser.Read.All', '', ''];
const OF_GROUPS: readonly Need[] = [
  ['read, add and remove members', 'GroupMember.ReadWrite.All', '', WRITE_ALL],
  ['read the names of the groups', 'GroupMember.Read.All', 'Group.ReadBasic.All', READ_ALL],
];
const CREATE: Need = ['create the groups that are missing', 'Group.Create', '', WRITE_ALL];
const ON_DEMAND = 'provision on demand (SCIM_SERVICE_PRINCIPAL_ID)';
const OWNED = 'Application.ReadWrite.OwnedBy';
const PROVISION: Need = [ON_DEMAND, 'Synchronization.ReadWrite.All', OWNED, 'Directory.ReadWrite.All'];

const text = v.string();
const id = v.pipe(text, v.toLowerCase());
const orNone = v.nullish(text);
/** learn: resources/group, /approleassignment */
const Group = v.object({ id, displayName: text });
const Assignment = v.object({ resourceId: text, principalId: id, principalDisplayName: orNone });
/** learn: resources/synchronization-synchronizationjob, -synchronizationstatus, -synchronizationtaskexecution, -quarantine */
const Ended = v.nullish(v.object({ timeEnded: orNone, state: orNone }));
const Reason = v.nullish(v.object({ reason: orNone }));
const Status = v.object({ code: orNone, quarantine: Reason, lastExecution: Ended, lastSuccessfulExecution: Ended });
const Job = v.object({ id: text, schedule: v.nullish(v.object({ state: orNone })), status: v.nullish(Status) });
/** learn: resources/passwordcredential ("hint": the first three characters), /keycredential, /approleassignment */
const Credential = v.object({ keyId: text, hint: orNone, endDateTime: v.pipe(text, v.isoTimestamp()) });
const Registration = v.object({ passwordCredentials: v.array(Credential), keyCredentials: v.array(Credential) });
const Grant = v.object({ appRoleId: text, resourceId: text });
const Principal = v.object({ id: text, appRoles: v.array(v.object({ id: text, value: orNone })) });

/** Which secret is in use is told by its hint, its first three characters; of a certificate the Worker warns. */
export async function credentialSaid({ config, admin }: Chain): Promise<Said> {
  const { credential, AZURE_AD_CLIENT_ID: clientId } = config;
  const path = `/applications(appId='${clientId}')?$select=id,passwordCredentials,keyCredentials`;
  const { passwordCredentials: secrets, keyCredentials } = await admin.one(path, Registration, ADMIN_NEEDS.apps);
  const end = (noun: string, of: typeof secrets) =>
    of.map(({ keyId, endDateTime }) => `${noun} ${keyId} ends on ${endDateTime.slice(0, 10)}`);
  const told = [...end('client secret', secrets), ...end('certificate', keyCredentials)].join(', ');
  if (credential.kind === 'certificate') return `ok App registration: ${told}.`;
  if (secrets.length === 0) throw new Unexamined(NO_SECRET);
  const hinted = secrets.filter(({ hint }) => hint === credential.secret.slice(0, 3));
  const ends = (hinted.length > 0 ? hinted : secrets).map(({ endDateTime }) => Date.parse(endDateTime));
  const days = Math.floor((Math.max(...ends) - Date.now()) / DAY_MS);
  if (days >= RENEW_DAYS) return `ok App registration: ${told}.`;
  return `!! The client secret in use ends in ${counted(days, 'day')} (${told}). Make a new one in the app registration, and set it.`;
}

/** What is granted says the administrator's reading, whatever the present token says, or else that token. */
export async function permissionSaid(chain: Chain): Promise<Said[]> {
  const { config, run } = chain;
  const granted = await readGranted(chain).catch((error: unknown) => {
    if (run.roles) return run.roles;
    throw error;
  });
  const hasGroups = config.DESTINATIONS.has('groups');
  const found = hasGroups && !config.GROUP_IDS ? await readGroups(chain).catch(() => undefined) : undefined;
  const needs = [
    ...[READ_RISK, ...(hasGroups ? OF_GROUPS : [])],
    ...(found && [...found.values()].includes(undefined) ? [CREATE] : []),
    ...(hasGroups && config.SCIM_SERVICE_PRINCIPAL_ID !== undefined ? [PROVISION] : []),
  ];
  const isMet = (need: Need) => need.slice(1).some((roles) => roles.split(' ').some((role) => granted.includes(role)));
  const isNarrow = (role: string) => needs.some(([, grant, others]) => [grant, others].includes(role));
  const beyond = granted.filter((role) => !isNarrow(role));
  const isTold = (role: string) => run.log.some(({ isCalm, message }) => !isCalm && message.includes(role));
  const missing = needs.filter((need) => !isMet(need) && !isTold(need[1]));
  const enough = needs.map(([, role]) => role).join(', ');
  const remedy = 'Grant it with admin consent (app registration > API permissions).';
  return [
    `ok Granted: ${granted.join(', ') || 'nothing'}.`,
    ...(beyond.length > 0 ? [`ok Granted beyond need: ${beyond.join(', ')}. Enough is: ${enough}.` as const] : []),
    ...missing.map(([to, role]): Said => `!! The permission ${role} is not granted: to ${to}. ${remedy}`),
  ];
}

async function readGranted({ config: { AZURE_AD_CLIENT_ID: clientId }, admin }: Chain): Promise<string[]> {
  const path = `/servicePrincipals(appId='${GRAPH_APP_ID}')?$select=id,appRoles`;
  const graph = await admin.one(path, Principal, ADMIN_NEEDS.apps);
  const own = `/servicePrincipals(appId='${clientId}')/appRoleAssignments`;
  const all = await admin.list(own, Grant, ADMIN_NEEDS.apps);
  return all.map(({ appRoleId, resourceId }) => {
    const role = resourceId === graph.id ? graph.appRoles.find((one) => one.id === appRoleId) : undefined;
    return role?.value ?? `${appRoleId} of ${resourceId}`;
  });
}

/** The groups' object ids: a pinned one only if it is called as it should be; of a name the one that the Worker read. */
export async function readGroups({ config: { GROUP_IDS: groupIds }, run, admin }: Chain) {
  const [key, wanted] = groupIds ? ['id', Object.values(groupIds)] : ['displayName', RISK_LEVELS.map(nameOf)];
  const filter = encodeURIComponent(`${key} in (${wanted.map((one) => `'${one}'`).join(',')})`);
  // If groups are its destination, the Worker may have been shown them.
  const shown = run.pages.get('/groups');
  const path = `/groups?$filter=${filter}&$select=id,displayName`;
  const found = v.is(v.array(Group), shown) ? shown : await admin.list(path, Group, ADMIN_NEEDS.groups);
  const ours = (level: RiskLevel) => {
    const named = found.filter(({ displayName }) => displayName.toLowerCase() === nameOf(level).toLowerCase());
    if (groupIds) return named.find((one) => one.id === groupIds[level])?.id;
    return (named.find((one) => run.pages.has(membersOf(one.id))) ?? named[0])?.id;
  };
  return new Map(RISK_LEVELS.map((level) => [level, ours(level)]));
}

const membersOf = (group: string) => `/groups/${group}/members`;

/** Where no name can be read, the pin is believed. */
export function groupIdAt(chain: Chain, level: RiskLevel): Promise<string | undefined> {
  const found = readGroups(chain).then((groups) => groups.get(level));
  const pin = chain.config.GROUP_IDS?.[level];
  return pin === undefined ? found : found.catch(() => pin);
}

export const groupIdsOf = async (chain: Chain) =>
  (await Promise.all(RISK_LEVELS.map((level) => groupIdAt(chain, level)))).flatMap((one) => one ?? []);

/** Of what is wrong with the group itself the Worker's log tells. */
export async function groupSaid(chain: Chain, level: RiskLevel): Promise<Said | []> {
  const changes = changesAt(chain.run, 'groups', level);
  if (changes === 'failed') return [];
  const pin = chain.config.GROUP_IDS?.[level];
  const group = (await readGroups(chain)).get(level);
  if (!group && pin) return `!! GROUP_IDS: Graph shows no group ${pin} of the name ${nameOf(level)}. Correct the id.`;
  if (!group)
    return `!! ${nameOf(level)} is missing. The first run makes it, but isolates nobody by it: make it, or deploy, and then assign it to the SCIM application.`;
  if (!changes) throw new Unexamined(READ_RISK_FIRST);
  const { added, removed } = changes;
  const members = chain.run.pages.get(membersOf(group)) ?? [];
  const count = members.filter((one) => one['@odata.type'] === '#microsoft.graph.user').length;
  const told = `${nameOf(level)} (${group}) is eligible. ${removed} of its ${counted(count, 'member')} would be removed, ${added} added.`;
  if (removed < SUSPICIOUS.users || removed <= count * SUSPICIOUS.share) return `ok ${told}`;
  return `!! ${told} Make sure that it is your group, and that nobody else fills it, before you deploy.`;
}

export async function ownerSaid(chain: Chain): Promise<Said> {
  const owned: string[] = [];
  for (const group of await groupIdsOf(chain)) {
    const owners = await chain.admin.list(`/groups/${group}/owners?$select=id`, v.object({ id }), ADMIN_NEEDS.groups);
    if (owners.length > 0) owned.push(`${group} by ${owners.map((one) => one.id).join(', ')}`);
  }
  if (owned.length === 0) return 'ok None of the groups has an owner.';
  return `ok An owner can let somebody out of isolation; be sure of those that own a group: ${owned.join('; ')}.`;
}

const readAssignments = ({ admin }: Chain, path: string) => admin.list(path, Assignment, ADMIN_NEEDS.apps);

const readJobs = ({ admin }: Chain, application: string) =>
  unlessGone(admin.list(`/servicePrincipals/${application}/synchronization/jobs`, Job, ADMIN_NEEDS.jobs));

/** The enterprise application: the setting's, or of those to which our groups are assigned the first that provisions. */
async function findApplication(chain: Chain): Promise<string | undefined> {
  if (chain.config.SCIM_SERVICE_PRINCIPAL_ID !== undefined) return chain.config.SCIM_SERVICE_PRINCIPAL_ID;
  const groups = await groupIdsOf(chain);
  const uses = await Promise.all(groups.map((group) => readAssignments(chain, `/groups/${group}/appRoleAssignments`)));
  const candidates = [...new Set(uses.flat().map(({ resourceId }) => resourceId))];
  for (const candidate of candidates) if ((await readJobs(chain, candidate).catch(() => []))?.length) return candidate;
  return candidates[0];
}

/** What is assigned to the SCIM application; undefined if there is no such application. */
export async function readAssigned(chain: Chain) {
  const application = await findApplication(chain);
  if (application === undefined) return { application, assigned: [] };
  const path = `/servicePrincipals/${application}/appRoleAssignedTo?$top=999`;
  return { application, assigned: await unlessGone(readAssignments(chain, path)) };
}

export async function assignmentSaid(chain: Chain): Promise<Said | Said[]> {
  const { application, assigned } = await readAssigned(chain);
  if (application === undefined)
    return '!! None of the groups is assigned to an enterprise application. Assign all three to that of Cloudflare (Users and groups).';
  if (!assigned)
    return `!! SCIM_SERVICE_PRINCIPAL_ID: ${application} is no enterprise application. Set its Object ID (Entra > Enterprise apps), not that of the app registration.`;
  const out = (await groupIdsOf(chain)).filter((group) => assigned.every(({ principalId }) => principalId !== group));
  if (out.length === 0) return `ok The groups are assigned to the application ${application}.`;
  const or = chain.config.SCIM_SERVICE_PRINCIPAL_ID === undefined ? '' : ', or correct SCIM_SERVICE_PRINCIPAL_ID';
  const told = `is not assigned to the application ${application}, so nobody in it reaches Cloudflare. Assign it (Users and groups)${or}.`;
  return out.map((group): Said => `!! The group ${group} ${told}`);
}

export async function jobSaid(chain: Chain): Promise<Said | []> {
  const application = await findApplication(chain);
  const jobs = application === undefined ? undefined : await readJobs(chain, application);
  if (!jobs) return [];
  const job = jobs.find(({ schedule }) => schedule?.state === 'Active') ?? jobs[0];
  if (!job) return `!! The application ${application} has no provisioning job. Set up and start provisioning there.`;
  const title = `The provisioning job ${job.id}`;
  const { code, quarantine, lastExecution, lastSuccessfulExecution } = job.status ?? {};
  if (code === 'Quarantine')
    return `!! ${title} is in quarantine (${quarantine?.reason ?? 'no reason given'}), so nobody reaches Cloudflare. See Provisioning > Provisioning logs, correct the cause, and restart it.`;
  if (job.schedule?.state !== 'Active' || code === 'Paused' || code === 'NotConfigured')
    return `!! ${title} is not active. Start provisioning.`;
  const ended = lastExecution?.timeEnded;
  if (!ended) return `!! ${title} has not run yet. Wait for its first cycle, and try again.`;
  const good = lastSuccessfulExecution?.timeEnded ?? 'never';
  const told = `${title} is active. It last ended ${ended}, without errors ${good}.`;
  // Cycles are 40 minutes apart (facts/graph.md 8.1); a first one may take a day.
  const late = Date.now() - Date.parse(ended) > DAY_MS ? 'That is too long ago' : undefined;
  const wrong = lastExecution.state === 'Failed' ? 'Its last cycle failed' : late;
  return wrong ? `!! ${told} ${wrong}: see Provisioning > Provisioning logs.` : `ok ${told}`;
}
