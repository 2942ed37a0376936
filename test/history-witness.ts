/** Watches what one run sends and is answered, and judges each write by what that run can know. */
import type { Io } from '../src/io';
import { RISK_LEVELS, type RiskLevel } from '../src/plan';

/** The level he is at risk at, or 'doubt' for one that is not high, medium or low. */
export type Standing = RiskLevel | 'doubt';

export interface Witness {
  fetch: Io['fetch'];
  /** Everything that the run should not have sent. */
  wrong: string[];
  /** Tokens that the run was given. */
  tokens: string[];
}

interface Known {
  /** The level that a group is kept for. */
  levelOf(groupId: string): RiskLevel | undefined;
  exempt: ReadonlySet<string>;
  now(): number;
}

interface Sent {
  method: string;
  /** Without host, version and query. */
  path: string;
  firstPage: boolean;
  body: { [name: string]: unknown };
}

const ID = /^[\w-]{1,64}$/;
const SETTLED = ['none', 'confirmedSafe', 'remediated', 'dismissed'];

/** What one entry of riskyUsers says of somebody. */
export function standingOf(level: unknown, state: unknown, isDeleted: unknown): Standing | undefined {
  if (isDeleted === true || SETTLED.includes(String(state)) || level === 'none') return undefined;
  return RISK_LEVELS.find((one) => one === level) ?? 'doubt';
}

export function witness(inner: Io['fetch'], { levelOf, exempt, now }: Known): Witness {
  const wrong: string[] = [];
  const tokens: string[] = [];
  /** Each whole reading of the risky users. */
  const readings: Map<string, Standing>[] = [];
  /** Who was read in a group or was added to it with 204, and the latter alone. */
  const members = new Map<string, Set<string>>();
  const joined = new Map<string, Set<string>>();
  /** Groups that this run made. */
  const created = new Set<string>();
  const open = new Map<string, Record<string, unknown>[]>();
  /** Until when a write, or a part of a batch, was asked to stay away. */
  const away = new Map<string, number>();

  function judgeLeave(path: string): void {
    const [, group = '', user = ''] = /^\/groups\/([^/]+)\/members\/([^/]+)\/\$ref$/.exec(path) ?? [];
    const level = levelOf(group);
    if (!level || !ID.test(user)) return void wrong.push(`I5: DELETE ${path}`);
    const note = (why: string) => wrong.push(`DELETE ${path}, ${why}`);
    const [first, second] = readings;
    const standing = first?.get(user);
    if (exempt.has(user)) note('I5: he is exempt');
    if (!members.get(group)?.has(user)) note('I3: he was not read there');
    if (standing === 'doubt') note('I3: he is in doubt');
    else if (standing === level) note('I4: he is at risk at this level');
    else if (standing !== undefined && !isKnownIn(standing, user))
      note(`I4: he is not known to be in ${standing}`);
    if (standing === undefined && (!second || second.has(user)))
      note('I3: no second reading confirms that he departs');
  }

  /** On-demand provisioning is for those whom this run added to a group that others can have assigned. */
  function judgeOffer(body: Sent['body']): void {
    for (const { subjects } of records(body['parameters'])) {
      for (const { objectId, links } of records(subjects)) {
        const group = String(objectId);
        const users = records(Object(links)['members']).map(({ objectId: user }) => String(user));
        if (!levelOf(group) || created.has(group)) wrong.push(`I5: offered members of ${group}`);
        const others = users.filter((user) => !joined.get(group)?.has(user));
        if (others.length > 0) wrong.push(`offered ${others}, whom it did not add to ${group}`);
      }
    }
  }

  const isKnownIn = (level: RiskLevel, user: string) =>
    [...members].some(([group, users]) => levelOf(group) === level && users.has(user));

  function before({ method, path, body }: Sent): void {
    if (method === 'GET' || path === '/token') return;
    if (readings.length === 0) wrong.push(`I3: ${method} ${path} before the risky users were read`);
    if (method === 'DELETE') wrong.push(`I5: a bare DELETE ${path}`);
    if (path.endsWith('/provisionOnDemand')) judgeOffer(body);
    for (const part of records(body['requests'])) {
      if (part['method'] === 'DELETE') judgeLeave(String(part['url']));
      if (now() < (away.get(keyOf(part)) ?? 0)) wrong.push(`I8: before Retry-After was over: ${keyOf(part)}`);
    }
  }

  function after({ method, path, firstPage, body }: Sent, { status, headers }: Response, text: string): void {
    const answer = parse(text);
    away.set(keyOf({ method, url: path, body }), now() + Number(headers.get('retry-after') ?? 0) * 1_000);
    if (path === '/token') tokens.push(...[answer['access_token']].filter((one) => typeof one === 'string'));
    if (method === 'GET' && status === 200) readPage(path, firstPage, answer);
    if (path === '/groups' && status === 201) created.add(String(answer['id']));
    if (method === 'PATCH' && status === 204)
      for (const bind of [body['members@odata.bind']].flat()) added(path, bind, joined, members);
    const parts = records(body['requests']);
    for (const { id, status: of, headers: more } of records(answer['responses'])) {
      const part = parts.find((one) => one['id'] === id);
      const seconds = Number(Object(more)['Retry-After'] ?? 0);
      if (part) away.set(keyOf(part), now() + seconds * 1_000);
      if (part && of === 204 && part['method'] === 'POST')
        added(String(part['url']), Object.values(Object(part['body']))[0], joined, members);
    }
  }

  function added(path: string, bind: unknown, ...lists: (typeof members)[]): void {
    const group = path.split('/')[2] ?? '';
    for (const list of lists)
      list.set(group, (list.get(group) ?? new Set()).add(String(bind).split('/').at(-1) ?? ''));
  }

  function readPage(path: string, firstPage: boolean, answer: Sent['body']): void {
    if (firstPage) open.set(path, []);
    const entries = open.get(path);
    const value = answer['value'];
    const usable =
      Array.isArray(value) &&
      records(value).length === value.length &&
      records(value).every(({ id }) => ID.test(String(id)));
    if (!entries || !usable) return void open.delete(path);
    entries.push(...records(value));
    if (answer['@odata.nextLink'] !== undefined) return;
    open.delete(path);
    if (path === '/identityProtection/riskyUsers') readings.push(reading(entries));
    const [, group] = /^\/groups\/([^/]+)\/members$/.exec(path) ?? [];
    for (const { id, '@odata.type': type } of group ? entries : [])
      if (type === '#microsoft.graph.user') added(path, id, members);
  }

  return {
    wrong,
    tokens,
    async fetch(url, init) {
      const sent = toSent(url, init);
      before(sent);
      const response = await inner(url, init);
      const text = response.text.bind(response);
      const watched = async () => {
        const body = await text();
        after(sent, response, body);
        return body;
      };
      return Object.assign(response, { text: watched });
    },
  };
}

function reading(entries: readonly Record<string, unknown>[]): Map<string, Standing> {
  const standings = new Map<string, Standing>();
  const order = [...RISK_LEVELS, 'doubt', undefined];
  for (const { id, riskLevel, riskState, isDeleted } of entries) {
    const user = String(id).toLowerCase();
    const standing = standingOf(riskLevel, riskState, isDeleted);
    if (standing && order.indexOf(standing) < order.indexOf(standings.get(user)))
      standings.set(user, standing);
  }
  return standings;
}

function toSent(url: string, init: RequestInit): Sent {
  const { pathname, search } = new URL(url);
  return {
    method: init.method ?? 'GET',
    path: pathname.endsWith('/oauth2/v2.0/token') ? '/token' : pathname.replace(/^\/v1\.0/, ''),
    firstPage: !search.includes('skiptoken'),
    body: parse(init.body),
  };
}

const keyOf = ({ method, url, body }: Record<string, unknown>) => JSON.stringify([method, url, body]);

function parse(text: unknown): Record<string, unknown> {
  try {
    return records([JSON.parse(String(text))])[0] ?? {};
  } catch {
    return {};
  }
}

function records(value: unknown): Record<string, unknown>[] {
  const isRecord = (one: unknown): one is Record<string, unknown> => typeof one === 'object' && one !== null;
  return Array.isArray(value) ? value.filter(isRecord) : [];
}
