/** The lines on sign-in: when secret and certificates end, and which permissions are granted. */
import * as v from 'valibot';
import { ADMIN_NEEDS, type Chain, counted, type Said } from './chain';
import { readGroups } from './groups';

const DAY_MS = 86_400_000;
/** A secret that ends sooner is something to do today; the Worker warns of its certificate as early. */
const RENEW_DAYS = 14;

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
/** learn: resources/passwordcredential ("hint": the first three characters), /keycredential, /approleassignment */
const Credential = v.object({ keyId: text, hint: v.nullish(text), endDateTime: v.pipe(text, v.isoTimestamp()) });
const Registration = v.object({ passwordCredentials: v.array(Credential), keyCredentials: v.array(Credential) });
const Assignment = v.object({ appRoleId: text, resourceId: text });
const Principal = v.object({ id: text, appRoles: v.array(v.object({ id: text, value: v.nullish(text) })) });

/** Which secret is in use is told by its hint, its first three characters; of a certificate the Worker warns. */
export async function credentialSaid({ config: { credential, clientId }, admin }: Chain): Promise<Said> {
  const path = `/applications(appId='${clientId}')?$select=id,passwordCredentials,keyCredentials`;
  const { passwordCredentials: secrets, keyCredentials } = await admin.one(path, Registration, ADMIN_NEEDS.apps);
  const end = (noun: string, of: typeof secrets) =>
    of.map(({ keyId, endDateTime }) => `${noun} ${keyId} ends on ${endDateTime.slice(0, 10)}`);
  const told = [...end('client secret', secrets), ...end('certificate', keyCredentials)].join(', ');
  if (credential.kind === 'certificate') return `ok App registration: ${told}.`;
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
  const hasGroups = config.destinations.has('groups');
  const found = hasGroups && !config.groupIds ? await readGroups(chain).catch(() => undefined) : undefined;
  const needs = [
    ...[READ_RISK, ...(hasGroups ? OF_GROUPS : [])],
    ...(found && [...found.values()].includes(undefined) ? [CREATE] : []),
    ...(hasGroups && config.scimServicePrincipalId !== undefined ? [PROVISION] : []),
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

async function readGranted({ config: { clientId }, admin }: Chain): Promise<string[]> {
  const path = `/servicePrincipals(appId='${GRAPH_APP_ID}')?$select=id,appRoles`;
  const graph = await admin.one(path, Principal, ADMIN_NEEDS.apps);
  const own = `/servicePrincipals(appId='${clientId}')/appRoleAssignments`;
  const all = await admin.list(own, Assignment, ADMIN_NEEDS.apps);
  return all.map(({ appRoleId, resourceId }) => {
    const role = resourceId === graph.id ? graph.appRoles.find((one) => one.id === appRoleId) : undefined;
    return role?.value ?? `${appRoleId} of ${resourceId}`;
  });
}
