/** What an administrator's token reads of the stand-in Cloudflare beside the lists: GET alone (`cloudflare` 7.3.0, zero-trust). */
import type { Fetch } from '../front-door';
import { unexpected } from '../world';
import type { Cloudflare } from './cloudflare';

const IDENTITY = 'Access: Organizations, Identity Providers, and Groups';
const ZERO_TRUST = 'Zero Trust';
const POLICIES = 'Access: Apps and Policies';
const USERS = 'Access: Users';
const PAGE = 25;
const MOST_IDS = 50;

type Route = readonly [path: string, permission: string, list: (query: URLSearchParams, id: string) => object[]];

/** `fetch` answers what is the desk's, and hands the rest to the stand-in Cloudflare. */
export function createCloudflareDesk(cloudflare: Cloudflare) {
  const worker = cloudflare.client('administrator');
  const providers: { id: string; type: string; config: object; scim_config: object }[] = [];
  const rules: object[] = [];
  /** With rule groups such as `{azureAD: {id, identity_provider_id}}` in them. */
  const accessApps: object[] = [];
  const addresses: string[] = [];
  const violations: string[] = [];
  const fetch: Fetch = (input, init) => serve(new Request(input, init));
  const desk = {
    ...{ fetch, providers, rules, accessApps, addresses, violations },
    token: 'an-administrator-s_token.0123456789',
    /** As the dashboard names them. */
    permissions: [IDENTITY, ZERO_TRUST, POLICIES, USERS],
    /** Object ids in Entra of the groups that SCIM has brought. */
    scimGroups: new Set<string>(),
  };
  const unknown = (what: string) => unexpected(desk, `no such route of an administrator of Cloudflare: ${what}`);
  const routes: readonly Route[] = [
    ['/access/identity_providers', IDENTITY, () => desk.providers],
    ['/access/identity_providers/ID/scim/groups', IDENTITY, scimGroups],
    ['/access/groups', IDENTITY, () => []],
    ['/access/apps', POLICIES, () => desk.accessApps],
    ['/access/policies', POLICIES, () => []],
    ['/access/users', USERS, () => desk.addresses.map((email) => ({ email, name: 'Somebody' }))],
    ['/gateway/rules', ZERO_TRUST, () => desk.rules],
    ['/gateway/lists', ZERO_TRUST, lists],
  ];

  function scimGroups(query: URLSearchParams, id: string): object[] {
    const asked = query.getAll('idp_resource_id');
    // zero-trust/identity-providers/scim/groups: "up to 50 values"
    if (asked.length > MOST_IDS || !desk.providers.some((provider) => provider.id === id)) throw unknown(`${query}`);
    return asked.filter((group) => desk.scimGroups.has(group)).map((externalId) => ({ id: externalId, externalId }));
  }

  function lists(query: URLSearchParams): object[] {
    if (query.get('type') !== 'EMAIL') throw unknown('/gateway/lists');
    return cloudflare.lists().map((list) => ({ ...list, count: cloudflare.entries(list.id).length }));
  }

  async function serve(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const path = pathname.replace(`/client/v4/accounts/${cloudflare.accountId}`, '');
    const bearer = request.headers.get('authorization');
    // What the Worker asks of lists is the stand-in's own; its token reads policies as well (facts 13).
    if (bearer === `Bearer ${cloudflare.token}` && path.startsWith('/gateway/lists')) return worker(request);
    const [, id = ''] = /\/([\da-f-]{36})\//.exec(path) ?? [];
    const route = routes.find(([one]) => one.replace('ID', id) === path);
    if (request.method !== 'GET' || !route) throw unknown(`${request.method} ${path}`);
    const [, permission, list] = route;
    const isKnown = [desk.token, cloudflare.token].some((token) => bearer === `Bearer ${token}`);
    const permissions = bearer === `Bearer ${desk.token}` ? desk.permissions : [ZERO_TRUST];
    if (!isKnown) return answer(401, null);
    if (!permissions.includes(permission)) return answer(403, null);
    const all = list(searchParams, id);
    // Only Access is paged.
    if (permission === ZERO_TRUST) return answer(200, all);
    const page = Number(searchParams.get('page') ?? 1);
    const result = all.slice((page - 1) * PAGE, page * PAGE);
    return answer(200, result, { result_info: { page, per_page: PAGE, count: result.length } });
  }

  return desk;
}

function answer(status: number, result: object[] | null, more: object = {}): Response {
  const errors = status === 200 ? [] : [{ code: 10000, message: 'Authentication error' }];
  const body = { success: status === 200, errors, messages: [], result: result?.length ? result : null, ...more };
  return Response.json(body, { status });
}
