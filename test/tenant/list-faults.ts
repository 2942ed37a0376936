/** Faults of Graph's lists: pages without an end, and answers of 200 that are none. */
import { usualRefusal } from './errors';
import { isRecord } from './exchange';
import { connecting, type Fault, rewrite } from './faults';

type Entry = Record<string, unknown>;
type List = Entry & { value: unknown[] };

const NEXT = '@odata.nextLink';
const isList = (body: unknown): body is List => isRecord(body) && Array.isArray(body['value']);

/**
 * Pages whose next links lead round for ever: a page to itself, or with a length of 2 or 3 the second or third to the
 * first (msgraph-sdk-dotnet#2108, maester#1112). A list that has fewer pages closes the circle with its last.
 */
export function circle(length = 1): Fault {
  const trails = new Map<string, string[]>();
  return connecting(async ({ process, call }) => {
    const answer = await process();
    if (!isList(answer.body)) return answer;
    const trail = trails.get(call.path) ?? [];
    if (!trail.includes(call.href)) trail.push(call.href);
    trails.set(call.path, trail);
    const onward = trail.indexOf(call.href) < length - 1 ? answer.body[NEXT] : undefined;
    return { ...answer, body: { ...answer.body, [NEXT]: onward ?? trail[0] } };
  });
}

/** After the first page ever new ones, each with the entries of the first, or with none. */
export function endless({ empty = false } = {}): Fault {
  const made = new Map<string, Entry>();
  return connecting(async ({ process, call }) => {
    const first = made.get(call.href);
    const answer = first ? { status: 200, headers: {}, body: first } : await process();
    if (!isList(answer.body)) return answer;
    const next = new URL(call.href);
    next.searchParams.set('$skiptoken', `endless${made.size + 1}`);
    const body = { ...answer.body, ...(empty ? { value: [] } : {}), [NEXT]: next.href };
    made.set(next.href, body);
    return { ...answer, body };
  });
}

/** A list that something else has been made of. */
const listed = (change: (list: List) => unknown): Fault => rewrite((body) => (isList(body) ? change(body) : body));

/**
 * Status 200 with an error in it, as OData allows a server that has begun to answer (odata-specs#1694,
 * microsoft-graph-explorer-v4#870): beside the entries, beside none, or alone.
 */
export const errorInside = (entries: 'whole' | 'none' | 'absent' = 'none'): Fault =>
  listed(({ value, [NEXT]: next, ...list }) => {
    const { code, message } = usualRefusal(500);
    const kept = { whole: { value, ...(next === undefined ? {} : { [NEXT]: next }) }, none: { value: [] }, absent: {} };
    return { ...list, ...kept[entries], error: { code, message } };
  });

/** Something else in the place of the entries; undefined: nothing. */
export const withValue = (value: unknown): Fault => listed((list) => ({ ...list, value }));

/** Each entry with something changed. */
export const altered = (change: (entry: Entry, index: number) => object): Fault =>
  listed(({ value, ...list }) => {
    const alter = (entry: unknown, index: number) => ({ ...Object(entry), ...change(Object(entry), index) });
    return { ...list, value: value.map(alter) };
  });

/** The first of the entries, or each, lacks a property (microsoft-graph-docs#12986: `@odata.type` of members). */
export const without = (property: string, which: 'first' | 'each' = 'first'): Fault =>
  altered((_, index) => (which === 'each' || index === 0 ? { [property]: undefined } : {}));

/** The entries of which the test holds are missing, and nothing tells (microsoft-graph-docs#14868: an incomplete lookup). */
export const lacking = (test: (entry: Entry) => boolean): Fault =>
  listed(({ value, ...list }) => ({ ...list, value: value.filter((entry) => !isRecord(entry) || !test(entry)) }));
