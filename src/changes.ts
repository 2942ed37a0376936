/** Carries a plan out and tells what became of it. */
import { type Group, groupName } from './directory';
import { type GraphTrace, isOutOfRequests, isTrouble, orTrouble } from './errors';
import { USERS_AT_ONCE } from './joining';
import { type GroupStop, type LeaveOutcome, refusalOfAll } from './outcomes';
import { type Leave, RISK_LEVELS, type RiskLevel, type UserId } from './plan';
import type { Run } from './reading';
import type { Report } from './report';
import { people, reasonOf, traceOf } from './trouble';

type Groups = ReadonlyMap<RiskLevel, Group>;
type Joins = ReadonlyMap<RiskLevel, readonly UserId[]>;

/** What has been done so far: it stands even when the run is cut short. */
export interface Done {
  joined: Map<RiskLevel, UserId[]>;
  left: Leave[];
  /** Levels whose group took nobody: that is reported, and nothing more is asked of the group in this run. */
  stopped: Set<RiskLevel>;
}

/** Creates the groups that do not exist, side by side. What fails, fails its level only; throws when the runtime refuses. */
export async function createGroups(
  { directory, report }: Run,
  levels: readonly RiskLevel[],
): Promise<Groups> {
  const missing = RISK_LEVELS.filter((level) => levels.includes(level));
  const results = await Promise.all(missing.map((level) => orTrouble(directory.createGroup(level))));
  const created = new Map<RiskLevel, Group>();
  for (const [index, level] of missing.entries()) {
    const group = groupName(level);
    const result = results[index];
    if (result === undefined || isOutOfRequests(result)) continue;
    const trace = traceOf(result);
    if (!isTrouble(result)) {
      created.set(level, result);
      report.warn('group-created', { group, id: result.id }, { level, id: result.id });
    } else if (trace.status === 403) report.fail('group-create-refused', { group }, { level, ...trace });
    else report.fail('group-create-failed', { group, reason: reasonOf(result) }, { level, ...trace });
  }
  const outOfRequests = results.find(isOutOfRequests);
  if (outOfRequests) throw outOfRequests;
  return created;
}

/** All joins, high first, one request at a time. Throws OutOfTime, SignInError. */
export async function joinAll(run: Run, groups: Groups, joins: Joins, done: Done): Promise<void> {
  for (const [level, group] of inOrder(groups)) {
    const users = joins.get(level) ?? [];
    const joined: UserId[] = [];
    const gone: UserId[] = [];
    const refused: { user: UserId; trace: GraphTrace }[] = [];
    done.joined.set(level, joined);
    try {
      for (let start = 0; start < users.length; start += USERS_AT_ONCE) {
        const stop = await run.memberships.join(
          group,
          users.slice(start, start + USERS_AT_ONCE),
          (user, outcome) => {
            if (outcome === 'joined') joined.push(user);
            else if (outcome === 'gone') gone.push(user);
            else if (outcome !== 'unknown') refused.push({ user, trace: outcome.refused });
          },
        );
        if (stop === undefined) continue;
        if (stop.why === 'trouble') {
          for (const user of users.slice(start + USERS_AT_ONCE)) refused.push({ user, trace: {} });
        } else {
          done.stopped.add(level);
          reportStop(run.report, level, stop);
        }
        break;
      }
    } finally {
      reportJoins(run, level, joined);
      const details = { group: groupName(level), count: gone.length };
      if (gone.length > 0) run.report.warn('users-gone', details, { level }, gone);
      reportRefused(run.report, 'join', level, refused);
    }
  }
}

/** All leaves, twenty to a request, one request at a time. Throws OutOfTime, SignInError. */
export async function leaveAll(
  run: Run,
  groups: Groups,
  leaves: readonly Leave[],
  done: Done,
): Promise<void> {
  const refused: (Leave & { trace: GraphTrace })[] = [];
  const left: Leave[] = [];
  try {
    let open = leaves.flatMap((leave) => {
      const group = groups.get(leave.level);
      return group && !done.stopped.has(leave.level) ? [{ ...leave, group }] : [];
    });
    const told = new Map(RISK_LEVELS.map((level): [RiskLevel, LeaveOutcome[]] => [level, []]));
    while (open.length > 0) {
      const trouble = await run.memberships.leave(open.slice(0, USERS_AT_ONCE), (leave, outcome) => {
        told.get(leave.level)?.push(outcome);
        if (outcome === 'left') left.push(leave);
        else if (outcome !== 'no member') refused.push({ ...leave, trace: outcome.refused });
      });
      const stops = new Map(
        [...told].map(([level, outcomes]) => [level, refusalOfAll(outcomes, USERS_AT_ONCE)]),
      );
      const next: typeof open = [];
      for (const leave of open.slice(USERS_AT_ONCE)) {
        const trace = trouble ?? stops.get(leave.level);
        if (trace === undefined) next.push(leave);
        else refused.push({ ...leave, trace });
      }
      open = next;
    }
  } finally {
    done.left.push(...left);
    for (const level of RISK_LEVELS) {
      reportLeaves(run, level, left);
      reportRefused(
        run.report,
        'leave',
        level,
        refused.filter((one) => one.level === level),
      );
    }
  }
}

/** Who was added, or in a dry run would be. */
export function reportJoins({ config, report }: Run, level: RiskLevel, users: readonly UserId[]): void {
  const done = config.dryRun ? 'Dry run: would add' : 'Added';
  report.users(`${done} ${people(users.length)} to ${groupName(level)}.`, 'added', users, { level });
}

/** Who was removed, or in a dry run would be: those that depart apart from those that move. */
export function reportLeaves({ config, report }: Run, level: RiskLevel, leaves: readonly Leave[]): void {
  const done = config.dryRun ? 'Dry run: would remove' : 'Removed';
  const here = leaves.filter((leave) => leave.level === level);
  for (const [why, some] of [
    ['no longer at risk', here.filter(({ to }) => to === undefined)],
    ['now at risk at another level', here.filter(({ to }) => to !== undefined)],
  ] as const) {
    const users = some.map(({ user }) => user);
    report.users(`${done} ${people(users.length)} from ${groupName(level)}: ${why}.`, 'removed', users, {
      level,
    });
  }
}

function reportStop(report: Report, level: RiskLevel, stop: Exclude<GroupStop, { why: 'trouble' }>): void {
  const group = groupName(level);
  if (stop.why === 'group gone') report.fail('group-gone', { group }, { level });
  else
    report.fail(
      stop.trace.status === 403 ? 'join-refused' : 'join-rejected',
      { group },
      { level, ...stop.trace },
    );
}

/** Those refused for want of a permission apart from the others: the remedies differ. */
function reportRefused(
  report: Report,
  verb: 'join' | 'leave',
  level: RiskLevel,
  refused: readonly { user: UserId; trace: GraphTrace }[],
): void {
  const isForbidden = ({ trace }: { trace: GraphTrace }) => trace.status === 403;
  for (const [key, some] of [
    [`${verb}-refused`, refused.filter(isForbidden)],
    [`${verb}-failed`, refused.filter((one) => !isForbidden(one))],
  ] as const) {
    const [first] = some;
    if (first === undefined) continue;
    const users = some.map(({ user }) => user);
    report.fail(key, { group: groupName(level), count: users.length }, { level, ...first.trace }, users);
  }
}

function inOrder(groups: Groups): [RiskLevel, Group][] {
  return RISK_LEVELS.flatMap((level): [RiskLevel, Group][] => {
    const group = groups.get(level);
    return group ? [[level, group]] : [];
  });
}
