/** What one call of provisionOnDemand must look like, what comes of it, and how that is told. */
import type { SynchronizationRule } from '@microsoft/microsoft-graph-types';
import * as v from 'valibot';
import { GraphRefusal, malformed as refused } from './errors';
import { fitting } from './exchange';
import { isGuid } from './guids';
import type { World } from './world';

// learn:synchronization-synchronizationjob-provisionondemand
export const MOST_CALLS = 5;
export const WINDOW_MS = 10_000;
// provision-on-demand.md: "a single group with up to 5 members at a time"
const MOST_MEMBERS = 5;
// provision-on-demand.md tells of "a replication delay of up to a few minutes" for assignments; that memberships have
// one is inferred, and short here, so that a test sees both sides of it.
const KNOWN_AFTER_MS = 5_000;

const guid = v.pipe(v.string(), v.check(isGuid), v.toLowerCase());
const Member = v.strictObject({ objectId: guid, objectTypeName: v.literal('User') });
const Links = v.strictObject({ members: v.pipe(v.array(Member), v.nonEmpty(), v.maxLength(MOST_MEMBERS)) });
const GroupSubject = v.strictObject({ objectId: guid, objectTypeName: v.literal('Group'), links: Links });
/** Exactly the documented shape (example 3), and nothing besides; one group to a call (azure-docs#114961). */
const Parameter = v.strictObject({ ruleId: v.string(), subjects: v.strictTuple([GroupSubject]) });
const Body = v.strictObject({ parameters: v.strictTuple([Parameter]) });
type Subject = { groupId: string; members: string[] };

/** The refusals are inferred but for that of the rule. */
export function readOnDemand(body: object, rules: readonly SynchronizationRule[]): Subject {
  const [{ ruleId, subjects }] = fitting(Body, body, refused('Not what can be provisioned on demand.')).parameters;
  const rule = rules.find(({ id }) => id === ruleId);
  // (observed) microsoft-graph-docs-contrib#4247
  if (!rule) throw new GraphRefusal(400, 'RequestParameterInvalid', 'The job does not include the rule.');
  const mapped = rule.objectMappings?.some(({ enabled, sourceObjectName }) => enabled && sourceObjectName === 'Group');
  if (!mapped) throw refused('The synchronization rule has no mapping for Group.');
  const [{ objectId, links }] = subjects;
  return { groupId: objectId, members: links.members.map((member) => member.objectId) };
}

type Target = { unassigned: ReadonlySet<string>; target: ReadonlyMap<string, ReadonlySet<string>> };

/** What the service sees when the call begins. `key` and `value` are JSON as text (example 1). */
export function onDemandResult(world: World, { unassigned, target }: Target, { groupId, members }: Subject) {
  const group = world.directory.groups.get(groupId);
  const now = world.clock.now();
  const known = (id: string) => now - (group?.members.get(id)?.since ?? now) >= KNOWN_AFTER_MS;
  const inScope = members.filter((id) => !unassigned.has(groupId) && known(id));
  const exported = inScope.filter((id) => !target.get(groupId)?.has(id));
  // RedundantExport: documented, example 1. NotEffectivelyEntitled: the documented reason for objects out of scope
  // (how-provisioning-works.md); that it is told for the call as a whole when it holds for one member is inferred.
  const skipped =
    inScope.length < members.length ? 'NotEffectivelyEntitled' : exported.length === 0 ? 'RedundantExport' : undefined;
  const result = skipped ? 'Skipped' : 'Success';
  const key = { result, details: skipped ? { errorCode: skipped } : {} };
  return { exported, body: { key: JSON.stringify(key), value: '{}' }, outcome: skipped ?? result };
}
