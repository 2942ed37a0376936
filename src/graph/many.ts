/** What takes more than one answer of Graph: all pages of a list, and up to twenty requests sent as one. */
import { StepError } from '../errors';
import { noResponse } from '../http/http';
import { RETRY, retryWaitMs } from '../http/retry';
import type { Io } from '../io';
import { type Graph, type GraphOptions, type GraphRequest, type GraphResponse, understand, urlOf } from './graph';

/** A server may notice after it has begun to answer that it cannot (OASIS odata-specs#1694). */
const ERROR_KEY = /(^|[.@])error$/i;
const NEXT_KEY = /(^|[.@])nextLink$/i;
/** A page may be empty (concepts/paging.md); so many in a row that bring nothing new have no end. */
const MOST_IDLE_PAGES = 3;
/** learn.microsoft.com/graph/json-batching */
export const BATCH_PARTS = 20;
/** Of a minority of a batch that is not throttled, because the next batch waits meanwhile (I6). */
const MINORITY_ATTEMPTS = 3;
const JSON_TYPE = { 'Content-Type': 'application/json' };

type Id = { id: string };
type Fields = Readonly<Record<string, unknown>>;
/** What is needed of an item; undefined if that is not there. */
export type Parse<Item> = (item: Fields) => Item | undefined;

/**
 * The items of all pages. Throws StepError unless each is a 200 with a `value` array of whole items and no error in it
 * (I3), and no next link comes twice or leads elsewhere; SignInError.
 */
export async function readList<Item extends Id>(graph: Graph, path: string, parse: Parse<Item>, options: GraphOptions) {
  const pages: Item[][] = [];
  const ids = new Set<string>();
  const seen = new Set<string>();
  let idle = 0;
  for (let next: unknown = path; typeof next === 'string'; ) {
    seen.add(urlOf(graph.origin, next));
    const { trace, status, body } = await graph.send({ method: 'GET', path: next }, options);
    if (status !== 200) throw new StepError({ ...trace, page: seen.size });
    const page = recordOf(body);
    const parsed = itemsOf(soundArray(page, 'value'), parse);
    next = page[Object.keys(page).find((key) => NEXT_KEY.test(key) && page[key] !== null) ?? ''];
    const isLink = next === undefined || (typeof next === 'string' && URL.canParse(next));
    if (parsed === undefined || !isLink)
      throw new StepError(trace, 'Graph answered 200 with something that is not the whole list');
    const before = ids.size;
    for (const { id } of parsed) ids.add(id);
    pages.push(parsed);
    idle = ids.size === before ? idle + 1 : 0;
    if (seen.has(String(next)) || (next !== undefined && idle > MOST_IDLE_PAGES))
      throw new StepError({ service: 'Graph', status: 200 }, 'its next links lead in a circle or to nothing new');
  }
  return pages.flat();
}

/**
 * Sends at most 20 requests as one, and each part again as the rule of retries says. Gives the last response of each,
 * in order; where the whole was refused, that is the response of every part. Throws SignInError.
 */
export async function sendBatch(graph: Graph, io: Io, parts: readonly GraphRequest[], options: GraphOptions) {
  const last: GraphResponse[] = [];
  let open = [...parts.entries()];
  for (let attempts = 1; open.length > 0; attempts += 1) {
    const requests = open.map(([index, { path: url, body, ...part }]) => {
      return { id: String(index), ...part, url, ...(body !== undefined && { body, headers: JSON_TYPE }) };
    });
    const whole = await graph.send({ method: 'POST', path: '/$batch', body: { requests } }, options);
    const responses = whole.status >= 200 && whole.status < 300 ? responsesOf(whole.body) : undefined;
    if (whole.status === 404) whole.trace.cause = 'not found'; // Which says nothing of a part.
    let longestMs = 0;
    const isMinority = open.length * 2 <= parts.length;
    open = open.filter(([index]) => {
      const response = responses ? (responses.get(String(index)) ?? understand(noResponse('no answer'))) : whole;
      last[index] = response;
      if (response.status === 401 || response.status === 403) graph.forgetToken();
      const most = isMinority && response.status !== 429 ? MINORITY_ATTEMPTS : RETRY.attempts;
      const waitMs = retryWaitMs({ ...response, attempts, nowMs: io.now(), random: io.random() }, { attempts: most });
      // The whole has been sent again already; and who would have to wait too long keeps nobody else waiting.
      if (!responses || waitMs === undefined || io.now() + waitMs >= options.untilMs) return false;
      longestMs = Math.max(longestMs, waitMs);
      return true;
    });
    // Stryker disable next-line ConditionalExpression,EqualityOperator: to sleep for 0 ms changes nothing.
    if (open.length > 0) await io.sleep(longestMs);
  }
  return last;
}

function responsesOf(body: unknown): Map<unknown, GraphResponse> {
  const responseOf = ({ status, headers, body: own }: Fields) => {
    const lower = new Map(Object.entries(recordOf(headers)).map(([key, value]) => [key.toLowerCase(), String(value)]));
    return understand({ status: Number(status) || 0, header: (name) => lower.get(name), body: own });
  };
  const all = soundArray(recordOf(body), 'responses')?.map(recordOf) ?? [];
  const byId = new Map(all.map((one) => [one['id'], responseOf(one)]));
  // Two answers to one part contradict each other.
  return byId.size < all.length ? new Map() : byId;
}

/** What is needed of each item of an array, in one pass; undefined if there is none, or if an item lacks it. */
export function itemsOf<Item>(value: unknown, parse: Parse<Item>): Item[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items = value.flatMap((item) => parse(recordOf(item)) ?? []);
  return items.length === value.length ? items : undefined;
}

/** The array of that name, undefined if there is none, or an error beside it. */
export function soundArray(page: Fields, name: string): unknown[] | undefined {
  const hasError = Object.keys(page).some((key) => ERROR_KEY.test(key) && page[key] !== null);
  return !hasError && Array.isArray(page[name]) ? page[name] : undefined;
}

/** What an object holds, unchecked; of anything else nothing. */
export function recordOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}
