/** The course of one run: read all, plan, create groups, all joins, second reading, leaves, provisioning. */
import { createGroups, type Done, joinAll, leaveAll, reportJoins, reportLeaves } from './changes';
import { type Group, groupName } from './directory';
import { isOutOfRequests, isTrouble, OutOfTime, orTrouble } from './errors';
import {
  confirmedDepartures,
  countUsers,
  coveredMoves,
  type Leave,
  type Members,
  type Plan,
  planChanges,
  RISK_LEVELS,
  type RiskLevel,
  type RiskReading,
} from './plan';
import type { Newcomers } from './provisioning';
import { type Run, readRisk, readState, type State } from './reading';
import { traceOf } from './trouble';

/** What the last line of the log tells. */
export interface Outcome {
  /** Users at risk at each level, the exempt included. */
  atRisk: Readonly<Record<RiskLevel, number>>;
  exemptAtRisk: number;
  added: number;
  removed: number;
  /** The groups of the three levels, as far as they are known. */
  groups: ReadonlyMap<RiskLevel, Group>;
}

/**
 * Brings the three groups into line with riskyUsers, as far as this run can. Failures are in the report; undefined
 * if the state could not be read, so that nothing was written. Throws SignInError.
 */
export async function sync(run: Run): Promise<Outcome | undefined> {
  const state = await readState(run);
  if (state === undefined) return undefined;
  const { risk, members, missing } = state;
  const plan = planChanges(risk, members, run.config.exemptUserIds);
  const groups = new Map(state.groups);
  const done: Done = { joined: new Map(), left: [], stopped: new Set() };

  if (run.config.dryRun) await tellPlan(run, plan, missing, members);
  else await carryOut(run, state, plan, groups, done);

  return {
    atRisk: countByLevel(risk),
    exemptAtRisk: plan.exemptAtRisk,
    added: countJoins(done.joined),
    removed: done.left.length,
    groups,
  };
}

/** Writes the plan, then does what only helps, while the runtime lets it. New groups are waited for all along. */
async function carryOut(
  run: Run,
  state: State,
  plan: Plan,
  groups: Map<RiskLevel, Group>,
  done: Done,
): Promise<void> {
  const listings: Promise<void>[] = [];
  try {
    const mayGoOn = await writeInTime(run, plan, done, async () => {
      const created = await createGroups(run, state.missing);
      for (const [level, group] of created) groups.set(level, group);
      listings.push(untilListed(run, [...created.values()]));
      await changeMembers(run, state, plan, groups, done);
    });
    if (mayGoOn) await run.provision?.(newcomersOf(done, state.groups));
  } finally {
    await Promise.all(listings);
  }
}

/** Reports a writing that was cut short; false if the runtime refuses further requests. */
async function writeInTime(run: Run, plan: Plan, done: Done, write: () => Promise<void>): Promise<boolean> {
  try {
    await write();
    return true;
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error;
    const { deadlineSeconds } = run.config;
    run.report.fail('out-of-time', { error, deadlineSeconds, progress: progress(plan, done) });
    return !isOutOfRequests(error);
  }
}

/** In the order that leaves nobody uncovered. */
async function changeMembers(
  run: Run,
  state: State,
  plan: Plan,
  groups: ReadonlyMap<RiskLevel, Group>,
  done: Done,
): Promise<void> {
  await joinAll(run, groups, plan.joins, done);
  const moves = coveredMoves(plan.moves, state.members, done.joined);
  // What was read of a group is no knowledge any more, once the group has turned out to be gone.
  const covered = moves.filter(({ to }) => !done.stopped.has(to));
  await leaveAll(run, groups, [...covered, ...(await agreedDepartures(run, plan))], done);
}

/** The departures that are safe: confirmed by a second reading, and no more than MAX_REMOVALS. */
async function agreedDepartures(run: Run, { departures }: Plan): Promise<readonly Leave[]> {
  const { config, report } = run;
  if (departures.length === 0) return [];
  const count = countUsers(departures);
  if (config.maxRemovals === 0) {
    report.warn('departures-held', { count });
    return [];
  }
  const second = await orTrouble(readRisk(run));
  if (isTrouble(second)) {
    report.fail('second-reading-failed', { count, error: second }, { ...traceOf(second) });
    return [];
  }
  const confirmed = confirmedDepartures(departures, second);
  const confirmedCount = countUsers(confirmed);
  if (confirmedCount < count) report.warn('second-reading-differs', { count: count - confirmedCount });
  if (confirmedCount > config.maxRemovals) {
    report.fail('too-many-departures', { count: confirmedCount, limit: config.maxRemovals });
    return [];
  }
  return confirmed;
}

/** A dry run: the same readings and the same plan, told instead of carried out. */
async function tellPlan(
  run: Run,
  plan: Plan,
  missing: readonly RiskLevel[],
  members: Members,
): Promise<void> {
  for (const level of missing)
    run.report.info(`Dry run: would create the group ${groupName(level)}.`, { level });
  for (const level of RISK_LEVELS) reportJoins(run, level, plan.joins.get(level) ?? []);
  const leaves = [...coveredMoves(plan.moves, members, plan.joins), ...(await agreedDepartures(run, plan))];
  for (const level of RISK_LEVELS) reportLeaves(run, level, leaves);
}

/** Only waiting: so that a run in another isolate, which remembers nothing, does not create the groups again. */
async function untilListed({ directory, report }: Run, created: readonly Group[]): Promise<void> {
  if (created.length === 0) return;
  const listed = await orTrouble(directory.untilListed(created));
  if (listed !== true && !isOutOfRequests(listed)) report.warn('group-not-listed', undefined);
}

/** Groups that this run created are left out: nobody can have assigned them to the enterprise application yet. */
function newcomersOf({ joined }: Done, groups: State['groups']): Newcomers[] {
  return RISK_LEVELS.flatMap((level) => {
    const group = groups.get(level);
    return group ? [{ group, users: joined.get(level) ?? [] }] : [];
  });
}

/** How far a run got that was cut short. */
function progress(plan: Plan, done: Done): string {
  const added = `${countJoins(done.joined)} of ${countJoins(plan.joins)} users added`;
  const leaves = plan.moves.length + plan.departures.length;
  return leaves === 0 ? added : `${added}, ${done.left.length} of ${leaves} removed`;
}

function countJoins(joins: Plan['joins']): number {
  return [...joins.values()].reduce((sum, users) => sum + users.length, 0);
}

function countByLevel({ atRisk }: RiskReading): Record<RiskLevel, number> {
  const counts = { high: 0, medium: 0, low: 0 };
  for (const level of atRisk.values()) counts[level] += 1;
  return counts;
}
