/** What an administrator's token reads of the stand-in tenant, and the public metadata of the sign-in service: GET alone. */
import type { Application, SynchronizationJob } from '@microsoft/microsoft-graph-types';
import { expiredToken, found, GraphRefusal, insufficientPrivileges, unknownError } from './errors';
import type { Fetch } from './front-door';
import type { Tenant } from './tenant';
import { unexpected } from './world';

/** The object id and roles that Microsoft Graph itself has in this tenant. */
const GRAPH = { id: '5c0a3bb9-91b8-4f0e-8d3e-2a7f10c46e05', appId: '00000003-0000-0000-c000-000000000000' };
const GRAPH_ROLES = `/servicePrincipals(appId='${GRAPH.appId}')?$select=id,appRoles`;
const READ = 'Application.Read.All';
const GROUPS = 'GroupMember.Read.All';
const JOBS = 'Synchronization.Read.All';

type Credentials = Required<Pick<Application, 'passwordCredentials' | 'keyCredentials'>>;

/** A path with its query, of which ID stands for an object or client id and ANY for any text. */
type Route = readonly [path: string, permission: string, answer: (...found: string[]) => unknown];

/** `fetch` answers what is the desk's, and hands the rest to the tenant. */
export function createAdminDesk(tenant: Tenant) {
  const { tenantId, clientId } = tenant.ids;
  const { login, graph } = tenant.hosts;
  const claims = Buffer.from(JSON.stringify({ aud: `https://${graph}`, tid: tenantId })).toString('base64url');
  const fetch: Fetch = (input, init) => serve(new Request(input, init));
  const credentials: Credentials = { passwordCredentials: [], keyCredentials: [] };
  const violations: string[] = [];
  const desk = {
    ...{ fetch, credentials, violations, token: `eyJ0eXAiOiJKV1QifQ.${claims}.administrator` },
    /** Delegated permissions of that token. */
    permissions: [READ, GROUPS, JOBS],
    /** By group: object ids of its owners. */
    owners: new Map<string, string[]>(),
    /** By enterprise application: object ids of the groups assigned to it, and its jobs. */
    applications: new Map<string, { groups: Set<string>; jobs: SynchronizationJob[] }>(),
  };
  const application = (id = '') => found(desk.applications.get(id), id);
  const nameOf = (id: string) => tenant.groups().find((group) => group.id === id)?.displayName;
  const assignment = (principalId: string, resourceId: string, appRoleId = '00000000-0000-0000-0000-000000000000') => ({
    ...{ principalId, resourceId, appRoleId, principalDisplayName: nameOf(principalId) ?? null },
  });
  const roles = () => tenant.permissions.map((value) => ({ id: `role of ${value}`, value }));
  const own = () => roles().map((role) => assignment(clientId, GRAPH.id, role.id));
  const groupsBy = (by = '', values = '') =>
    tenant.groups().filter((one) => values.includes(`'${by === 'id' ? one.id : one.displayName}'`));
  const ownersOf = (id = '') => (desk.owners.get(id) ?? []).map((owner) => ({ id: owner }));
  const applicationsOf = (id = '') =>
    [...desk.applications].flatMap(([app, { groups }]) => (groups.has(id) ? assignment(id, app) : []));
  const assignedTo = (id = '') => [...application(id).groups].map((group) => assignment(group, id));
  const ofClient = (id = '') => ({ id, ...found(id === clientId ? desk.credentials : undefined, id) });
  // learn: application-get, serviceprincipal-get, -list-approleassignments, -list-approleassignedto, group-list,
  // group-list-owners, group-list-approleassignments, synchronization-synchronizationjob-list
  const routes: readonly Route[] = [
    ["/applications(appId='ID')?$select=id,passwordCredentials,keyCredentials", READ, ofClient],
    [GRAPH_ROLES, READ, () => ({ id: GRAPH.id, appRoles: roles() })],
    ["/servicePrincipals(appId='ID')/appRoleAssignments", READ, () => ({ value: own() })],
    ['/groups?$filter=ANY in (ANY)&$select=ANY', GROUPS, (by, values) => ({ value: groupsBy(by, values) })],
    ['/groups/ID/owners?$select=id', GROUPS, (id) => ({ value: ownersOf(id) })],
    ['/groups/ID/appRoleAssignments', READ, (id) => ({ value: applicationsOf(id) })],
    ['/servicePrincipals/ID/appRoleAssignedTo?$top=999', READ, (id) => ({ value: assignedTo(id) })],
    ['/servicePrincipals/ID/synchronization/jobs', JOBS, (id) => ({ value: application(id).jobs })],
  ];
  const escaped = (path: string) => path.replaceAll(/[$()?]/g, '\\$&').replaceAll('ANY', '(.*?)');
  const patternOf = (path: string) => new RegExp(`^${escaped(path).replaceAll('ID', '([\\da-f-]{36})')}$`);
  const patterns = routes.map(([path, ...rest]) => [patternOf(path), ...rest] as const);

  async function serve(request: Request): Promise<Response> {
    const { host, pathname, search } = new URL(request.url);
    const bearer = request.headers.get('authorization');
    if (host === login && request.method === 'GET') return metadata(pathname);
    if (host !== graph || !bearer?.endsWith('.administrator')) return tenant.fetch(request);
    const path = decodeURIComponent(`${pathname}${search}`).replace(/^\/v1\.0(?=\/)/, '');
    try {
      // (observed) of an expired token
      if (bearer !== `Bearer ${desk.token}`) throw expiredToken();
      return Response.json(answer(request.method, path));
    } catch (error) {
      if (!(error instanceof GraphRefusal)) throw error;
      const { status, code, message } = error;
      return Response.json({ error: { code, message } }, { status });
    }
  }

  function answer(method: string, path: string): unknown {
    const [pattern, permission = '', give] = patterns.find(([one]) => method === 'GET' && one.test(path)) ?? [];
    if (!pattern || !give) throw unexpected(desk, `no such route of an administrator: ${method} ${path}`);
    if (desk.permissions.includes(permission)) return give(...(pattern.exec(path) ?? []).slice(1));
    // Jobs answer 401 to whoever may not read them (observed: zerotrustassessment#1382).
    throw permission === JOBS ? unknownError() : insufficientPrivileges();
  }

  /** entra: v2-protocols-oidc.md; an unknown tenant is answered as in facts 6.2. */
  function metadata(pathname: string): Response {
    const [, name = ''] = /^\/([^/]+)\/v2\.0\/\.well-known\/openid-configuration$/.exec(pathname) ?? [];
    const issued = { organizations: '{tenantid}', 'contoso.example': tenantId, [tenantId]: tenantId }[name];
    if (issued !== undefined) return Response.json({ issuer: `https://${login}/${issued}/v2.0` });
    return Response.json({ error: 'invalid_tenant', error_codes: [90002] }, { status: 400 });
  }

  return desk;
}

/** A job that runs, ended last at that time (learn: resources/synchronization-synchronizationjob). */
export function runningJob(endedMs: number): SynchronizationJob {
  const ended = { timeEnded: new Date(endedMs).toISOString() };
  const status = { code: 'Active' as const, lastExecution: ended, lastSuccessfulExecution: ended };
  return { id: 'scim.4c1f.0be2', schedule: { state: 'Active' }, status };
}
