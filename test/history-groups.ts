/** Groups of every kind that a tenant may hold under one of the three names. */
import type { Group } from '@microsoft/microsoft-graph-types';
import type { RiskLevel } from '../src/plan';
import { NAMES } from './harness';
import type { GroupKind } from './history';

export const PROPERTIES: Record<GroupKind, Omit<Group, 'members'>> = {
  fit: {},
  'other case': {},
  older: { createdDateTime: '2020-02-02T02:02:02Z' },
  dynamic: { groupTypes: ['DynamicMembership'], createdDateTime: '2019-02-02T02:02:02Z' },
  'mail-enabled': { mailEnabled: true },
  synced: { onPremisesSyncEnabled: true },
  distribution: { mailEnabled: true, securityEnabled: false },
  'Microsoft 365': { groupTypes: ['Unified'], mailEnabled: true },
};

export const isNamed = ({ displayName }: Group, level: RiskLevel) =>
  displayName?.toLowerCase() === NAMES[level].toLowerCase();

export function isFit(group: Group, level: RiskLevel): boolean {
  const plain = group.groupTypes?.length === 0 && !group.mailEnabled && group.securityEnabled === true;
  return isNamed(group, level) && plain && !group.onPremisesSyncEnabled;
}
