/** What befalls a share of all calls: the tenant's chaos, and answers that are whole in form but not in sense. */
import type { Focus, History, Step } from './history';
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

/** The calls that a focus means. */
function strikes(focus: Focus): (target: faults.FaultTarget) => boolean {
  const readings = new Map<string, number>();
  const isRisk = ({ path }: faults.FaultTarget) => path.endsWith('/riskyUsers');
  const isMembers = ({ path }: faults.FaultTarget) => path.endsWith('/members');
  const tests: Record<Focus, (target: faults.FaultTarget) => boolean> = {
    everything: () => true,
    'the sign-in': ({ path }) => path === '/token',
    'the risky users': isRisk,
    // Nothing else is in trouble then, so whoever asks for a first page again reads a second time.
    'the second reading': (target) => {
      if (!isRisk(target)) return false;
      const begun = (readings.get(target.client) ?? 0) + Number(!target.query.includes('skiptoken'));
      readings.set(target.client, begun);
      return begun > 1;
    },
    'the lookup': ({ method, path }) => method === 'GET' && path === '/groups',
    'the members': isMembers,
    creations: ({ method, path }) => method === 'POST' && path === '/groups',
    'bulk additions': ({ method }) => method === 'PATCH',
    'single changes': ({ part, path }) => part || path === '/$batch',
    provisioning: ({ path }) => path.startsWith('/servicePrincipals'),
  };
  return tests[focus];
}

/** Gives the end of it. */
export function befall(
  tenant: Tenant,
  random: () => number,
  { percent, focus }: History['trouble'],
): () => void {
  if (percent === 0) return () => {};
  const share = percent / 100;
  const struck = strikes(focus);
  tenant.chaos(share / 2, undefined, struck);
  // Of the kinds, few can befall the calls of one focus.
  const chance = share / 2 / (focus === 'everything' ? KINDS.length : 4);
  const rules = KINDS.map(({ on, give }) =>
    tenant.fault({ on: (target) => on(target) && struck(target) && random() < chance, give }),
  );
  const refusal = tenant.fault({ on: () => random() < chance / 10, give: faults.runtimeRefusal() });
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
