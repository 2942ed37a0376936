/** A scene with lists alone, and what the tests of lists ask of it. */
import { expect } from 'vitest';
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';
import type { Cloudflare } from '../tenant/cloudflare/cloudflare';
import { isRecord } from '../tenant/exchange';
import { rewrite } from '../tenant/faults';
import type { Tenant } from '../tenant/tenant';
import { NAMES, scene } from './scene';

/** With lists alone unless said, which need one permission. */
export function listScene(options: Parameters<typeof scene>[0] = {}) {
  const permissions = options.destinations ? {} : { permissions: ['IdentityRiskyUser.Read.All'] };
  const here = scene({ destinations: 'lists', ...permissions, ...options });
  return { ...here, runWell: async () => expect(await here.run()).toMatchObject({ ok: true, events: [] }) };
}

/** An envelope of Cloudflare with something changed. */
export const changed = (change: (body: Record<string, unknown>) => object) =>
  rewrite((body) => (isRecord(body) ? { ...body, ...change(body) } : body));

/** The lists or entries of an answer, changed. */
export const resultOf = (change: (result: unknown[]) => unknown) =>
  changed(({ result }) => (Array.isArray(result) ? { result: change(result) } : {}));

/** So many entries of somebody else. */
export const foreign = (count: number) =>
  Array.from({ length: count }, (_, index) => ({ value: `theirs${index}@contoso.example` }));

/** The present address of a user, in lower case. */
export const addressOf = (tenant: Tenant, user = ''): string =>
  tenant.user(user)?.userPrincipalName?.toLowerCase() ?? '';

/** What was sent to change lists, one after the other: "high +2 -0" appends two entries. */
export function patches({ requests, lists }: Cloudflare): string[] {
  return requests.flatMap(({ method, path, body }) => {
    if (method !== 'PATCH' || !isRecord(body)) return [];
    const count = (entries: unknown) => (Array.isArray(entries) ? entries.length : 0);
    const name = lists().find(({ id }) => path.endsWith(id))?.name ?? path;
    return [`${name.replace(/.*-/, '')} +${count(body['append'])} -${count(body['remove'])}`];
  });
}

const valuesOf = (cloudflare: Cloudflare, list: string) =>
  cloudflare.entries(list).map(({ value }) => value.toLowerCase());

/** The addresses of a list, sorted, in lower case. */
export const addresses = (cloudflare: Cloudflare, level: RiskLevel): string[] =>
  valuesOf(cloudflare, NAMES[level]).sort();

/** The object ids that the entries of a list name, and whatever else describes them. */
export const described = (cloudflare: Cloudflare, list: string) =>
  cloudflare.entries(list).map(({ description }) => description);

/** The levels at which an address stands. */
export const levelsOf = (cloudflare: Cloudflare, address: string): RiskLevel[] =>
  RISK_LEVELS.filter((level) => addresses(cloudflare, level).includes(address));

/** The test fails if one of them, once it stood in a list, is in none after any request from now on (I4). */
export function neverUncovered(cloudflare: Cloudflare, ...guarded: string[]): void {
  cloudflare.after(() => {
    const now = new Set(cloudflare.lists().flatMap(({ id }) => valuesOf(cloudflare, id)));
    for (const address of guarded) if (!now.has(address.toLowerCase())) throw new Error(`uncovered: ${address}`);
  });
}
