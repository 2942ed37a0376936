/** The log: one line of JSON for each event, its sentence first. */
import type { StepError, Trace } from '../errors';
import { EVENTS, type EventDetails, type EventName, type Verb } from './events';

const IDS_PER_LINE = 100;
const IDS_PER_EVENT = 500;
/** Of a run, so that its lines fit into the 256 KB that Workers keep (developers.cloudflare.com/workers/platform/limits). */
const IDS_PER_RUN = { log: 3_000, warn: 500, error: 1_500 };

type Severity = 'log' | 'warn' | 'error';
type Fields = Readonly<Record<string, unknown>>;

/** Where lines go; `console` in the Worker. */
export type Sink = Pick<Console, Severity>;

/** Tells an event, with what an `error` or `id` among the details says as fields. `ids` are named in it. */
type Tell = <Name extends EventName>(name: Name, details: EventDetails[Name], ids?: readonly string[]) => void;

export type Refused = { user: string; error: StepError };

export interface Log {
  info(message: string, fields?: Fields): void;
  /** Users that something was done with, in the field of that name; nothing for nobody. */
  users(message: string, field: string, users: readonly string[]): void;
  /** Something that needs a look. */
  warn: Tell;
  /** Something that should be in sync is not: the run will end as failed. */
  fail: Tell;
  /** Whom a change did not reach: one event for each reason. `isAboutThem`: a refusal is of these users, not of all. */
  refused(verb: Verb, what: string, refused: readonly Refused[], isAboutThem: boolean): void;
  /** The names of what failed. */
  failures(): readonly EventName[];
  /** The same log, with these fields in every line. */
  with(fields: Fields): Log;
}

/** The log of one run. */
export function createLog(sink: Sink): Log {
  const failures = new Set<EventName>();
  const idsLeft = { ...IDS_PER_RUN };

  /** One line, or with ids as many as they need. */
  function write(severity: Severity, message: string, fields: Fields, ids: readonly string[] = [], field = 'ids') {
    const line = (more: Fields) => sink[severity](JSON.stringify({ message, ...fields, ...more }));
    const shown = ids.slice(0, Math.min(IDS_PER_EVENT, idsLeft[severity]));
    idsLeft[severity] -= shown.length;
    for (let start = 0; start < shown.length; start += IDS_PER_LINE)
      line({ [field]: shown.slice(start, start + IDS_PER_LINE) });
    if (shown.length < ids.length) line({ idsNotShown: ids.length - shown.length });
    if (ids.length === 0) line({});
  }

  function logWith(always: Fields): Log {
    const tell = (severity: 'warn' | 'error'): Tell => {
      return (name, details, ids) => {
        if (severity === 'error') failures.add(name);
        write(severity, EVENTS[name](details), { event: name, ...always, ...fieldsOf(details) }, ids);
      };
    };
    const fail = tell('error');
    return {
      info: (message, fields) => write('log', message, { ...always, ...fields }),
      users: (message, field, users) => users.length > 0 && write('log', message, always, users, field),
      warn: tell('warn'),
      fail,
      refused(verb, what, refused, isAboutThem) {
        const reasonOf = ({ error: { trace, message } }: Refused) => `${trace.cause} ${message}`;
        for (const [reason, error] of new Map(refused.map((one) => [reasonOf(one), one.error]))) {
          const ids = [...new Set(refused.filter((one) => reasonOf(one) === reason).map(({ user }) => user))];
          fail(`${verb}-failed`, { what, count: ids.length, error, isAboutThem }, ids);
        }
      },
      failures: () => [...failures],
      with: (fields) => logWith({ ...always, ...fields }),
    };
  }
  return logWith({});
}

function fieldsOf(details: object | undefined): Fields {
  const { id, error }: { id?: string; error?: { trace: Trace } } = details ?? {};
  const { status = 0, code, requestId } = error?.trace ?? {};
  return { ...(id && { id }), ...(status > 0 && { status, code, 'request-id': requestId }) };
}
