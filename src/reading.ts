/** Reads the whole state that a run starts from; what could not be read is left out and reported. */
import type { Config } from './config';
import { type Directory, type Group, groupName } from './directory';
import { GraphError, isTrouble, OutOfTime, orTrouble, SignInError, type Trouble } from './errors';
import type { Memberships } from './memberships';
import { type Members, RISK_LEVELS, type RiskLevel, type RiskReading, type UserId } from './plan';
import type { Provision } from './provisioning';
import type { Report } from './report';
import { reasonOf, traceOf } from './trouble';

export interface Run {
  config: Config;
  directory: Directory;
  memberships: Memberships;
  report: Report;
  /** Undefined where on-demand provisioning is turned off. */
  provision: Provision | undefined;
}

export interface State {
  risk: RiskReading;
  /** The groups that exist and whose members were read. */
  groups: ReadonlyMap<RiskLevel, Group>;
  /** The levels that have no group yet. */
  missing: readonly RiskLevel[];
  members: Members;
}

/** Everything at once. Undefined, with the failure reported, where the run must write nothing. */
export async function readState(run: Run): Promise<State | undefined> {
  const [risk, groups] = await Promise.all([orTrouble(readRisk(run)), orTrouble(readGroups(run))]);
  if (isTrouble(risk)) reportUnreadRisk(run, risk);
  if (isTrouble(groups)) {
    // One sign-in serves both readings, and one deadline: what stopped both is said once.
    const saidAlready = isTrouble(risk) && !(groups instanceof GraphError) && groups.name === risk.name;
    if (!saidAlready) reportFailedLookup(run, groups);
  }
  if (isTrouble(risk) || isTrouble(groups)) return undefined;
  if (risk.inDoubt.size > 0) run.report.warn('in-doubt', { count: risk.inDoubt.size }, {}, [...risk.inDoubt]);
  return { risk, ...groups };
}

/** The risky users; a refused filter is a warning. Throws as Directory does. */
export function readRisk({ directory, report }: Run): Promise<RiskReading> {
  return directory.readRisk(() => report.warn('filter-refused', undefined));
}

async function readGroups({ directory, memberships, report }: Run): Promise<Omit<State, 'risk'>> {
  const findings = await directory.findGroups();
  const groups = new Map<RiskLevel, Group>();
  const members = new Map<RiskLevel, ReadonlySet<UserId>>();
  const missing: RiskLevel[] = [];
  await Promise.all(
    RISK_LEVELS.map(async (level) => {
      const group = groupName(level);
      const finding = findings.get(level) ?? { kind: 'none' };
      if (finding.kind === 'none') {
        missing.push(level);
        members.set(level, new Set());
        return;
      }
      if (finding.kind === 'unfit') {
        report.fail('group-unfit', { group, reason: finding.reason }, { level }, finding.others);
        return;
      }
      if (finding.others.length > 0) {
        report.warn('duplicate-groups', { group, used: finding.group.id }, { level }, finding.others);
      }
      const users = await orTrouble(memberships.read(finding.group));
      if (isTrouble(users)) {
        const trace = traceOf(users);
        report.fail(
          'group-unread',
          { group, reason: reasonOf(users), status: trace.status },
          { level, ...trace },
        );
        return;
      }
      groups.set(level, finding.group);
      members.set(level, users);
    }),
  );
  return { groups, members, missing };
}

function reportUnreadRisk({ config, report }: Run, error: Trouble): void {
  const trace = traceOf(error);
  if (error instanceof SignInError) report.fail('sign-in', error);
  else if (error instanceof OutOfTime) reportUnfinishedReading(config, report, error);
  else if (trace.status !== 403) report.fail('risky-users-unread', { reason: reasonOf(error) }, { ...trace });
  else {
    // The same code is given for both causes (facts: riskyuser-list, observed), so only the words tell which is likelier.
    report.fail(
      'risky-users-refused',
      { licenceFirst: /licen[cs]e/i.test(error.graphMessage) },
      { ...trace },
    );
  }
}

function reportFailedLookup({ config, report }: Run, error: Trouble): void {
  const trace = traceOf(error);
  if (error instanceof SignInError) report.fail('sign-in', error);
  else if (error instanceof OutOfTime) reportUnfinishedReading(config, report, error);
  else if (trace.status === 403) report.fail('lookup-refused', undefined, { ...trace });
  else report.fail('lookup-failed', { reason: reasonOf(error) }, { ...trace });
}

function reportUnfinishedReading(
  { deadlineSeconds }: Config,
  report: Report,
  { limit, throttled }: OutOfTime,
): void {
  report.fail('out-of-time', {
    limit,
    throttled,
    deadlineSeconds,
    progress: 'reading was not finished, and nothing was written',
  });
}
