/** What fails of a share of all calls: the stand-ins' chaos, and answers that are whole in form but not in sense. */
import type { Cloudflare } from '../tenant/cloudflare/cloudflare';
import * as errors from '../tenant/errors';
import * as faults from '../tenant/faults';
import * as lists from '../tenant/list-faults';
import type { Tenant } from '../tenant/tenant';
import type { Focus, History, Step } from './history';

type Target = faults.FaultTarget;
type Test = (target: Target) => boolean;
/** `lasting`: once drawn for a list, it befalls all of its pages in that run. `note`: it has been drawn. */
type Kind = { on: Test; give: faults.Fault; lasting?: boolean; note?(target: Target): void };
const all: Test = () => true;
const login: Test = ({ path }) => path === '/token';
const any: Test = (target) => !login(target);
const read: Test = ({ method }) => method === 'GET';
const part: Test = (target) => target.part;
const batch: Test = ({ path }) => path === '/$batch';
const change: Test = (target) => !read(target) && !login(target) && !batch(target);
const members: Test = (target) => read(target) && target.path.endsWith('/members');
const lookup: Test = (target) => read(target) && ['/groups', '/lists'].includes(target.path);
const creation: Test = (target) => !read(target) && ['/groups', '/lists'].includes(target.path);
const entries: Test = ({ path }) => path.endsWith('/items');
const patch: Test = ({ method }) => method === 'PATCH';
const risk: Test = ({ path }) => path.endsWith('/riskyUsers');
const notRisk: Test = (target) => any(target) && !risk(target);
const later: Test = ({ query }) => query.includes('skiptoken');
const on = (test: Test, ...gives: faults.Fault[]): Kind[] => gives.map((give) => ({ on: test, give }));
const json = (...bodies: unknown[]) => bodies.map(faults.json);
const statuses = (codes: readonly number[], applied: boolean) => codes.map((code) => faults.status(code, { applied }));
const refusals = (...some: errors.GraphRefusal[]) => some.map((one) => faults.refuse(one));

/** Graph's own words may name people, and its code and headers may be anything. */
const gossip = (code: number, message = 'does not like Ada Lindqvist <ada.lindqvist@contoso.example>') => {
  const headers = { 'request-id': 'ada.lindqvist@contoso.example' };
  return faults.status(code, { error: { code: 'Ada Lindqvist', message }, headers });
};

/** A fault with a memory has one for each run. Pages without an end take their time, or the run would not end either. */
function pages(make: () => faults.Fault): Kind {
  const made = new Map<string, faults.Fault>();
  const give: faults.Fault['give'] = async (place) => {
    await place.world.clock.sleep(400, place.signal);
    const fault = made.get(place.call.client) ?? make();
    made.set(place.call.client, fault);
    return fault.give(place);
  };
  return { on: read, lasting: true, give: { inBatch: false, give } };
}

/** The first page that was asked for, whichever is asked for. */
function pageForEver(): faults.Fault {
  const first = new Map<string, unknown>();
  const give: faults.Fault['give'] = async ({ process, call }) => {
    const answer = await process();
    if (!first.has(call.path)) first.set(call.path, answer.body);
    return { ...answer, body: first.get(call.path) };
  };
  return { inBatch: false, give };
}

/** Rewrites the list of an answer, in Graph's envelope or Cloudflare's. */
const listed = (rewrite: (list: unknown[]) => object) =>
  faults.rewrite((body) => {
    const { value, result = value } = Object(body);
    return Array.isArray(result) ? { ...Object(body), ...rewrite(result) } : body;
  });
const listedWith = (properties: object) => listed(() => properties);
const eachWith = (property: object) =>
  listed((list) => ({ result: list.map((one) => ({ ...Object(one), ...property })) }));

const miscounted = listed((some) => ({ result_info: { total_count: some.length + 1 } }));

/** One lookup of a run lacks a group or list; were it two, nothing could tell a Worker that there is one. */
function lackingOnce(): Kind {
  const struck = new Set<string>();
  const isHigh = (one: unknown) => /high$/i.test(String(Object(one).displayName ?? Object(one).name));
  const without = (list: unknown[]) => list.filter((one) => !isHigh(one));
  return {
    on: (target) => lookup(target) && !struck.has(target.client),
    note: ({ client }) => struck.add(client),
    give: listed((list) => (Object(list[0]).name ? { result: without(list) } : { value: without(list) })),
  };
}

const PAUSES = '0|-3|0.4|7|21.5|soon|Mon, 04 May 2020 03:00:00 GMT|Fri, 04 May 2091 03:00:00 GMT'.split('|');
const UNREACHABLE = [520, 521, 522, 523, 524, 525, 526, 527, 530];
const FAILURE = { success: false, errors: [{ message: 'ada.lindqvist@contoso.example' }], messages: [], result: null };

/** Of each service, by kind: each is drawn alike, however many of it there are. */
const ofBoth = (): Kind[][] => [
  on(any, faults.truncated(), faults.emptyBody(), faults.html(), ...json({}, [], '')),
  on(any, faults.redirect('https://graph.microsoft.com/v1.0/elsewhere')),
  on(change, ...statuses([500, 502, 504, 408], true)),
  // Throttled, for a pause of any length.
  on(any, ...PAUSES.map(faults.throttled)),
  on(any, ...PAUSES.map((pause) => faults.status(503, { headers: { 'Retry-After': pause } }))),
  // Connections that fail, or nearly.
  on(all, ...UNREACHABLE.map((code) => faults.unreachable(code, { reason: 1_016 }))),
  on(change, ...UNREACHABLE.map((code) => faults.unreachable(code, { applied: true }))),
  on(notRisk, faults.broken({ applied: true })),
  on(any, faults.slow(9_000), faults.hangIgnoringAbort()),
  [lackingOnce()],
];

const ofGraph = (deceived: Set<string>): Kind[][] => [
  ...ofBoth(),
  // Lists without an end.
  [1, 2, 3].map((length) => pages(() => lists.circle(length))),
  [false, true].map((empty) => pages(() => lists.endless({ empty }))),
  // Answers that are none, with status 200.
  on(read, ...(['whole', 'none', 'absent'] as const).map(lists.errorInside)),
  on(read, ...[undefined, null, {}, 'none', [null], ['x'], [[]], [{ id: '../users/x' }]].map(lists.withValue)),
  on(read, listedWith({ '@odata.nextLink': 'https://graph.microsoft.com.evil.example/v1.0/x' })),
  on(read, lists.without('id')),
  on(members, lists.without('@odata.type'), lists.without('@odata.type', 'each')),
  on(lookup, lists.without('displayName'), lists.without('securityEnabled', 'each'), lists.without('createdDateTime')),
  on(risk, lists.without('userPrincipalName')),
  on(batch, ...json({ responses: [] }, { responses: {} }, { responses: [{ id: '0' }] })),
  on(
    batch,
    faults.ignored(),
    faults.rewrite((body) => ({ ...Object(body), error: {} })),
  ),
  // Refusals, by what Graph says.
  on(any, gossip(403), faults.bare(403), ...refusals(errors.insufficientPrivileges())),
  on(any, ...refusals(errors.identityNotFound(), errors.unknownError(), errors.expiredToken())),
  on(change, ...refusals(errors.restrictedUnit(), errors.quotaExceeded(9, 9), errors.nicknameExists())),
  on(risk, ...refusals(errors.notLicensed())),
  on(later, ...refusals(errors.expiredPageToken())),
  // Not for riskyUsers: read without the filter, people of unknown states are at risk after all.
  on((target) => !risk(target), gossip(400)),
  // Answers that contradict what is there.
  on(change, gossip(400, 'One or more added object references already exist for Ada Lindqvist')),
  on(part, ...[errors.alreadyMember(), errors.notFound('x')].map((one) => faults.refuse(one, { applied: true }))),
  on(part, ...refusals(errors.notFound('x'))),
  [{ on: part, give: faults.ignored(), note: (target) => deceived.add(changeIn(target)) }],
];

const ofCloudflare = (): Kind[][] => [
  ...ofBoth(),
  [{ ...pages(pageForEver), on: entries }],
  on(any, ...json(FAILURE, { ...FAILURE, result: [] }, { ...FAILURE, success: true })),
  // Not all of the entries, or others.
  on(entries, ...[listed((some) => ({ result: some.slice(1) })), listedWith({ result: null })]),
  on(entries, miscounted, eachWith({ value: undefined })),
  on(lookup, ...[{ count: undefined }, { count: 1 }, { name: undefined }, { created_at: undefined }].map(eachWith)),
  on(any, ...[400, 401, 403, 404, 409].map((code) => gossip(code))),
  on(patch, ...statuses([400, 404], true)),
];

/** The calls that a focus means: of Graph and the sign-in, and of Cloudflare. */
function strikes(focus: Focus): { graph: Test | undefined; cloudflare: Test | undefined } {
  const readings = new Map<string, number>();
  // Nothing else fails then, so whoever asks for a first page again reads a second time.
  const isAgain: Test = (target) => {
    if (!risk(target)) return false;
    const begun = (readings.get(target.client) ?? 0) + Number(!later(target));
    readings.set(target.client, begun);
    return begun > 1;
  };
  const graph: Partial<Record<Focus, Test>> = {
    ...{ everything: all, 'the sign-in': login, 'the risky users': risk, 'the second reading': isAgain },
    ...{ 'the lookup': lookup, 'the members': members, creations: creation, groups: notRisk },
    adds: (target) => part(target) && target.method === 'POST',
    removals: (target) => part(target) && target.method === 'DELETE',
    batches: (target) => part(target) || batch(target),
    pins: (target) => lookup(target) && target.query.includes('id in'),
    provisioning: ({ path }) => path.startsWith('/servicePrincipals'),
  };
  const cloudflare: Partial<Record<Focus, Test>> = {
    ...{ everything: all, lists: all, creations: creation },
    ...{ 'lookups of lists': lookup, entries, 'changes of lists': patch },
  };
  return { graph: graph[focus], cloudflare: cloudflare[focus] };
}

/** Begins it, for one run or more. `deceived` gets "VERB GROUP USER" of each change that was answered 204, and not done. */
export function befall(tenant: Tenant, cloudflare: Cloudflare, random: () => number, failing: History['failing']) {
  const deceived = new Set<string>();
  const only = 'only' in failing ? failing.only : undefined;
  const share = failing.percent / (only === undefined ? 200 : 100);
  const struck = strikes(failing.focus);
  const services = [
    { service: tenant, kinds: ofGraph(deceived), test: struck.graph },
    { service: cloudflare, kinds: ofCloudflare(), test: struck.cloudflare },
  ];
  const pick = <One>(some: readonly One[]): One | undefined => some[Math.floor(random() * some.length)];

  /** One rule that draws a kind of those that fit. */
  function failSome({ service, kinds, test: struck }: (typeof services)[number]) {
    const lasting = new Map<string, Kind>();
    let drawn: Kind | undefined;
    const draw = (target: Target): Kind | undefined => {
      if (!struck?.(target) || random() >= share) return undefined;
      const fits = ({ on: test, give }: Kind) => test(target) && (give.inBatch || !target.part);
      const fitting = kinds.map((kind) => kind.filter(fits)).filter(({ length }) => length > 0);
      return pick((only === undefined ? pick(fitting) : fitting[only % fitting.length]) ?? []);
    };
    const isStruck = (target: Target): boolean => {
      const key = `${target.client} ${target.path}`;
      drawn = lasting.get(key) ?? draw(target);
      drawn?.note?.(target);
      if (drawn?.lasting) lasting.set(key, drawn);
      return drawn !== undefined;
    };
    const give: faults.Fault['give'] = (place) => {
      const { give: fault } = drawn ?? { give: faults.hang() };
      place.call.deaf = fault.deaf ?? false;
      return fault.give(place);
    };
    return service.fault({ on: isStruck, give: { inBatch: true, give } });
  }

  const rules = services.map(failSome);
  rules.push(tenant.fault({ on: () => random() < share / 100, give: faults.runtimeRefusal() }));
  for (const { service, test } of services) if (only === undefined && test) service.chaos(share, undefined, test);
  return {
    deceived,
    end() {
      for (const { service } of services) service.chaos(0);
      for (const rule of rules) rule.remove();
    },
  };
}

function changeIn({ method, path, body }: Target): string {
  const [, , group, , user] = path.split('/');
  const bound = /directoryObjects\/([\w-]+)/.exec(body)?.[1];
  return method === 'DELETE' ? `remove ${group} ${user}` : `add ${group} ${bound}`;
}

/** Fails whatever is asked of one destination, always alike. */
export function failWholly(tenant: Tenant, cloudflare: Cloudflare, which: 'groups' | 'lists', seed: number): void {
  const kinds = [faults.hang(), faults.broken(), ...statuses([503, 403], false), faults.html(), faults.json({})];
  const give = kinds[seed % kinds.length] ?? faults.hang();
  if (which === 'lists') cloudflare.fault({ on: all, give });
  else tenant.fault({ on: notRisk, give });
}

/** One answer of riskyUsers is whole in form but lacks entries. Gives the end of it. */
export function lieOnce(tenant: Tenant, { lie }: Step): () => void {
  if (!lie) return () => {};
  const give = listed((list) => ({ value: list.slice(0, lie.keep), '@odata.nextLink': undefined }));
  return tenant.fault({ on: risk, times: 1, after: lie.page, give }).remove;
}
