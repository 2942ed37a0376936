/** Entra in the words of the domain: who is at risk, and which groups hold them. */
import * as v from 'valibot';
import type { Config } from './config';
import { GraphError } from './errors';
import { type Graph, refusal } from './graph';
import { type Deadline, wait } from './http';
import type { Io } from './io';
import { createRiskReading, RISK_LEVELS, type RiskLevel, type RiskReading } from './plan';

/** One request a second for all apps of the tenant (learn.microsoft.com/graph/throttling-limits), and some air. */
const RISKY_USERS_SPACING_MILLISECONDS = 1_050;
/** The most that riskyUsers gives at once (learn: riskyuser-list). */
const RISKY_USERS_PAGE = 500;
/** How long a new group may stay unknown to parts of Entra (learn: group-post-members; a few seconds as a rule). */
const YOUNG_GROUP_MILLISECONDS = 600_000;
/** Before each look at the lookup. */
const LISTING_WAITS_MILLISECONDS = [0, 1_000, 2_000, 4_000, 8_000, 16_000];

export interface Group {
  id: string;
  /** Until then a 404 may only mean that Entra has not heard of it everywhere. */
  youngUntilMilliseconds: number;
}

export type GroupFinding =
  /** `others` have the same name: an impostor must neither be used nor stop the sync. */
  | { kind: 'fit'; group: Group; others: readonly string[] }
  | { kind: 'unfit'; reason: string; others: readonly string[] }
  | { kind: 'none' };

/** Ids of groups that this isolate created, for a lookup that does not list them yet. */
export interface GroupMemory {
  created?: Partial<Record<RiskLevel, { id: string; atMilliseconds: number }>> | undefined;
}

export interface Directory {
  /** Throws as Graph does; GraphError also when any entry is unusable. `onlyUnfiltered` tells that the filter was refused. */
  readRisk(onlyUnfiltered: () => void): Promise<RiskReading>;
  /** All three, by name in one request, or as pinned without any. Throws as Graph does. */
  findGroups(): Promise<ReadonlyMap<RiskLevel, GroupFinding>>;
  /** Creates an empty security group. Throws GraphError also when it is not clear whether it happened. */
  createGroup(level: RiskLevel): Promise<Group>;
  /** Waits until a lookup lists them all, so that a run elsewhere creates none again. False if it gave up waiting. */
  untilListed(groups: readonly Group[]): Promise<boolean>;
}

export const groupName = (level: RiskLevel): string => `IdentityProtection-RiskyUser-RiskLevel-${level}`;

/** An object id as Graph gives them: letters, digits and hyphens, compared in lower case. */
export const ObjectId = v.pipe(v.string(), v.regex(/^[0-9A-Za-z-]{1,64}$/), v.toLowerCase());

const RiskyUserEntry = v.object({
  id: ObjectId,
  riskLevel: v.optional(v.unknown()),
  riskState: v.optional(v.unknown()),
  isDeleted: v.optional(v.unknown()),
});

const GroupEntry = v.object({
  id: ObjectId,
  displayName: v.string(),
  createdDateTime: v.nullish(v.string()),
  securityEnabled: v.optional(v.unknown()),
  mailEnabled: v.optional(v.unknown()),
  groupTypes: v.nullish(v.array(v.string())),
  onPremisesSyncEnabled: v.optional(v.unknown()),
});
type GroupEntry = v.InferOutput<typeof GroupEntry>;
const CreatedGroup = v.object({ id: ObjectId });

const AT_RISK = "riskState eq 'atRisk' or riskState eq 'confirmedCompromised'";
const RISKY_USERS = `/identityProtection/riskyUsers?$select=id,riskLevel,riskState,isDeleted&$top=${RISKY_USERS_PAGE}`;

/** Entra as one run sees it. At most three of its reads are under way at once, four with the risky users. */
export function createDirectory(
  config: Config,
  graph: Graph,
  io: Io,
  deadline: Deadline,
  memory: GroupMemory,
): Directory {
  const names = RISK_LEVELS.map((level) => `'${groupName(level)}'`).join(',');
  const lookup =
    `/groups?$filter=${encodeURIComponent(`displayName in (${names})`)}` +
    '&$select=id,displayName,createdDateTime,securityEnabled,mailEnabled,groupTypes,onPremisesSyncEnabled&$top=999';
  let nextRiskCallMilliseconds = 0;

  async function paceRiskCalls(): Promise<void> {
    await wait(io, deadline, Math.max(0, nextRiskCallMilliseconds - io.now()));
    nextRiskCallMilliseconds = io.now() + RISKY_USERS_SPACING_MILLISECONDS;
  }

  async function readRiskyUsers(path: string): Promise<RiskReading> {
    const reading = createRiskReading();
    for await (const entries of graph.readPages(path, RiskyUserEntry, { pace: paceRiskCalls }))
      reading.add(entries);
    return reading.whole();
  }

  function rememberedGroup(level: RiskLevel): Group[] {
    const created = memory.created?.[level];
    if (created === undefined) return [];
    const youngUntilMilliseconds = created.atMilliseconds + YOUNG_GROUP_MILLISECONDS;
    return io.now() < youngUntilMilliseconds ? [{ id: created.id, youngUntilMilliseconds }] : [];
  }

  function judge(level: RiskLevel, entries: readonly GroupEntry[]): GroupFinding {
    const named = entries
      .filter(({ displayName }) => displayName.toLowerCase() === groupName(level).toLowerCase())
      .map((entry) => ({ ...entry, createdMilliseconds: Date.parse(entry.createdDateTime ?? '') || 0 }))
      .sort(
        (a, b) =>
          (a.createdMilliseconds || Infinity) - (b.createdMilliseconds || Infinity) || (a.id < b.id ? -1 : 1),
      );
    const fit: Group[] = named
      .filter((entry) => whyUnfit(entry) === undefined)
      .map(({ id, createdMilliseconds }) => ({
        id,
        youngUntilMilliseconds: createdMilliseconds + YOUNG_GROUP_MILLISECONDS,
      }));
    const unlisted = rememberedGroup(level).filter((group) => named.every(({ id }) => id !== group.id));
    const ours = [...fit, ...unlisted][0];
    const others = named.map(({ id }) => id).filter((id) => id !== ours?.id);
    if (ours !== undefined) return { kind: 'fit', group: ours, others };
    // None is fit, so this is why the oldest is not.
    const [reason] = named.map(whyUnfit);
    return reason === undefined ? { kind: 'none' } : { kind: 'unfit', reason, others };
  }

  async function findGroups(): Promise<ReadonlyMap<RiskLevel, GroupFinding>> {
    const pinned = config.groupIds;
    if (pinned) {
      const finding = (id: string): GroupFinding => ({
        kind: 'fit',
        group: { id, youngUntilMilliseconds: 0 },
        others: [],
      });
      return new Map(RISK_LEVELS.map((level) => [level, finding(pinned[level])]));
    }
    const entries = await graph.readAll(lookup, GroupEntry);
    return new Map(RISK_LEVELS.map((level) => [level, judge(level, entries)]));
  }

  return {
    findGroups,

    async readRisk(onlyUnfiltered) {
      try {
        return await readRiskyUsers(`${RISKY_USERS}&$filter=${encodeURIComponent(AT_RISK)}`);
      } catch (error) {
        if (!(error instanceof GraphError && error.trace.status === 400)) throw error;
        onlyUnfiltered();
        return readRiskyUsers(RISKY_USERS);
      }
    },

    /** learn: group-post-groups. No owner is sent: nobody but an administrator shall change who is isolated. */
    async createGroup(level) {
      const name = groupName(level);
      const body = {
        displayName: name,
        description:
          'Members browse in isolation. Kept in step with Entra ID Protection by the risky-users Worker.',
        mailEnabled: false,
        mailNickname: name,
        securityEnabled: true,
      };
      const answer = await graph.send({ method: 'POST', path: '/groups', body, repeatable: false });
      if (answer.status !== 201) throw refusal(answer);
      const parsed = v.safeParse(CreatedGroup, answer.body);
      if (!parsed.success) throw new GraphError('Graph created the group but gave no id', answer.trace);
      const { id } = parsed.output;
      memory.created = { ...memory.created, [level]: { id, atMilliseconds: io.now() } };
      return { id, youngUntilMilliseconds: io.now() + YOUNG_GROUP_MILLISECONDS };
    },

    async untilListed(groups) {
      for (const milliseconds of LISTING_WAITS_MILLISECONDS) {
        await wait(io, deadline, milliseconds);
        const listed = new Set((await graph.readAll(lookup, GroupEntry)).map(({ id }) => id));
        if (groups.every(({ id }) => listed.has(id))) return true;
      }
      return false;
    },
  };
}

/** learn.microsoft.com/graph/api/resources/groups-overview and group-post-members: which groups refuse members. */
function whyUnfit(entry: GroupEntry): string | undefined {
  if (entry.groupTypes?.includes('DynamicMembership'))
    return 'it is a dynamic group, whose members a rule decides';
  if (entry.onPremisesSyncEnabled === true) return 'it is synced from on-premises';
  if (entry.mailEnabled !== false) return 'it is mail-enabled';
  if (entry.securityEnabled !== true) return 'it is not a security group';
  if (entry.groupTypes?.length !== 0) return 'it is not a plain security group';
  return undefined;
}
