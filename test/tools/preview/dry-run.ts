/** One dry run of the Worker with somebody's settings: what it logged, and what it was told. */
import * as v from 'valibot';
import { assessRisk, type RiskLevel } from '../../../src/plan';
import { parseJson } from '../../tenant/exchange';
import type { Fetch } from '../../tenant/front-door';
import { startBundle } from '../bundle';
import type { Line } from './chain';
import { inFile } from './settings';

export const READ_RISK_FIRST = 'The risky users must be read first.';
/** Warnings of what the settings chose, or of what harms nobody. */
const CALM = ['setting-unused', 'filter-refused', 'readings-differ', 'releases-held', 'not-listable'];
/** Of the events that no destination has; all others but `setting-unused` are of the sign-in. */
const OF_PROTECTION = 'risky-users-unread second-reading-failed readings-differ filter-refused in-doubt'.split(' ');

/** Ids; in the last line of a run counts have these names. */
const Ids = v.optional(v.fallback(v.array(v.string()), []), []);
const LogLine = v.object({
  ...{ message: v.string(), event: v.optional(v.string(), ''), level: v.optional(v.string()) },
  destination: v.optional(v.picklist(['groups', 'lists'])),
  ...{ ids: Ids, added: Ids, removed: Ids, idsNotShown: v.optional(v.number(), 0) },
});
const TokenAnswer = v.object({ access_token: v.string() });
const Claims = v.object({ roles: v.optional(v.array(v.string()), []) });
const Page = v.object({ value: v.array(v.looseObject({ id: v.pipe(v.string(), v.toLowerCase()) })) });

/** Runs the Worker once with these bindings, all of its requests answered by `fetch`; gives its log. */
export async function inWorkerd(env: Record<string, string>, cron: string, fetch: Fetch) {
  const bundle = await startBundle(env, fetch);
  const { lines } = await bundle.run({ cron }).finally(() => bundle.dispose());
  return lines;
}

export type DryRun = Awaited<ReturnType<typeof dryRun>>;

/** Forces DRY_RUN; the Worker then writes nothing. */
export async function dryRun(env: Record<string, string>, cron: string, fetch: Fetch, runWorker: typeof inWorkerd) {
  let token: string | undefined;
  const pages = new Map<string, v.InferOutput<typeof Page>['value']>();
  const lines = await runWorker({ ...env, DRY_RUN: 'true' }, cron, async (input, init) => {
    const response = await fetch(input, init);
    const body = parseJson(await response.clone().text());
    const path = new URL(String(input)).pathname.replace('/v1.0', '');
    if (v.is(TokenAnswer, body)) token ??= body.access_token;
    const page = v.safeParse(Page, body);
    if (page.success) pages.set(path, [...(pages.get(path) ?? []), ...page.output.value]);
    return response;
  });
  const log = lines.map(({ level: severity, text }) => {
    const line = v.parse(LogLine, parseJson(text));
    const isCalm = severity === 'log' || (severity === 'warn' && CALM.includes(line.event));
    return { severity, isCalm, ...line };
  });
  const [, counts] = log.flatMap(({ message }) => /^Dry run: nothing was written\. (At risk: .*)$/.exec(message) ?? []);
  const claims = v.safeParse(Claims, parseJson(Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString()));
  return {
    ...{ log, pages, isSignedIn: token !== undefined },
    /** Of the access token; undefined if it cannot be read. */
    roles: claims.success ? claims.output.roles : undefined,
    /** Undefined if they could not be read: how many users are at risk as the last line tells it, and who they are. */
    ...{ counts, risk: counts ? assessRisk(pages.get('/identityProtection/riskyUsers') ?? []) : undefined },
  };
}

/** Each warning and error of the Worker, how many users are at risk, and whether it was signed in. */
export function runLines({ log, counts, isSignedIn }: DryRun, file: string): Line[] {
  const said = log.filter(({ severity }) => severity !== 'log');
  const lines = said.map(({ isCalm, event, destination, message, ids }): Line => {
    const others = event === 'setting-unused' ? 'settings' : 'sign-in';
    const link = OF_PROTECTION.includes(event) ? 'Entra ID Protection' : (destination ?? others);
    return [link, `${isCalm ? 'ok' : '!!'} ${inFile(message, file)}${named(ids)}`];
  });
  if (counts) lines.unshift(['Entra ID Protection', `ok The risky users were read. ${counts}`]);
  return isSignedIn ? [...lines, ['sign-in', 'ok Entra signs the Worker in.']] : lines;
}

export const named = (ids: readonly string[]) => (ids.length === 0 ? '' : ` (${ids.join(', ')})`);

/** How many users would be added and removed; undefined if there was no plan, 'failed' if the log has said why. */
export function changesAt({ log, risk }: DryRun, destination: string, level: RiskLevel) {
  const own = log.filter((line) => line.destination === destination && line.level === level);
  if (own.some(({ severity }) => severity === 'error')) return 'failed';
  const sum = (word: 'add' | 'remove') =>
    own
      .filter(({ message }) => message.startsWith(`Dry run: would ${word} `))
      .reduce((count, { added, removed, idsNotShown }) => count + added.length + removed.length + idsNotShown, 0);
  return risk && { added: sum('add'), removed: sum('remove') };
}
