/** Reads the whole state that a run starts from; what could not be read is left out and reported. */
import type { Config } from './config';
import { type Directory, type Group, groupName } from './directory';
import { GraphError, isTrouble, OutOfTime, orTrouble, SignInError, type Trouble } from './errors';
import type { Memberships } from './memberships';
import type { Members, RiskLevel, RiskReading, UserId } from './plan';
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
    const saidAlready = [SignInError, OutOfTime].some((One) => risk instanceof One && groups instanceof One);
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
  let refusedSignIn: SignInError | undefined;
  await Promise.all(
    [...findings].map(async ([level, finding]) => {
      const group = groupName(level);
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
      if (users instanceof SignInError) refusedSignIn = users;
      else if (isTrouble(users))
        report.fail('group-unread', { group, error: users }, { level, ...traceOf(users) });
      if (isTrouble(users)) return;
      groups.set(level, finding.group);
      members.set(level, users);
    }),
  );
  if (refusedSignIn) throw refusedSignIn;
  return { groups, members, missing };
}

function reportUnreadRisk(run: Run, error: Trouble): void {
  const trace = traceOf(error);
  if (!(error instanceof GraphError)) reportUnfinishedReading(run, error);
  else if (trace.status !== 403)
    run.report.fail('risky-users-unread', { reason: reasonOf(error) }, { ...trace });
  else {
    // The same code is given for both causes (facts: riskyuser-list, observed), so only the words tell which is likelier.
    const licenceFirst = /licen[cs]e/i.test(error.graphMessage);
    run.report.fail('risky-users-refused', { licenceFirst }, { ...trace });
  }
}

function reportFailedLookup(run: Run, error: Trouble): void {
  const trace = traceOf(error);
  if (!(error instanceof GraphError)) reportUnfinishedReading(run, error);
  else if (trace.status === 403) run.report.fail('lookup-refused', undefined, { ...trace });
  else run.report.fail('lookup-failed', { reason: reasonOf(error) }, { ...trace });
}

/** What ends both readings alike. */
function reportUnfinishedReading({ config, report }: Run, error: SignInError | OutOfTime): void {
  if (error instanceof SignInError) report.fail('sign-in', error);
  else {
    const progress = 'reading was not finished, and nothing was written';
    report.fail('out-of-time', { error, deadlineSeconds: config.deadlineSeconds, progress });
  }
}
