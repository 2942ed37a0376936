/** Groups of every kind that a tenant may hold under one of the three names. */
import type { Group } from '@microsoft/microsoft-graph-types';
import type { RiskLevel } from '../../src/plan';
import { NAMES } from '../scenarios/scene';
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

export const isNamed = (name: unknown, level: RiskLevel) => String(name).toLowerCase() === NAMES[level].toLowerCase();

/** Of a group as it is, or as Graph tells of it. */
export function isEligible(group: { [name in keyof Group]?: unknown }): boolean {
  const { groupTypes, mailEnabled, securityEnabled, onPremisesSyncEnabled } = group;
  const plain = Array.isArray(groupTypes) && groupTypes.length === 0 && !mailEnabled && securityEnabled === true;
  return plain && !onPremisesSyncEnabled;
}
