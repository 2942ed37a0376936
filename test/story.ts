/** The story of the demo: what happens in the tenant, a minute at a time. */
import { throttled } from './tenant/faults';
import type { Level } from './tenant/names';
import type { Tenant } from './tenant/tenant';

export interface Scene {
  title: string;
  story: string;
  /** What happens in the tenant before the Worker's next run. */
  happens(tenant: Tenant): void;
  /** With on-demand provisioning turned on, and a look at who has arrived at Cloudflare. */
  onDemand?: true;
}

const PEOPLE = 40;
/** Whose account is deleted: after that nobody can be asked for her id. */
const VERA = { id: '5d0c7e1a-93b4-4a6e-8f27-1be0a4d95c33', name: 'Vera Whitlock' };

const AT_RISK_AT_FIRST: Readonly<Record<Level, readonly string[]>> = {
  high: ['Dmitri Petrov', 'Hiro Haddad'],
  medium: ['Chiara Okafor', 'Jonas Kaplan', 'Mei Osei'],
  low: ['Ada Lindqvist', 'Elif Sandoval', 'Greta Novak', 'Luis Nyberg'],
};

export const SCENES: readonly Scene[] = [
  {
    title: 'The first run',
    story:
      'Contoso has 40 people. Microsoft Entra ID Protection reports nine of them at risk. The three groups do not exist yet: the Worker creates and fills them.',
    happens(tenant) {
      for (let count = 1; count < PEOPLE; count += 1) tenant.addUser();
      tenant.addUser(VERA);
      for (const [level, names] of entries(AT_RISK_AT_FIRST))
        for (const name of names) tenant.setRisk(idOf(tenant, name), level);
    },
  },
  {
    title: 'Nothing to do',
    story:
      'Nobody is more or less at risk than a minute ago. The Worker reads, and writes nothing. Meanwhile Entra runs the regular cycle of its provisioning, which takes the groups to Cloudflare about every 40 minutes.',
    happens: (tenant) => tenant.provisioningCycle(),
  },
  {
    title: 'A risk rises',
    story:
      'The risk of Greta Novak rises from low to high. She is added to the one group before she is removed from the other.',
    happens: (tenant) => tenant.setRisk(idOf(tenant, 'Greta Novak'), 'high'),
  },
  {
    title: 'A risk is dismissed',
    story:
      'An admin dismisses the risk of Jonas Kaplan. Before anyone leaves isolation, the Worker reads the risky users a second time.',
    happens: (tenant) => tenant.dismiss(idOf(tenant, 'Jonas Kaplan')),
  },
  {
    title: 'An account is deleted',
    story:
      'Farid Tanaka and Vera Whitlock are found at high risk, and an admin deletes the account of Vera. For a while Identity Protection still reports her: the Worker adds Farid, and warns of the one it cannot add.',
    happens(tenant) {
      tenant.setRisk(VERA.id, 'high');
      tenant.setRisk(idOf(tenant, 'Farid Tanaka'), 'high');
      tenant.deleteUser(VERA.id, { riskEntry: 'stale' });
    },
  },
  {
    title: 'Graph throttles',
    story:
      'Imani Brandt is found at medium risk, while Microsoft Graph has too much to do: it answers 429 to the reading, and 429 with Retry-After: 1 to the adding. The Worker waits as it is told, and ends well. By now Identity Protection knows that Vera is gone.',
    happens(tenant) {
      tenant.deleteUser(VERA.id, { riskEntry: 'deleted' });
      tenant.setRisk(idOf(tenant, 'Imani Brandt'), 'medium');
      tenant.fault({ on: /^GET \/identityProtection\/riskyUsers/, times: 1, give: throttled() });
      tenant.fault({ on: /^PATCH \/groups\//, times: 1, give: throttled('1') });
    },
  },
  {
    title: 'On-demand provisioning',
    story:
      'Whoever joined his first group since minute 2 still waits for the regular cycle, and browses as before until then. Now SCIM_SERVICE_PRINCIPAL_ID is set: the Worker hands newcomers to Cloudflare itself. Mei Osei rises to high risk, and is isolated in the same minute.',
    happens(tenant) {
      tenant.permissions = [...tenant.permissions, 'Synchronization.ReadWrite.All'];
      tenant.setRisk(idOf(tenant, 'Mei Osei'), 'high');
    },
    onDemand: true,
  },
];

function idOf(tenant: Tenant, name: string): string {
  const id = tenant.users().find(({ displayName }) => displayName === name)?.id;
  if (id === undefined) throw new Error(`nobody is called ${name}`);
  return id;
}

function entries<Key extends string, Value>(record: Readonly<Record<Key, Value>>): [Key, Value][] {
  // Object.entries forgets the keys, and this record has no others.
  return Object.entries(record) as [Key, Value][];
}
