/** The course of one destination's run: read, plan, create missing, all adds, second reading, removals, hurry. */
import { type Context, type Destination, type LevelState, nameOf, partMs, type Risk } from './context';
import { people } from './log/events';
import type { Log } from './log/log';
import { countUsers, planChanges, type Removal, RISK_LEVELS, type RiskLevel } from './plan';

/** How many users were added and removed, or in a dry run would be. */
export type Changed = { name: Destination['name']; added: number; removed: number };

/** Brings a destination into line as far as this run can; what failed is in the log. Throws what ends the run. */
export async function sync(context: Context, destination: Destination, risk: Risk): Promise<Changed> {
  const { DRY_RUN: dryRun, EXEMPT_USER_IDS: exempt, MAX_REMOVALS: maxRemovals } = context.config;
  const log = context.log.with({ destination: destination.name });
  const changed: Changed = { name: destination.name, added: 0, removed: 0 };
  const levels = await destination.read(risk.first);
  const first = await risk.first;
  if (first === undefined) return changed;
  const { adds, removals } = planChanges(first, levels, exempt);
  const make = async ([level, { isMissing }]: [RiskLevel, LevelState]) => {
    if (isMissing && dryRun) log.info(`Dry run: would create ${nameOf(level)}.`, { level });
    else if (isMissing) await destination.create(level);
  };
  await Promise.all([...levels].map(make));
  // The changes of a level are a step; each but the last gets a part of the time left (I7).
  let steps = adds.size + new Set(removals.map(({ level }) => level)).size;
  const untilMs = () => (--steps > 0 ? partMs(context) : context.endMs);
  const tell = (level: RiskLevel, field: 'added' | 'removed', users: readonly string[], where: string) => {
    const [done, planned] = field === 'added' ? ['Added', 'would add'] : ['Removed', 'would remove'];
    const message = `${dryRun ? `Dry run: ${planned}` : done} ${people(users.length)} ${where}`;
    log.with({ level }).users(message, field, users);
    changed[field] += users.length;
  };

  for (const level of RISK_LEVELS.filter((one) => adds.has(one))) {
    const users = adds.get(level) ?? [];
    const added = dryRun ? users : await destination.add(level, users, untilMs());
    tell(level, 'added', added, `to ${nameOf(level)}.`);
  }
  const wouldHold = (to: RiskLevel, user: string) => dryRun && adds.get(to)?.includes(user);
  const isCovered = ({ user, to }: Removal) => !to || destination.holds(to, user) || wouldHold(to, user);
  const covered = removals.filter(isCovered);
  const wanted = new Set(covered);
  for (const [level, { holdRemovals }] of levels) {
    const held = holdRemovals ? covered.filter((one) => one.level === level || one.to === level) : [];
    if (held.length > 0) holdRemovals?.(held.length);
    for (const one of held) wanted.delete(one);
  }
  const agreed = await agreeOn([...wanted], risk, maxRemovals, log);
  for (const level of RISK_LEVELS) {
    const stays = (id: string) => risk.readings.some((one) => one.inDoubt.has(id) || one.atRisk.get(id) === level);
    const users = agreed.flatMap((one) => (one.level === level && !stays(one.user) ? one.user : []));
    if (users.length === 0) continue;
    const removed = dryRun ? users : await destination.remove(level, users, untilMs(), risk.readings);
    const moved = removed.filter((user) => first.atRisk.has(user));
    const released = removed.filter((user) => !first.atRisk.has(user));
    tell(level, 'removed', released, `from ${nameOf(level)}: no longer at risk.`);
    tell(level, 'removed', moved, `from ${nameOf(level)}: now at risk at another level.`);
  }
  await destination.hurry?.();
  return changed;
}

/** The moves, and the releases that are safe: confirmed by a second reading, and no more than MAX_REMOVALS. */
async function agreeOn(wanted: readonly Removal[], risk: Risk, limit: number, log: Log): Promise<readonly Removal[]> {
  const moves = wanted.filter(({ to }) => to !== undefined);
  const releases = wanted.filter(({ to }) => to === undefined);
  const count = countUsers(releases);
  const second = count > 0 && limit > 0 ? await risk.second() : undefined;
  if (count > 0 && limit === 0) log.warn('releases-held', { count });
  if (second === undefined) return moves;
  const confirmed = releases.filter(({ user }) => !second.atRisk.has(user) && !second.inDoubt.has(user));
  const confirmedCount = countUsers(confirmed);
  if (confirmedCount < count) log.warn('readings-differ', { count: count - confirmedCount });
  if (confirmedCount > limit) log.fail('too-many-removals', { count: confirmedCount, limit });
  return confirmedCount > limit ? moves : [...moves, ...confirmed];
}
