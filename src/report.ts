/** The log: one line of JSON for each event, its sentence first, and the heartbeat after a run that ended well. */
import type { Deadline } from './http';
import type { Io } from './io';
import { TROUBLES, type TroubleDetails, type TroubleKey } from './trouble';

const IDS_PER_LINE = 100;
/** Workers keep 256 KB of log for a run (developers.cloudflare.com/workers/platform/limits). */
const ID_LINES_BYTES = { log: 140_000, warn: 25_000, error: 40_000 };
const HEARTBEAT_LIMIT_MILLISECONDS = 5_000;

type Severity = 'log' | 'warn' | 'error';
type Fields = Readonly<Record<string, unknown>>;

/** Where lines go; `console` in the Worker. */
export type Sink = Pick<Console, Severity>;

export interface Report {
  info(message: string, fields?: Fields): void;
  /** One line for each hundred users. */
  users(message: string, field: string, users: readonly string[], fields?: Fields): void;
  /** Something that needs a look. `ids` are named in it. */
  warn<Key extends TroubleKey>(
    key: Key,
    details: TroubleDetails[Key],
    fields?: Fields,
    ids?: readonly string[],
  ): void;
  /** Something that should be in step is not: the run will end as failed. */
  fail<Key extends TroubleKey>(
    key: Key,
    details: TroubleDetails[Key],
    fields?: Fields,
    ids?: readonly string[],
  ): void;
  /** The keys of what failed. */
  failures(): readonly TroubleKey[];
}

export function createReport(sink: Sink): Report {
  const failures: TroubleKey[] = [];
  const idBytesLeft = { ...ID_LINES_BYTES };

  function line(severity: Severity, message: string, fields: Fields): void {
    sink[severity](JSON.stringify({ message, ...fields }));
  }

  function withIds(
    severity: Severity,
    message: string,
    field: string,
    ids: readonly string[],
    fields: Fields,
  ): void {
    for (let start = 0; start < ids.length; start += IDS_PER_LINE) {
      const some = ids.slice(start, start + IDS_PER_LINE);
      idBytesLeft[severity] -= JSON.stringify(some).length + message.length;
      if (idBytesLeft[severity] < 0) {
        line(severity, message, {
          ...fields,
          idsNotShown: ids.length - start,
          why: 'the log of a run has its limit',
        });
        return;
      }
      line(severity, message, { ...fields, [field]: some });
    }
  }

  function trouble(
    severity: Severity,
    key: TroubleKey,
    message: string,
    fields: Fields,
    ids: readonly string[],
  ): void {
    if (ids.length > 0) withIds(severity, message, 'ids', ids, { trouble: key, ...fields });
    else line(severity, message, { trouble: key, ...fields });
  }

  return {
    info: (message, fields = {}) => line('log', message, fields),
    users: (message, field, users, fields = {}) => withIds('log', message, field, users, fields),
    warn: (key, details, fields = {}, ids = []) => trouble('warn', key, TROUBLES[key](details), fields, ids),
    fail(key, details, fields = {}, ids = []) {
      const message = TROUBLES[key](details);
      failures.push(key);
      trouble('error', key, message, fields, ids);
    },
    failures: () => failures,
  };
}

/**
 * One GET with a short time limit. The address is a secret, so neither it nor an error that could hold it is told.
 * Never throws: a heartbeat that fails is a warning.
 */
export async function sendHeartbeat(url: string, io: Io, deadline: Deadline, report: Report): Promise<void> {
  const abort = new AbortController();
  const timer = new AbortController();
  const limit = Math.min(HEARTBEAT_LIMIT_MILLISECONDS, deadline.leftMilliseconds());
  const timeIsUp = io.sleep(Math.max(0, limit), timer.signal).then(() => 'no answer in time');
  const ping = async () => {
    const response = await io.fetch(url, { method: 'GET', redirect: 'manual', signal: abort.signal });
    await response.body?.cancel();
    return response.ok ? undefined : `status ${response.status}`;
  };
  const reason = await Promise.race([ping().catch(() => 'no answer'), timeIsUp]);
  timer.abort();
  if (reason === undefined) return;
  abort.abort();
  report.warn('heartbeat-failed', { reason });
}
