/** Who is at risk, as Entra ID Protection says. */
import { attempt, type Context, type Risk } from '../context';
import { StepError } from '../errors';
import { readList } from '../graph/many';
import { assessRisk, type RiskReading } from '../plan';
import { objectIdOf } from './lookup';

/** One request a second for all apps of the tenant (learn.microsoft.com/graph/throttling-limits), and some air. */
const SPACING_MS = 1_050;
/** 500 is the most that riskyUsers gives at once (learn: riskyuser-list). */
const PATH = '/identityProtection/riskyUsers?$top=500&$select=id,riskLevel,riskState,isDeleted';
/** `or` is used widely, though not documented (facts of learn: riskyuser-list). */
const FILTER = `&$filter=${encodeURIComponent("riskState eq 'atRisk' or riskState eq 'confirmedCompromised'")}`;

/** The readings of one run, each a promise that all share. What fails is told once. They throw SignInError. */
export function readRisk({ graph, config, io, log, endMs }: Context): Risk {
  let nextMs = 0;
  const paceMs = () => {
    const waitMs = Math.max(0, nextMs - io.now());
    nextMs = io.now() + waitMs + SPACING_MS;
    return waitMs;
  };
  // Addresses are asked for only where they are needed (I10).
  const path = config.DESTINATIONS.has('lists') ? `${PATH},userPrincipalName` : PATH;
  const readings: RiskReading[] = [];
  let filter = FILTER;

  async function read(): Promise<RiskReading> {
    try {
      const reading = assessRisk(await readList(graph, path + filter, riskyUserOf, { untilMs: endMs, paceMs }));
      const inDoubt = [...reading.inDoubt].filter((user) => readings.every((one) => !one.inDoubt.has(user)));
      if (inDoubt.length > 0) log.warn('in-doubt', { count: inDoubt.length }, inDoubt);
      readings.push(reading);
      return reading;
    } catch (error) {
      // On a later page it is no refused filter (microsoft-graph-docs#16332).
      const { status, page } = error instanceof StepError ? error.trace : {};
      if (status !== 400 || page !== 1 || filter === '') throw error;
      filter = '';
      log.warn('filter-refused', undefined);
      return read();
    }
  }

  const readOr = (event: 'risky-users-unread' | 'second-reading-failed') =>
    attempt(read(), (error) => log.fail(event, { error }));
  let second: Risk['first'] | undefined;
  return {
    first: readOr('risky-users-unread'),
    second: () => (second ??= readOr('second-reading-failed')),
    readings,
  };
}

function riskyUserOf(entry: Readonly<Record<string, unknown>>) {
  const id = objectIdOf(entry['id']);
  return id === undefined ? undefined : { ...entry, id };
}
