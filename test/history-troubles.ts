/** What befalls a share of all calls: the tenant's chaos, and answers that are whole in form but not in sense. */
import type { Step } from './history';
import * as faults from './tenant/faults';
import type { Tenant } from './tenant/tenant';

type Kind = { on: (target: faults.FaultTarget) => boolean; give: faults.Fault };

const read = ({ method }: faults.FaultTarget) => method === 'GET';
const graph = ({ path }: faults.FaultTarget) => path !== '/token';
const write = (target: faults.FaultTarget) => !read(target) && graph(target) && target.path !== '/$batch';

/** Graph's own words may name people, and its code and headers may be anything. */
const gossip = (code: number, message = 'does not like Ada Lindqvist <ada.lindqvist@contoso.example>') =>
  faults.status(code, {
    error: { code: 'Ada Lindqvist', message },
    headers: { 'request-id': 'ada.lindqvist@contoso.example' },
  });

/** Rewrites the first entry of a list. */
const firstEntry = (change: (entry: object) => unknown) =>
  faults.rewrite((body) => {
    const { value } = Object(body);
    return Array.isArray(value) ? { ...Object(body), value: [change(Object(value[0]))] } : body;
  });

const KINDS: readonly Kind[] = [
  { on: read, give: faults.json({}) },
  { on: read, give: faults.json({ value: {} }) },
  { on: read, give: firstEntry(({ ...entry }) => ({ ...entry, id: undefined })) },
  { on: read, give: firstEntry((entry) => ({ ...entry, id: '../users/x' })) },
  { on: graph, give: faults.redirect('https://graph.microsoft.com/v1.0/elsewhere') },
  {
    on: read,
    give: faults.rewrite((body) => ({
      ...Object(body),
      '@odata.nextLink': 'https://graph.microsoft.com.evil.example/v1.0/x',
    })),
  },
  { on: graph, give: gossip(403) },
  // Not for riskyUsers: read without the filter, people of unknown states are at risk after all.
  { on: (target) => graph(target) && !target.path.endsWith('/riskyUsers'), give: gossip(400) },
  { on: write, give: gossip(400, 'One or more added object references already exist for Ada Lindqvist') },
  { on: ({ path }) => path === '/$batch', give: faults.json({ responses: [] }) },
  { on: graph, give: faults.slow(9_000) },
  { on: graph, give: faults.hangIgnoringAbort() },
  { on: ({ path }) => path === '/token', give: faults.status(400) },
  {
    on: (target) => graph(target) && target.path.startsWith('/groups'),
    give: faults.broken({ applied: true }),
  },
];

/** Gives the end of it. */
export function befall(tenant: Tenant, random: () => number, share: number): () => void {
  tenant.chaos(share / 2);
  const chance = share === 0 ? 0 : share / 2 / KINDS.length;
  const rules = KINDS.map(({ on, give }) =>
    tenant.fault({ on: (target) => chance > 0 && on(target) && random() < chance, give }),
  );
  const refusal = tenant.fault({
    on: () => share > 0 && random() < chance / 10,
    give: faults.runtimeRefusal(),
  });
  return () => {
    tenant.chaos(0);
    for (const rule of [...rules, refusal]) rule.remove();
  };
}

/** One answer of riskyUsers is whole in form but lacks entries. Gives the end of it. */
export function lieOnce(tenant: Tenant, { lie }: Step): () => void {
  if (!lie) return () => {};
  const rule = tenant.fault({
    on: /^GET \/identityProtection\/riskyUsers/,
    times: 1,
    after: lie.page,
    give: faults.rewrite((body) => {
      const { value } = Object(body);
      return Array.isArray(value) ? { value: value.slice(0, lie.keep) } : body;
    }),
  });
  return rule.remove;
}
