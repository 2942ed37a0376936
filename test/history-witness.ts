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
  /** "LEVEL USER" of each who was added, or removed, with 204. */
  joined: string[];
  left: string[];
  /** Who was answered 400 or 404 when he was to join or leave: that may be true or not. */
  unsure: Set<string>;
}

interface Known {
  /** The level that a group is kept for. */
  levelOf(groupId: string): RiskLevel | undefined;
  exempt: ReadonlySet<string>;
  pinned: boolean;
  maxRemovals: number;
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

export function witness(inner: Io['fetch'], known: Known): Witness {
  const { levelOf, exempt, now } = known;
  const wrong: string[] = [];
  const tokens: string[] = [];
  const unsure = new Set<string>();
  /** Each whole reading of the risky users. */
  const readings: Map<string, Standing>[] = [];
  /** Who was read in a group or was added to it with 204, and the latter alone. */
  const members = new Map<string, Set<string>>();
  const joined = new Map<string, Set<string>>();
  const left = new Map<string, Set<string>>();
  /** Who was to leave while at risk at no level. */
  const departing = new Set<string>();
  /** Names of groups that this run has asked for, and may not ask for again. */
  const asked = new Set<string>();
  /** The names that the last whole lookup found, in lower case. */
  let found: string[] | undefined;
  let leaving = false;
  /** Groups that this run made. */
  const created = new Set<string>();
  const open = new Map<string, Record<string, unknown>[]>();
  /** Until when a write, or a part of a batch, was asked to stay away. */
  const away = new Map<string, number>();
  /** The same for any offer: they share one limit. */
  let noOfferBefore = 0;
  /** Requests answered 401, which are repeated at once with another token. */
  const unauthorized = new Set<string>();

  function judgeLeave(path: string): void {
    const [, group = '', user = ''] = /^\/groups\/([^/]+)\/members\/([^/]+)\/\$ref$/.exec(path) ?? [];
    const level = levelOf(group);
    if (!level || !ID.test(user)) return void wrong.push(`I5: DELETE ${path}`);
    const note = (why: string) => wrong.push(`DELETE ${path}, ${why}`);
    leaving = true;
    const [first, second] = readings;
    const standing = first?.get(user);
    if (exempt.has(user)) note('I5: he is exempt');
    if (!members.get(group)?.has(user)) note('I3: he was not read there');
    if (standing === 'doubt') note('I3: he is in doubt');
    else if (standing === level) note('I4: he is at risk at this level');
    else if (standing !== undefined && !isKnownIn(standing, user))
      note(`I4: he is not known to be in ${standing}`);
    if (standing !== undefined) return;
    if (!second || second.has(user)) note('I3: no second reading confirms that he departs');
    if (departing.add(user).size > known.maxRemovals) note(`more than ${known.maxRemovals} depart`);
  }

  function judgeJoin(path: string, bind: unknown): void {
    const [, group = ''] = /^\/groups\/([^/]+)(?:\/members\/\$ref)?$/.exec(path) ?? [];
    const user = userOf(bind);
    const level = levelOf(group);
    const note = (why: string) => wrong.push(`${user} to ${path}, ${why}`);
    if (!level) note('I5: none of the groups');
    if (exempt.has(user)) note('I5: he is exempt');
    if (readings[0]?.get(user) !== level) note(`I3: he was not read at risk at ${level}`);
    if (leaving) note('I4: a join after a leave');
  }

  function judgeCreation({ displayName }: Sent['body']): void {
    const name = String(displayName).toLowerCase();
    if (known.pinned || !found || found.includes(name)) wrong.push(`I5: created ${name} without need`);
    if (asked.has(name)) wrong.push(`I5: asked again for ${name}, which may have been created`);
    asked.add(name);
  }

  function judgePause(request: Record<string, unknown>): void {
    if (now() < (away.get(keyOf(request)) ?? 0))
      wrong.push(`I8: before Retry-After was over: ${keyOf(request)}`);
  }

  /** On-demand provisioning is for those whom this run added to a group that others can have assigned. */
  function judgeOffer({ method, path, body }: Sent): void {
    if (now() < noOfferBefore && !unauthorized.has(keyOf({ method, url: path, body })))
      wrong.push('I8: an offer before Retry-After was over');
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

  function before(sent: Sent): void {
    const { method, path, body } = sent;
    judgePause({ method, url: path, body });
    if (method === 'GET' || path === '/token') return;
    if (readings.length === 0) wrong.push(`I3: ${method} ${path} before the risky users were read`);
    if (method === 'DELETE') wrong.push(`I5: a bare DELETE ${path}`);
    if (path.endsWith('/provisionOnDemand')) judgeOffer(sent);
    if (path === '/groups') judgeCreation(body);
    for (const bind of [body['members@odata.bind'] ?? []].flat()) judgeJoin(path, bind);
    for (const part of records(body['requests'])) {
      if (part['method'] === 'DELETE') judgeLeave(String(part['url']));
      else judgeJoin(String(part['url']), Object(part['body'])['@odata.id']);
      judgePause(part);
    }
  }

  function after({ method, path, firstPage, body }: Sent, { status, headers }: Response, text: string): void {
    const answer = parse(text);
    const key = keyOf({ method, url: path, body });
    away.set(key, pauseEnd(headers.get('retry-after')));
    if (status === 401) unauthorized.add(key);
    if (path.endsWith('/provisionOnDemand') && headers.has('retry-after'))
      noOfferBefore = pauseEnd(headers.get('retry-after'));
    if (path === '/token') tokens.push(...[answer['access_token']].filter((one) => typeof one === 'string'));
    if (method === 'GET' && status === 200) readPage(path, firstPage, answer);
    if (path === '/groups' && status === 201) created.add(String(answer['id']));
    // 401 is no creation either: it is asked again with another token.
    const refused = status === 401 || status === 429 || (status === 503 && headers.has('retry-after'));
    if (method === 'POST' && refused) asked.delete(String(body['displayName']).toLowerCase());
    if (method === 'PATCH' && status === 204)
      for (const bind of [body['members@odata.bind']].flat()) added(path, bind, joined, members);
    const parts = records(body['requests']);
    for (const { id, status: of, headers: more } of records(answer['responses'])) {
      const part = parts.find((one) => one['id'] === id);
      if (!part) continue;
      away.set(keyOf(part), pauseEnd(Object(more)['Retry-After']));
      const url = String(part['url']);
      const leaves = part['method'] === 'DELETE';
      const user = leaves ? url.split('/')[4] : Object(part['body'])['@odata.id'];
      if (of === 400 || of === 404) unsure.add(userOf(user));
      if (of === 204) added(url, user, ...(leaves ? [left] : [joined, members]));
    }
  }

  function pauseEnd(retryAfter: unknown): number {
    const text = String(retryAfter ?? 0);
    return /^[\d.]+$/.test(text) ? now() + Number(text) * 1_000 : Date.parse(text);
  }

  function added(path: string, bind: unknown, ...lists: (typeof members)[]): void {
    const group = path.split('/')[2] ?? '';
    for (const list of lists) list.set(group, (list.get(group) ?? new Set()).add(userOf(bind)));
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
    if (path === '/groups') found = entries.map(({ displayName }) => String(displayName).toLowerCase());
    const [, group] = /^\/groups\/([^/]+)\/members$/.exec(path) ?? [];
    for (const { id, '@odata.type': type } of group ? entries : [])
      if (type === '#microsoft.graph.user') added(path, id, members);
  }

  const byLevel = (list: ReadonlyMap<string, ReadonlySet<string>>) =>
    [...list].flatMap(([group, users]) => [...users].map((user) => `${levelOf(group)} ${user}`)).sort();

  return {
    ...{ wrong, tokens, unsure },
    get joined() {
      return byLevel(joined);
    },
    get left() {
      return byLevel(left);
    },
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

const userOf = (bind: unknown) => String(bind).split('/').at(-1) ?? '';

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
