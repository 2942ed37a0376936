/** A caller for the tests of the tenant itself: signs in and sends one request after the other as it is told. */
import { type FakeClock, fakeClock } from './clock';
import { isRecord } from './exchange';
import { createTenant, type Tenant, type TenantOptions } from './tenant';

export interface Reply {
  status: number;
  headers: Headers;
  body: unknown;
  /** Of a Graph error. */
  code: string;
  message: string;
  /** Of a list. */
  value: Record<string, unknown>[];
  next: string | undefined;
  /** Of a batch. */
  parts: { id: string; status: number; headers: Record<string, unknown>; body?: unknown }[];
}

export interface SendOptions {
  headers?: Record<string, string>;
  body?: string;
  redirect?: 'manual';
}

export interface Probe {
  clock: FakeClock;
  tenant: Tenant;
  /** A path is taken as one of Graph v1.0. A body is sent as JSON. An empty header leaves that header out. */
  send(method: string, address: string, body?: unknown, init?: SendOptions): Promise<Reply>;
  get(address: string): Promise<Reply>;
  /** Every page of a list, a second apart. */
  pages(address: string): Promise<Reply[]>;
  /** The bare token request. */
  signIn(form: Record<string, string>, init?: RequestInit): Promise<Reply>;
  /** Which form signs this application in. */
  readonly credentials: Record<string, string>;
  bind(id: string): string;
}

export function probe(options: Partial<TenantOptions> = {}): Probe {
  const clock = fakeClock();
  const tenant = createTenant({ random: seeded(1), ...options, clock });
  const { tenantId, clientId, clientSecret } = tenant.ids;
  const graph = `https://${tenant.hosts.graph}/v1.0`;
  const credentials = {
    ...{ client_id: clientId, client_secret: clientSecret, grant_type: 'client_credentials' },
    scope: `https://${tenant.hosts.graph}/.default`,
  };
  let token = '';

  async function signIn(form: Record<string, string>, init: RequestInit = {}): Promise<Reply> {
    const url = `https://${tenant.hosts.login}/${tenantId}/oauth2/v2.0/token`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return call(url, { method: 'POST', headers, body: new URLSearchParams(form).toString(), ...init });
  }

  async function call(url: string, init: RequestInit): Promise<Reply> {
    const response = await clock.run(() => tenant.fetch(url, init));
    const text = await clock.run(() => response.text());
    const body: unknown = text === '' ? undefined : JSON.parse(text);
    const record = isRecord(body) ? body : {};
    const error = isRecord(record['error']) ? record['error'] : {};
    return {
      ...{ status: response.status, headers: response.headers, body },
      code: String(error['code'] ?? record['error'] ?? ''),
      message: String(error['message'] ?? record['error_description'] ?? ''),
      value: Array.isArray(record['value']) ? record['value'].filter(isRecord) : [],
      parts: Array.isArray(record['responses']) ? record['responses'].filter(isPart) : [],
      next: typeof record['@odata.nextLink'] === 'string' ? record['@odata.nextLink'] : undefined,
    };
  }

  async function send(method: string, address: string, body?: unknown, init: SendOptions = {}) {
    if (token === '') {
      const reply = await signIn(credentials);
      if (isRecord(reply.body)) token = String(reply.body['access_token']);
    }
    const all: Record<string, string> = { authorization: `Bearer ${token}`, ...init.headers };
    if (body !== undefined) all['content-type'] ??= 'application/json';
    const headers = Object.entries(all).filter(([, value]) => value !== '');
    const payload = body === undefined ? {} : { body: JSON.stringify(body) };
    const url = address.startsWith('/') ? graph + address : address;
    return call(url, { method, ...payload, ...init, headers });
  }

  async function pages(address: string): Promise<Reply[]> {
    const replies: Reply[] = [];
    for (let next: string | undefined = address; next !== undefined; ) {
      const reply: Reply = await send('GET', next);
      replies.push(reply);
      next = reply.next;
      await clock.advance(1_000);
    }
    return replies;
  }

  return {
    ...{ clock, tenant, send, pages, signIn, credentials },
    get: (address) => send('GET', address),
    bind: (id) => `${graph}/directoryObjects/${id}`,
  };
}

/** Random numbers that are the same in every run of a test. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const isPart = (value: unknown): value is Reply['parts'][number] =>
  isRecord(value) &&
  typeof value['id'] === 'string' &&
  typeof value['status'] === 'number' &&
  isRecord(value['headers']);
