/** The lists of Cloudflare Zero Trust: one request done well, and what must be read whole or not at all (I3). */
import * as v from 'valibot';
import type { Config } from '../config/config';
import { type Context, type Finding, type Findings, nameOf, partMs } from '../context';
import { StepError, type Trace } from '../errors';
import { headersWith, parserOf, plain } from '../graph/graph';
import { itemsOf, type Parse } from '../graph/many';
import type { Http, SendOptions } from '../http/http';
import { RISK_LEVELS, type RiskLevel } from '../plan';
import { type Entry, entryOf } from './entries';

const API = 'https://api.cloudflare.com/client/v4';
/** Used and answered in public code; neither default nor maximum is documented. */
const PAGE_ENTRIES = 1_000;

/** What a refusal means; the codes come with 400, 401 and 403 (observed: terraform-provider-cloudflare#1533). */
const CAUSES: readonly (readonly [cause: string, codes: readonly number[], status?: number])[] = [
  ['token refused', [6003, 6111, 9106, 9109], 401],
  ['not permitted', [10000], 403],
  ['no account', [7000, 7003]],
];

const number = v.optional(v.number());
const text = v.string();
const orNone = v.nullish(text, '');
/** Shapes of the official client, `cloudflare` 7.3.0; a refused item has no code (observed). */
const envelopeOf = parserOf(
  v.object({
    success: v.boolean(),
    errors: v.nullish(v.array(v.object({ code: number })), []),
    result: v.optional(v.unknown()),
    result_info: v.nullish(v.object({ total_count: number })),
  }),
);
const id = v.pipe(text, v.regex(/^[0-9A-Za-z-]{1,64}$/));
export const List = v.object({ id, name: text, type: text, count: number, description: orNone, created_at: orNone });
export type List = v.InferOutput<typeof List>;
export const listOf = parserOf(List);

/** Sends to a path below `/gateway/lists`. Never throws. */
export type Cloudflare = ReturnType<typeof createCloudflare>;
/** `isSuccess` tells whether it says in every way that it is a success. */
type Answer = Awaited<ReturnType<Cloudflare>>;

/** The lists of one account, for one run. */
export function createCloudflare(config: Config, http: Http) {
  const base = `${API}/accounts/${config.CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID}/gateway/lists`;
  const headers = headersWith(String(config.CLOUDFLARE_ZERO_TRUST_API_TOKEN));
  // No PUT: it would replace all entries.
  return async (method: 'GET' | 'POST' | 'PATCH', path: string, options: SendOptions, body?: unknown) => {
    const response = await http.send({ method, url: base + path, headers, body }, options);
    const envelope = envelopeOf(response.body);
    const { success, errors = [], result, result_info } = envelope ?? {};
    const { status, missing } = response;
    const codes = errors.flatMap(({ code }) => code ?? []);
    // Stryker disable next-line ConditionalExpression,EqualityOperator: no body comes with a status below 200.
    const isOk = status >= 200 && status < 300;
    const known = CAUSES.find(([, some, alone]) => status === alone || codes.some((code) => some.includes(code)));
    const cause = missing ?? known?.[0] ?? (isOk && !envelope ? 'no answer' : undefined);
    // Its texts may name addresses: only its codes are told.
    const told = { code: plain(codes.join('.')), requestId: plain(response.header('cf-ray')) };
    const isSuccess = isOk && success === true && errors.length === 0;
    const trace: Trace = { service: 'Cloudflare', status, ...told, cause };
    return { isSuccess, result, total: result_info?.total_count, retryAfter: response.header('retry-after'), trace };
  };
}

/** What makes a list recognizable as ours whatever its name: it stands in its description. */
export const markOf = (level: RiskLevel): string => `risky-users:${level}`;

/** The e-mail lists of the account. Throws StepError unless the answer is whole. */
export async function readLists(cloudflare: Cloudflare, context: Context): Promise<List[]> {
  const response = await cloudflare('GET', '?type=EMAIL', { untilMs: partMs(context) });
  const lists = resultOf(response, listOf);
  if (new Set(lists.map((one) => one.id)).size !== (response.total ?? lists.length)) throw notWhole(response);
  return lists.filter(({ type }) => type === 'EMAIL');
}

/** Which of them is ours, for each level. */
export function judgeLists(lists: readonly List[]): Findings<List> {
  const madeMs = ({ created_at }: List) => Date.parse(created_at) || Number.MAX_VALUE;
  // Stryker disable next-line EqualityOperator,ConditionalExpression: an answer with one id twice is not whole.
  const oldestFirst = [...lists].sort((a, b) => madeMs(a) - madeMs(b) || (a.id < b.id ? -1 : 1));
  const judge = (level: RiskLevel): Finding<List> => {
    const what = nameOf(level);
    const renamed = oldestFirst.find(({ name, description }) => name !== what && description.includes(markOf(level)));
    // Policies refer to lists by id.
    if (renamed) return { kind: 'unusable', tell: (log) => log.fail('list-renamed', { what, id: renamed.id }) };
    const named = oldestFirst.filter(({ name }) => name === what);
    const ids = named.map((one) => one.id);
    if (ids.length > 1 && named.some((one) => madeMs(one) === Number.MAX_VALUE))
      return { kind: 'unusable', tell: (log) => log.fail('name-unclear', { what }, ids) };
    return named[0] ? { kind: 'found', it: named[0], others: ids.slice(1) } : { kind: 'none' };
  };
  return new Map(RISK_LEVELS.map((level) => [level, judge(level)]));
}

/** All entries of a list of which a lookup has just said how many it has. Throws StepError unless it is whole. */
export async function readEntries(cloudflare: Cloudflare, context: Context, list: List): Promise<Entry[]> {
  const untilMs = partMs(context);
  const entries = new Map<string, Entry>();
  for (let page = 1; ; page += 1) {
    const path = `/${list.id}/items?page=${page}&per_page=${PAGE_ENTRIES}`;
    const response = await cloudflare('GET', path, { untilMs });
    const total = response.total ?? list.count;
    const before = entries.size;
    for (const entry of resultOf(response, itemOf)) entries.set(entry.value, entry);
    // Neither another number than the lookup promised, nor a page that brings nothing new.
    if (total !== (list.count ?? total)) throw notWhole(response);
    if (entries.size === total) return [...entries.values()];
    if (entries.size === before) throw notWhole(response);
  }
}

function itemOf({ value, description }: Readonly<Record<string, unknown>>): Entry | undefined {
  const text = description ?? '';
  return typeof value === 'string' && typeof text === 'string' ? entryOf(value, text) : undefined;
}

/** An array, or null where there is nothing. */
function resultOf<Item>(response: Answer, parse: Parse<Item>): Item[] {
  if (!response.isSuccess) throw new StepError(response.trace);
  const items = response.result === null ? [] : itemsOf(response.result, parse);
  if (items) return items;
  throw notWhole(response);
}

function notWhole({ trace }: Answer): StepError {
  return new StepError(trace, 'Cloudflare answered with something that is not the whole list');
}
