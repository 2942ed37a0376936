/** A caller for the tests of the tenant itself: signs in and sends one request after the other as it is told. */
import { fakeClock } from './clock';
import { isRecord, parseJson } from './exchange';
import { createTenant, type TenantOptions } from './tenant';

/** The id of no object. */
export const NOBODY = '5f0c0000-0000-4000-a000-000000000000';

export type Probe = ReturnType<typeof probe>;

export function probe(options: Partial<TenantOptions> = {}) {
  const clock = fakeClock();
  const tenant = createTenant({ ...options, clock });
  const { tenantId, clientId, clientSecret } = tenant.ids;
  const graph = `https://${tenant.hosts.graph}/v1.0`;
  const login = `https://${tenant.hosts.login}/${tenantId}/oauth2/v2.0/token`;
  /** The form that signs this application in. */
  const credentials: Record<string, string> = {
    ...{ client_id: clientId, client_secret: clientSecret, grant_type: 'client_credentials' },
    scope: `https://${tenant.hosts.graph}/.default`,
  };
  let token = '';

  async function call(url: string, init: RequestInit) {
    const { status, parsed } = await clock.run(async () => {
      const response = await tenant.fetch(url, init);
      return { status: response.status, parsed: parseJson(await response.text()) };
    });
    const body = isRecord(parsed) ? parsed : {};
    const { code = '', message = '' } = Object(body['error']);
    const array = (name: string) => (Array.isArray(body[name]) ? body[name].filter(isRecord) : []);
    return {
      ...{ status, body, code, message, value: array('value') },
      ids: array('value').map((entry) => String(entry['id'])),
      next: String(body['@odata.nextLink'] ?? ''),
      parts: array('responses'),
    };
  }

  /** The bare token request. */
  const signIn = (form: Record<string, string>) => call(login, { method: 'POST', body: new URLSearchParams(form) });

  /** A path is taken as one of Graph v1.0. A body is sent as JSON. */
  async function send(method: string, address: string, body?: unknown, init: RequestInit = {}) {
    if (token === '') token = String((await signIn(credentials)).body['access_token']);
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    return call(address.startsWith('/') ? graph + address : address, { method, headers, ...payload, ...init });
  }

  return {
    ...{ clock, tenant, send, signIn, credentials },
    get: (address: string) => send('GET', address),
    /** A second later, as Identity Protection wants it. */
    later: (address: string) => clock.run(() => clock.sleep(1_000)).then(() => send('GET', address)),
    bind: (id: string) => `${graph}/directoryObjects/${id}`,
  };
}
