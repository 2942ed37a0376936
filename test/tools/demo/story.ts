/** The story of the demo: what happens at Contoso, what the Worker does about it, and whose browser is isolated. */
import { RISK_LEVELS, type RiskLevel } from '../../../src/plan';
import type { Cloudflare } from '../../tenant/cloudflare/cloudflare';
import { json } from '../../tenant/faults';
import { GROUP_NAMES } from '../../tenant/names';
import type { Provisioning } from '../../tenant/provisioning';
import type { Tenant } from '../../tenant/tenant';

/** Entra's provisioning carries the groups about so often. */
export const SCIM_CYCLE_MINUTES = 40;

const PEOPLE = 12;
/** Who is in the tables, with their risk at the beginning; the others are never at risk. */
export const CAST: Readonly<Record<string, RiskLevel | 'none'>> = {
  'Ada Lindqvist': 'low',
  'Chiara Okafor': 'medium',
  'Dmitri Petrov': 'high',
  'Hiro Haddad': 'none',
  'Jonas Kaplan': 'medium',
};

export function moveIn(tenant: Tenant): void {
  for (let count = 0; count < PEOPLE; count += 1) tenant.addUser();
  for (const [name, level] of Object.entries(CAST)) setRisk(name, level)(tenant);
}

const setRisk = (name: string, level: RiskLevel | 'none') => (tenant: Tenant) => {
  const { id = '' } = tenant.users().find(({ displayName }) => displayName === name) ?? {};
  if (level === 'none') tenant.dismiss(id);
  else tenant.setRisk(id, level);
};

export const SCENES = [
  {
    minute: 1,
    happens: 'Microsoft reports four of twelve people at Contoso at risk; there is no list or group yet.',
    worker: 'makes three of each and adds the four; an administrator names them in the policies.',
  },
  {
    minute: 2,
    happens: 'Somebody signs in as Hiro Haddad with a stolen password, and Hiro becomes high risk.',
    worker: 'adds Hiro. The list isolates them now, the group once SCIM has carried it to Cloudflare.',
    act: setRisk('Hiro Haddad', 'high'),
  },
  {
    minute: 3,
    happens: 'The risk of Ada Lindqvist rises from low to high.',
    worker: 'moves Ada. It adds before it removes, so that nobody at risk is ever in neither.',
    act: setRisk('Ada Lindqvist', 'high'),
  },
  {
    minute: 4,
    happens: 'Microsoft answers that nobody is at risk, which is false: the answer is incomplete.',
    worker: 'changes nothing. Before it releases anybody it asks again; the second answer has all five.',
    act: (tenant: Tenant) => tenant.fault({ on: /riskyUsers/, times: 1, give: json({ value: [] }) }),
  },
  {
    minute: SCIM_CYCLE_MINUTES,
    happens: 'The 40 minutes are over: SCIM carries the groups to Cloudflare. The risks are as before.',
    worker: 'changes nothing: all are where they should be.',
  },
  {
    minute: SCIM_CYCLE_MINUTES + 1,
    happens: 'Hiro Haddad has a new password, and an administrator dismisses the risk.',
    worker: 'releases Hiro: it asked twice, and neither answer had them.',
    act: setRisk('Hiro Haddad', 'none'),
  },
  {
    minute: 2 * SCIM_CYCLE_MINUTES,
    happens: 'After another 40 minutes SCIM tells Cloudflare that Hiro is in no group any more.',
    worker: 'changes nothing: all are where they should be.',
  },
];

export type Person = ReturnType<typeof lookAt>[number];

/** Where everybody in the tenant stands: at a level, at several where the Worker has gone wrong, or at 'none'. */
export function lookAt(tenant: Tenant, cloudflare: Cloudflare, scim: Provisioning) {
  const groups = (level: RiskLevel) => tenant.groupsNamed(GROUP_NAMES[level]).map(({ id = '' }) => id);
  const entries = (level: RiskLevel) =>
    cloudflare.listsNamed(GROUP_NAMES[level]).flatMap(({ id }) => cloudflare.entries(id));
  const placeOf = (isIn: (level: RiskLevel) => boolean) => RISK_LEVELS.filter(isIn).join('+') || 'none';
  const browser = (isIsolated: boolean) => (isIsolated ? 'isolated' : 'normal');

  return tenant.users().map(({ id = '', displayName, userPrincipalName }) => {
    // The group in which Cloudflare knows them.
    const known = placeOf((level) => groups(level).flatMap(scim.arrived).includes(id));
    // identity.email in $<list>
    const isListed = ({ value }: { value: string }) => value.toLowerCase() === userPrincipalName?.toLowerCase();
    return {
      name: displayName ?? '',
      risk: placeOf((level) => tenant.atRisk(level).includes(id)),
      list: placeOf((level) => entries(level).some(({ description }) => description === id)),
      group: placeOf((level) => groups(level).flatMap(tenant.members).includes(id)),
      known,
      byLists: browser(RISK_LEVELS.some((level) => entries(level).some(isListed))),
      // any(identity.groups.name[*] in {...})
      byGroups: browser(known !== 'none'),
    };
  });
}
