/** Which group is ours: found by name, or shown by id. */
import * as v from 'valibot';
import { attempt, type Context, type Finding, type Findings, type LevelState, nameOf, partMs } from '../context';
import type { StepError } from '../errors';
import { parserOf } from '../graph/graph';
import { type Parse, readList } from '../graph/many';
import { RISK_LEVELS, type RiskLevel } from '../plan';

/** An object id as Graph gives them, in lower case; nothing else may ever become part of a path. */
export function objectIdOf(value: unknown): string | undefined {
  return typeof value === 'string' && /^[0-9A-Za-z-]{1,64}$/.test(value) ? value.toLowerCase() : undefined;
}

const SELECT = 'id,displayName,createdDateTime,securityEnabled,mailEnabled,groupTypes,onPremisesSyncEnabled';
/** Without a name it may be any group: what the permissions do not show is null. */
const ShownGroup = v.looseObject({
  id: v.pipe(v.unknown(), v.transform(objectIdOf), v.string()),
  displayName: v.nullish(v.string()),
  createdDateTime: v.nullish(v.string()),
  groupTypes: v.nullish(v.array(v.string())),
});
const shownGroupOf = parserOf(ShownGroup);
const namedGroupOf = parserOf(v.looseObject({ ...ShownGroup.entries, displayName: v.string() }));
type ShownGroup = v.InferOutput<typeof ShownGroup>;

/** How long a new group may stay unknown to parts of Entra (learn: group-post-members; a few seconds as a rule). */
const YOUNG_MS = 600_000;
const NOT_SHOWN = 'Graph does not show what kind of group it is';

export interface Group {
  id: string;
  /** A 404 may only mean that parts of Entra do not know it yet. */
  isYoung: boolean;
}

/**
 * The groups of the three names, in one request: the oldest eligible one is ours. One that this isolate created counts
 * until it is listed. Throws StepError unless the answer is whole, SignInError.
 */
export async function findByName(context: Context): Promise<Findings<Group>> {
  const groups = await readGroups(context, 'displayName', RISK_LEVELS.map(nameOf), namedGroupOf);
  const youngFromMs = context.io.now() - YOUNG_MS;
  const madeMs = ({ createdDateTime }: ShownGroup) => Date.parse(createdDateTime ?? '') || Number.MAX_VALUE;
  // Stryker disable next-line EqualityOperator: no two groups have one id.
  const oldestFirst = groups.sort((a, b) => madeMs(a) - madeMs(b) || (a.id < b.id ? -1 : 1));
  const judge = (level: RiskLevel): Finding<Group> => {
    const named = oldestFirst.filter((group) => isNamed(group, level));
    const possible = named.filter((group) => [undefined, NOT_SHOWN].includes(whyIneligible(group)));
    const isUndated = (one: ShownGroup) => possible.length > 1 && madeMs(one) === Number.MAX_VALUE;
    const isUnclear = possible.some(isUndated) || possible.slice(0, 1).some(whyIneligible);
    const own = context.cache.created?.[level];
    const isUnlisted = own && own.atMs > youngFromMs && named.every(({ id }) => id !== own.id);
    const unlisted = isUnlisted ? { id: own.id, isYoung: true } : undefined;
    const [it = unlisted] = possible.map((one) => ({ id: one.id, isYoung: madeMs(one) > youngFromMs }));
    const others = named.map(({ id }) => id).filter((id) => id !== it?.id);
    const what = nameOf(level);
    const ids = possible.map(({ id }) => id);
    if (isUnclear) return { kind: 'unusable', tell: (log) => log.fail('name-unclear', { what }, ids) };
    if (it) return { kind: 'found', it, others };
    const [reason] = named.map(whyIneligible);
    if (reason === undefined) return { kind: 'none' };
    return { kind: 'unusable', tell: (log) => log.fail('group-ineligible', { what, reason }, others) };
  };
  return new Map(RISK_LEVELS.map((level) => [level, judge(level)]));
}

/** The groups of these ids, without asking. */
export function findPinned(pins: Readonly<Record<RiskLevel, string>>): Findings<Group> {
  const found = (id: string) => ({ kind: 'found', it: { id, isYoung: false }, others: [] }) as const;
  return new Map(RISK_LEVELS.map((level) => [level, found(pins[level])]));
}

/**
 * Asks, once per isolate, whether each pinned id is the group of its level. What it gives tells of a level: undefined if
 * it must not be written, and the log has said why; where nothing is known, nobody may be removed. Throws SignInError.
 */
export function createPinCheck(context: Context, pins: Readonly<Record<RiskLevel, string>>) {
  const { cache } = context;
  const ids = RISK_LEVELS.map((level) => pins[level]);
  const right = new Set<RiskLevel>();
  const failed: { error?: StepError } = {};
  const note = (error: StepError) => Object.assign(failed, { error });
  const found =
    cache.checkedPins === ids.join() ? undefined : attempt(readGroups(context, 'id', ids, shownGroupOf), note);
  return async (level: RiskLevel): Promise<Pick<LevelState, 'holdRemovals'> | undefined> => {
    if (found === undefined) return {};
    const id = pins[level];
    const group = (await found)?.find((one) => one.id === id);
    const log = context.log.with({ level });
    const details = { what: nameOf(level), id };
    // Without name or kind nothing is known: Graph gives null for what the permissions do not show.
    const hold = { holdRemovals: (count: number) => log.fail('pin-unchecked', { ...details, count, ...failed }) };
    const name = group?.displayName;
    if (!name) return hold;
    const reason = whyIneligible(group);
    const isExchanged = RISK_LEVELS.some((one) => one !== level && isNamed(group, one));
    if (!isNamed(group, level)) log.fail('group-name-differs', { ...details, name, isExchanged });
    else if (reason === NOT_SHOWN) return hold;
    else if (reason !== undefined) log.fail('group-ineligible', { ...details, reason });
    else if (right.add(level).size === ids.length) cache.checkedPins = ids.join();
    return right.has(level) ? {} : undefined;
  };
}

function readGroups(context: Context, key: string, values: readonly string[], parse: Parse<ShownGroup>) {
  const filter = encodeURIComponent(`${key} in (${values.map((one) => `'${one}'`).join(',')})`);
  const path = `/groups?$filter=${filter}&$select=${SELECT}`;
  return readList(context.graph, path, parse, { untilMs: partMs(context) });
}

function isNamed({ displayName }: ShownGroup, level: RiskLevel): boolean {
  return displayName?.toLowerCase() === nameOf(level).toLowerCase();
}

/** learn.microsoft.com/graph/api/resources/groups-overview and group-post-members: which groups refuse members. */
function whyIneligible({ groupTypes, onPremisesSyncEnabled, mailEnabled, securityEnabled }: ShownGroup) {
  if (groupTypes?.includes('DynamicMembership')) return 'it is a dynamic group, whose members a rule decides';
  if (onPremisesSyncEnabled === true) return 'it is synced from on-premises';
  if (mailEnabled === true) return 'it is mail-enabled';
  if (securityEnabled === false) return 'it is not a security group';
  if (!groupTypes || mailEnabled !== false || securityEnabled !== true) return NOT_SHOWN;
  return groupTypes.length === 0 ? undefined : 'it is not a plain security group';
}
