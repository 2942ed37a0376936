/** What Cloudflare knows of people, and what its Gateway policies make of that: whose browser is isolated. */
import { RISK_LEVELS, type RiskLevel } from '../../../src/plan';
import type { Cloudflare } from '../../tenant/cloudflare/cloudflare';
import { GROUP_NAMES } from '../../tenant/names';
import type { Provisioning } from '../../tenant/provisioning';
import type { Tenant } from '../../tenant/tenant';

/** Entra's provisioning carries the groups about so often. */
export const SCIM_CYCLE_MINUTES = 40;

/** Where somebody stands. A place is a level, several joined where the Worker has gone wrong, or 'none'. */
export interface Person {
  name: string;
  /** As riskyUsers has it. */
  risk: string;
  list: string;
  group: string;
  /** The group in which Cloudflare knows them. */
  known: string;
  /** Their browser under a policy that names the lists, and under one that names the groups. */
  byLists: 'normal' | 'isolated';
  byGroups: 'normal' | 'isolated';
}

/** Everybody in the tenant, in the order in which they came. */
export function lookAt(tenant: Tenant, cloudflare: Cloudflare, scim: Provisioning): Person[] {
  const groups = (level: RiskLevel) => tenant.groupsNamed(GROUP_NAMES[level]).map(({ id = '' }) => id);
  const lists = (level: RiskLevel) => cloudflare.listsNamed(GROUP_NAMES[level]);
  const entries = (level: RiskLevel) => lists(level).flatMap(({ id }) => cloudflare.entries(id));
  const placeOf = (isIn: (level: RiskLevel) => boolean) => RISK_LEVELS.filter(isIn).join('+') || 'none';

  return tenant.users().map(({ id = '', displayName, userPrincipalName }) => {
    const known = placeOf((level) => groups(level).flatMap(scim.arrived).includes(id));
    // identity.email in $<list>
    const isListed = ({ value }: { value: string }) => value.toLowerCase() === userPrincipalName?.toLowerCase();
    return {
      name: displayName ?? '',
      risk: placeOf((level) => tenant.atRisk(level).includes(id)),
      list: placeOf((level) => entries(level).some(({ description }) => description === id)),
      group: placeOf((level) => groups(level).flatMap(tenant.members).includes(id)),
      known,
      byLists: RISK_LEVELS.some((level) => entries(level).some(isListed)) ? 'isolated' : 'normal',
      // any(identity.groups.name[*] in {...})
      byGroups: known === 'none' ? 'normal' : 'isolated',
    };
  });
}
