/** What an answer says, judged apart from the Worker: whether a page is whole, and who is at risk by what it holds. */
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';

export type Entry = Record<string, unknown>;

/** The level they are at risk at, or 'doubt' for one that is not high, medium or low. */
export type Standing = RiskLevel | 'doubt';
const ID = /^[\w-]{1,64}$/;
const SETTLED = ['none', 'confirmedSafe', 'remediated', 'dismissed'];

/** What one entry of riskyUsers says of somebody. */
export function standingOf(level: unknown, state: unknown, isDeleted: unknown): Standing | undefined {
  if (isDeleted === true || SETTLED.includes(String(state)) || level === 'none') return undefined;
  return RISK_LEVELS.find((one) => one === level) ?? 'doubt';
}

/** What riskyUsers says of everybody who is at risk or in doubt; addresses are in lower case. */
export type Reading = { standings: ReadonlyMap<string, Standing>; addresses: ReadonlyMap<string, string> };

/** Of somebody listed twice the higher level counts. */
export function readingOf(entries: readonly Entry[]): Reading {
  const standings = new Map<string, Standing>();
  const addresses = new Map<string, string>();
  const order = [...RISK_LEVELS, 'doubt', undefined];
  for (const { id, riskLevel, riskState, isDeleted, userPrincipalName: upn } of entries) {
    const user = String(id).toLowerCase();
    const standing = standingOf(riskLevel, riskState, isDeleted);
    if (standing && typeof upn === 'string') addresses.set(user, upn.toLowerCase());
    if (standing && order.indexOf(standing) < order.indexOf(standings.get(user))) standings.set(user, standing);
  }
  return { standings, addresses };
}

/** From when its first page was asked for until its last one was read. */
export type Listing = { path: string; query: string; entries: readonly Entry[]; startMs: number; endMs: number };

/** Puts the pages of Graph's lists together, and gives a list as soon as it is whole (I3). */
export function createListings(now: () => number) {
  const open = new Map<string, { entries: Entry[]; read: Set<string>; startMs: number; next: string | undefined }>();

  return (url: string, startMs: number, answer: Entry): Listing | undefined => {
    const { pathname, search, host } = new URL(url);
    const path = pathname.replace(/^\/v1\.0/, '');
    const begun = search.includes('skiptoken')
      ? undefined
      : { entries: [], read: new Set<string>(), startMs, next: undefined };
    const list = open.get(path)?.next === url ? open.get(path) : begun;
    open.delete(path);
    const { value, '@odata.nextLink': next } = answer;
    const entries = records(value);
    const isWhole = ({ id, '@odata.type': type, displayName: name }: Entry) =>
      typeof id === 'string' &&
      ID.test(id) &&
      (typeof type === 'string' || !path.endsWith('/members')) &&
      // Whom the permissions hide has a name of null; what is looked up by name must have one.
      (typeof name === 'string' || path !== '/groups' || search.includes('filter=id'));
    const hasError = Object.keys(answer).some((key) => /(^|[.@])error$/.test(key) && answer[key] !== null);
    if (!list || hasError || !Array.isArray(value) || entries.length < value.length || !entries.every(isWhole)) return;
    list.read.add(url);
    list.entries.push(...entries);
    if (next === undefined || next === null)
      return { ...list, path, query: decodeURIComponent(search.replaceAll('+', ' ')), endMs: now() };
    if (hostOf(next) === host && !list.read.has(String(next))) open.set(path, { ...list, next: String(next) });
    return undefined;
  };
}

const hostOf = (link: unknown) => (URL.canParse(String(link)) ? new URL(String(link)).host : undefined);

export function parse(text: unknown): Entry {
  try {
    return records([JSON.parse(String(text))])[0] ?? {};
  } catch {
    return {};
  }
}

export function records(value: unknown): Entry[] {
  const isRecord = (one: unknown): one is Entry => typeof one === 'object' && one !== null;
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
