/** One run from the environment to the verdict: settings, connections, sync, last line, heartbeat. */
import type { CertificateMemory } from './certificate';
import { daysUntilRenewal } from './certificate';
import { type Config, readConfig } from './config';
import { createDirectory, type GroupMemory } from './directory';
import { RunFailed, SettingsError, SignInError } from './errors';
import { createGraph } from './graph';
import { createDeadline, createHttp } from './http';
import type { Io } from './io';
import { createMemberships } from './memberships';
import { RISK_LEVELS } from './plan';
import { createProvisioning, type ProvisioningMemory } from './provisioning';
import { createReport, type Report, type Sink, sendHeartbeat } from './report';
import { type Outcome, sync } from './sync';
import { createTokenSource, type TokenMemory } from './token';
import { reasonOf } from './trouble';

const HEARTBEAT = { share: 1 / 10, mostMilliseconds: 5_000 } as const;

/** What a warm isolate remembers between runs: plain data that only saves time. */
export interface Memory extends TokenMemory, GroupMemory, CertificateMemory, ProvisioningMemory {}

/**
 * Runs once. Resolves if all that should be in step is, or in a dry run if all could be read; throws RunFailed, after
 * the log has said why and what to do, if not.
 */
export async function run(
  env: Readonly<Record<string, unknown>>,
  cron: string,
  io: Io,
  sink: Sink,
  memory: Memory,
) {
  const startMilliseconds = io.now();
  const report = createReport(sink);
  let cause: unknown;
  try {
    const config = await readConfig(env, cron, startMilliseconds, memory);
    const end = createDeadline(io, config.deadlineSeconds * 1_000);
    const deadline = createDeadline(io, config.deadlineSeconds * 1_000 - heartbeatMilliseconds(config));
    const http = createHttp(io, deadline);
    const tokens = createTokenSource(config, http, io, memory);
    const graph = createGraph(config.cloud.graphOrigin, http, tokens);
    const directory = createDirectory(config, graph, io, deadline, memory);
    const memberships = createMemberships(config.cloud.graphOrigin, graph, io, deadline);
    const application = config.scimServicePrincipalId;
    const provision =
      application === undefined
        ? undefined
        : createProvisioning(application, graph, io, deadline, report, memory);
    warnOfExpiry(config, startMilliseconds, report);
    const outcome = await sync({ config, directory, memberships, report, provision });
    if (config.heartbeatUrl !== undefined && !config.dryRun && report.failures().length === 0) {
      await sendHeartbeat(config.heartbeatUrl, io, end, report);
    }
    const milliseconds = io.now() - startMilliseconds;
    if (outcome) tellEnd(config, report, outcome, { requests: http.sent(), milliseconds });
  } catch (error) {
    cause = error;
    if (error instanceof SettingsError) report.fail('settings', error);
    else if (error instanceof SignInError) report.fail('sign-in', error);
    else report.fail('unexpected', { reason: reasonOf(error) });
  }
  const failures = [...new Set(report.failures())];
  if (failures.length > 0) {
    throw new RunFailed(`${failures.join(', ')}: the error lines above say what to do`, { cause });
  }
}

/** What of the run is kept for the heartbeat, so that helpers which wait cannot make it late. */
function heartbeatMilliseconds({ heartbeatUrl, deadlineSeconds }: Config): number {
  if (heartbeatUrl === undefined) return 0;
  return Math.min(HEARTBEAT.mostMilliseconds, deadlineSeconds * 1_000 * HEARTBEAT.share);
}

function warnOfExpiry({ credential }: Config, nowMilliseconds: number, report: Report): void {
  const days = credential.kind === 'certificate' ? daysUntilRenewal(credential, nowMilliseconds) : undefined;
  if (days !== undefined) report.warn('certificate-expires', { days });
}

/** The last line, and with nothing to do the only one. It ends with the ids to pin, where they were found by name. */
function tellEnd(config: Config, report: Report, outcome: Outcome, figures: Record<string, number>): void {
  const { atRisk, exemptAtRisk, added, removed, groups } = outcome;
  const failed = report.failures().length > 0;
  const changed = added > 0 || removed > 0;
  const start = config.dryRun
    ? 'Dry run: nothing was written.'
    : failed
      ? `Not all is in step: ${added} added, ${removed} removed.`
      : changed
        ? `In step again: ${added} added, ${removed} removed.`
        : 'In step, nothing to do.';
  const exempt = exemptAtRisk > 0 ? `, of whom ${exemptAtRisk} exempt` : '';
  const pins = RISK_LEVELS.flatMap((level) => {
    const group = groups.get(level);
    return group ? [`${level}=${group.id}`] : [];
  });
  const pinnable = config.groupIds === undefined && pins.length === RISK_LEVELS.length;
  report.info(`${start} At risk: ${atRisk.high} high, ${atRisk.medium} medium, ${atRisk.low} low${exempt}.`, {
    added,
    removed,
    ...figures,
    ...(pinnable ? { GROUP_IDS: pins.join(',') } : {}),
  });
}
