/** Watches what one run sends and is answered, and has each write judged by what that run can know. */
import type { Io } from '../../src/io';
import { CLOUDFLARE_HOST } from '../tenant/cloudflare/cloudflare';
import { type GroupsKnown, watchGroups } from './groups-witness';
import { watchLists } from './lists-witness';
import { createListings, type Entry, parse, type Reading, readingOf, records } from './reading';

/** `path`: without host, version, account and query. */
export type Sent = { method: string; url: string; path: string; body: Entry };
export type Answered = { status: number; headers: Headers; body: Entry };

/** What each destination is judged by. */
export interface Judge {
  /** Everything that the run should not have sent. */
  wrong: string[];
  /** Each whole reading of the risky users. */
  readings: Reading[];
  exempt: ReadonlySet<string>;
  maxRemovals: number;
  now(): number;
}

/** "LEVEL USER" of each who was added or removed, as far as the run can know; `open`: of whom it cannot be sure. */
export type Done = { [which in 'added' | 'removed' | 'open']: readonly string[] };
export type Known = GroupsKnown & Pick<Judge, 'exempt' | 'maxRemovals' | 'now'>;

/** Half of the first backoff of a second: what a retry waits at least, whatever Retry-After says. */
const LEAST_BACKOFF_MS = 500;

export function witness(inner: Io['fetch'], known: Known) {
  const { now } = known;
  const wrong: string[] = [];
  const tokens: string[] = [];
  const readings: Reading[] = [];
  const judge = { ...known, wrong, readings };
  const groups = watchGroups(judge, known);
  const lists = watchLists(judge, known.isolate);
  const listing = createListings(now);
  /** Until when a request, or a part of a batch, was asked to stay away, and when it has failed. */
  const away = new Map<string, number>();
  const failedAt = new Map<string, number>();

  function judgePause(request: Entry): void {
    const key = keyOf(request);
    // What the last step gave up to read, the next one may need.
    const isRead = request['method'] === 'GET' && !String(request['url']).endsWith('/riskyUsers');
    if (!isRead && now() < (away.get(key) ?? 0)) wrong.push(`I8: before Retry-After was over: ${key}`);
    if (!isRead && now() < (failedAt.get(key) ?? 0) + LEAST_BACKOFF_MS) wrong.push(`I8: again at once: ${key}`);
    failedAt.delete(key);
  }

  function notePause(request: Entry, status: number, retryAfter: unknown): void {
    const key = keyOf(request);
    away.set(key, pauseEnd(retryAfter, now()));
    if (status === 0 || status === 408 || status === 429 || status >= 500) failedAt.set(key, now());
  }

  function before(sent: Sent): void {
    const { method, path, body } = sent;
    judgePause({ method, url: path, body });
    if (method === 'GET' || path === '/token') return;
    if (readings.length === 0) wrong.push(`I3: ${method} ${path} before the risky users were read`);
    for (const part of records(body['requests'])) judgePause(part);
    if (isOfLists(sent)) lists.before(sent);
    else groups.before(sent);
  }

  function after(sent: Sent, startMs: number, answered: Answered): void {
    const { method, path, url, body } = sent;
    const { status, headers, body: answer } = answered;
    notePause({ method, url: path, body }, status, headers.get('retry-after'));
    if (isOfLists(sent)) return void lists.after(sent, startMs, answered);
    // With an error beside them they are no answers.
    for (const { id, status: own, headers: more } of answer['error'] ? [] : records(answer['responses'])) {
      const part = records(body['requests']).find((one) => one['id'] === id);
      if (part) notePause(part, Number(own), Object(more)['Retry-After']);
    }
    if (path === '/token' && typeof answer['access_token'] === 'string') tokens.push(answer['access_token']);
    groups.after(sent, answered);
    const list = method === 'GET' && status === 200 ? listing(url, startMs, answer) : undefined;
    if (list?.path === '/identityProtection/riskyUsers') readings.push(readingOf(list.entries));
    else if (list) groups.read(list);
  }

  async function fetch(url: string, init: RequestInit): Promise<Response> {
    const sent = toSent(url, init);
    const startMs = now();
    before(sent);
    const lost = (error: unknown) => {
      notePause({ ...sent, url: sent.path }, 0, undefined);
      throw error;
    };
    const response = await inner(url, init).catch(lost);
    const text = response.text.bind(response);
    const watched = async () => {
      const body = await text().catch(lost);
      after(sent, startMs, { status: response.status, headers: response.headers, body: parse(body) });
      return body;
    };
    return Object.assign(response, { text: watched });
  }

  return { wrong, tokens, fetch, groups: groups.done, lists: lists.done, unsure: groups.unsure };
}

function pauseEnd(retryAfter: unknown, nowMs: number): number {
  const text = String(retryAfter ?? 0);
  return /^[\d.]+$/.test(text) ? nowMs + Number(text) * 1_000 : Date.parse(text);
}

function toSent(url: string, init: RequestInit): Sent {
  const { pathname } = new URL(url);
  const path = pathname.replace(/^\/v1\.0|^\/client\/v4\/accounts\/\w+\/gateway/, '');
  const isToken = pathname.endsWith('/oauth2/v2.0/token');
  return { method: init.method ?? 'GET', url, path: isToken ? '/token' : path, body: parse(init.body) };
}

const isOfLists = ({ url }: Sent) => new URL(url).host === CLOUDFLARE_HOST;
export const keyOf = ({ method, url, body }: Entry) => JSON.stringify([method, url, body]);
