/** One run from the environment to the verdict: settings, connections, the destinations, last line, heartbeat. */
import { createCloudflare } from './cloudflare/cloudflare';
import { createLists } from './cloudflare/lists';
import { daysUntilRenewal } from './config/certificate';
import { type Config, readConfig } from './config/config';
import type { Cache, Destination } from './context';
import { createGroups } from './entra/groups';
import { readRisk } from './entra/risky-users';
import { RunFailed, SettingsError, SignInError } from './errors';
import { createGraph } from './graph/graph';
import { createTokenSource } from './graph/token';
import { createHttp } from './http/http';
import type { Io } from './io';
import { createLog, type Log, type Sink } from './log/log';
import { RISK_LEVELS, type RiskReading } from './plan';
import { type Changed, sync } from './sync';

/** Requests in flight to Graph and to Cloudflare, beside one for the users at risk: six is the most that Workers allow. */
const IN_FLIGHT = { groups: [5, 0], lists: [1, 4], both: [3, 2] } as const;
/** What of a run is kept for the heartbeat, so that what only helps cannot make it late. */
const HEARTBEAT = { timeoutMs: 5_000, part: 1 / 10 } as const;

/** Resolves if all is in sync, or in a dry run was read; else throws RunFailed after the log has said why. */
export async function run(env: Record<string, unknown>, cron: string, io: Io, sink: Sink, cache: Cache): Promise<void> {
  const log = createLog(sink);
  let cause: unknown;
  try {
    const startMs = io.now();
    await runOnce(await readConfig(env, cron, startMs, cache), startMs, io, log, cache);
  } catch (error) {
    cause = error;
    if (error instanceof SettingsError) log.fail('settings', error);
    else if (error instanceof SignInError) log.fail('sign-in', { error });
    else log.fail('unexpected', { reason: error instanceof Error ? error.name : 'no error' });
  }
  const failures = log.failures().join(', ');
  if (failures !== '') throw new RunFailed(`${failures}: the error lines above say what to do`, { cause });
}

async function runOnce(config: Config, startMs: number, io: Io, log: Log, cache: Cache): Promise<void> {
  const { credential, unused, HEARTBEAT_URL: heartbeatUrl, AZURE_AD_CLOUD: cloud } = config;
  const days = credential.kind === 'certificate' ? daysUntilRenewal(credential, startMs) : undefined;
  if (days !== undefined) log.warn('certificate-expires', { days });
  if (unused.length > 0) log.warn('setting-unused', { names: unused });

  const runMs = config.DEADLINE_SECONDS * 1_000;
  const heartbeatMs = heartbeatUrl === undefined ? 0 : Math.min(HEARTBEAT.timeoutMs, runMs * HEARTBEAT.part);
  const wantsLists = config.DESTINATIONS.has('lists');
  const [toGraph, toLists] = IN_FLIGHT[config.DESTINATIONS.size > 1 ? 'both' : wantsLists ? 'lists' : 'groups'];
  const [riskHttp, http, listsHttp] = [createHttp(io, 1), createHttp(io, toGraph), createHttp(io, toLists)];
  const base = { config, io, log, cache, endMs: startMs + runMs - heartbeatMs };
  const tokens = createTokenSource(base, riskHttp);
  const context = { ...base, graph: createGraph(cloud.graphOrigin, http, tokens) };
  const risk = readRisk({ ...base, graph: createGraph(cloud.graphOrigin, riskHttp, tokens) });
  // Lists come first, so that their few writes are sent before a long fill of groups.
  const destinations: Destination[] = wantsLists ? [createLists(context, createCloudflare(config, listsHttp))] : [];
  if (config.DESTINATIONS.has('groups')) destinations.push(createGroups(context));
  const courses = destinations.map((one) => sync(context, one, risk));
  await Promise.allSettled([risk.first, ...courses]); // All end, whatever one of them throws.
  const changed = await Promise.all(courses);
  if (heartbeatUrl !== undefined && !config.DRY_RUN && log.failures().length === 0)
    await sendHeartbeat(heartbeatUrl, io, startMs + runMs, log);
  const reading = await risk.first;
  const figures = { requests: riskHttp.sent() + http.sent() + listsHttp.sent(), milliseconds: io.now() - startMs };
  const fields = Object.assign(figures, ...destinations.map((one) => one.summary()));
  if (reading) tellEnd(config, log, reading, changed, fields);
}

/** One GET, over by `untilMs`. The address is a secret and is never told. If it fails, that is only a warning. */
async function sendHeartbeat(url: string, io: Io, untilMs: number, log: Log): Promise<void> {
  const options = { untilMs, timeoutMs: HEARTBEAT.timeoutMs, attempts: 1 };
  const { status } = await createHttp(io, 1).send({ method: 'GET', url, headers: {} }, options);
  if (status < 200 || status >= 300)
    log.warn('heartbeat-failed', { reason: status === 0 ? 'no answer' : `status ${status}` });
}

/** The last line, and with nothing to do the only one. */
function tellEnd(config: Config, log: Log, { atRisk }: RiskReading, changed: readonly Changed[], fields: object): void {
  const added = changed.reduce((sum, one) => sum + one.added, 0);
  const removed = changed.reduce((sum, one) => sum + one.removed, 0);
  const isFailed = log.failures().length > 0;
  const each = changed.map((one) => `${changed[1] ? `${one.name} ` : ''}${one.added} added, ${one.removed} removed`);
  const verdict = isFailed ? 'Not in sync: ' : 'In sync again: ';
  const done = isFailed || added + removed > 0 ? verdict + each.join('; ') : 'In sync, nothing to do';
  const count = (wanted: string) => [...atRisk.values()].filter((level) => level === wanted).length;
  const levels = RISK_LEVELS.map((level) => `${count(level)} ${level}`).join(', ');
  const exempt = [...atRisk.keys()].filter((id) => config.EXEMPT_USER_IDS.has(id)).length;
  const users = `At risk: ${levels}${exempt > 0 ? `, of whom ${exempt} exempt` : ''}.`;
  log.info(`${config.DRY_RUN ? 'Dry run: nothing was written' : done}. ${users}`, { added, removed, ...fields });
}
