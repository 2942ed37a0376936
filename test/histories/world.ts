/** A history's world, what happens in it, and what is true in it, kept apart from what it answers. */
import type { Group } from '@microsoft/microsoft-graph-types';
import type { Cache } from '../../src/context';
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';
import { run } from '../../src/run';
import { EVERY_MINUTE, NAMES, seeded } from '../scenarios/scene';
import { bothAs } from '../tenant/both';
import { fakeClock } from '../tenant/clock';
import { someBehaviours } from '../tenant/cloudflare/behaviours';
import { createCloudflare } from '../tenant/cloudflare/cloudflare';
import { createTenant } from '../tenant/tenant';
import { befall } from './failures';
import { isEligible, isNamed, PROPERTIES } from './group-kinds';
import type { Isolate } from './groups-witness';
import { HEARTBEAT_URL, heartbeatDesk } from './heartbeat';
import type { Change, GroupKind, History, Pins, Upn, Word } from './history';
import { createListsWorld } from './lists-world';
import { type Standing, standingOf } from './reading';
import { type Done, witness } from './witness';

/**
 * How a run ended, and what of it broke a rule whatever else happened in the world. `unsure`: whom Graph says not to
 * know, true or not. `toldBefore`: "VERB GROUP USER" of what earlier runs of the isolate were told to be done.
 */
export type Run = Awaited<ReturnType<HistoryWorld['runOnce']>>;
export type HistoryWorld = ReturnType<typeof createWorld>;
type Lines = readonly Record<string, unknown>[];
const DEADLINE_MS = 50_000;
const YOUNG_GROUP_MS = 600_000;

export function createWorld(history: History) {
  const { destinations, lagMs: lag, pages: pageSizes, filterRefused: rejectRiskFilter } = history;
  const has = { groups: destinations !== 'lists', lists: destinations !== 'groups' };
  const clock = fakeClock();
  const random = seeded(history.seed);
  const latency = seeded(history.seed + 1);
  const latencyMs = () => Math.floor(latency() * history.latencyMs);
  const tenant = createTenant({ clock, random, latencyMs });
  const unknowns = history.unknowns ? someBehaviours(random) : {};
  const cloudflare = createCloudflare({ clock, random, latencyMs, flights: tenant.flights, ...unknowns });
  Object.assign(tenant, { lag, pageSizes, rejectRiskFilter, upnForbidden: !has.lists });
  if (!has.groups) tenant.permissions = ['IdentityRiskyUser.Read.All'];
  const ids: string[] = [];
  const secrets = new Set([tenant.ids.clientSecret, HEARTBEAT_URL, cloudflare.token]);
  const risks = new Map<string, { level: Word; state: Word }>();
  const exempt = new Set<string>();
  const levels = new Map<string, RiskLevel>();
  const pins = new Map<RiskLevel, string>();
  const isolates = new WeakMap<Cache, Isolate>();
  const lists = createListsWorld(history, tenant, cloudflare, { ids, exempt, standing });
  let [runs, groupDeleted] = [0, false];
  let permissions = tenant.permissions;

  function addPerson(level: Word, state: Word, upn: Upn): void {
    const id = tenant.addUser();
    ids.push(id);
    for (const secret of Object.values(tenant.user(id) ?? {})) if (secret !== id) secrets.add(String(secret));
    setRisk(id, level, state);
    lists.setUpn(id, upn);
  }

  function setRisk(id: string, level: Word, state: Word): void {
    risks.set(id, { level, state });
    tenant.setRisk(id, level, state);
  }

  function addGroup(level: RiskLevel, kind: GroupKind, displayName: string = NAMES[level]): string {
    const name = kind === 'other case' ? displayName.toUpperCase() : displayName;
    const id = tenant.addGroup({ displayName: name, ...PROPERTIES[kind] });
    tenant.allowWritesTo(id);
    for (let other = 0; other < history.others; other += 1)
      tenant.addOtherMember(id, (['group', 'device', 'servicePrincipal'] as const)[other] ?? 'device');
    return id;
  }

  /** The group that is kept for the level: the pinned one, or the oldest eligible one of the name. */
  function ours(level: RiskLevel): string | undefined {
    const pin = pins.get(level);
    const isOurs = (group: Group) => (pin ? group.id === pin : isNamed(group.displayName, level) && isEligible(group));
    const age = ({ createdDateTime = '', id = '' }: Group) => `${createdDateTime} ${id}`;
    const found = tenant.groups().filter(isOurs);
    return found.sort((a, b) => (age(a) < age(b) ? -1 : 1))[0]?.id;
  }

  /** Whether users can be added there and removed, the former alone, or neither. */
  function use(level: RiskLevel): 'all' | 'adds' | 'none' {
    const pin = pins.get(level);
    const group = tenant.groups().find(({ id }) => id === ours(level));
    if (!pin) return group || !tenant.groups().some((one) => isNamed(one.displayName, level)) ? 'all' : 'none';
    if (!group) return 'none';
    if (tenant.hiddenGroups.has(pin)) return 'adds';
    return isNamed(group.displayName, level) && isEligible(group) ? 'all' : 'none';
  }

  const membersOf = (group: string | undefined) => (group ? tenant.members(group) : []);
  const members = (level: RiskLevel) => membersOf(ours(level));

  /** Also by a second group of the name, which a creation makes that happened although Graph said 503. */
  const isCovered = (level: RiskLevel, user: string): boolean =>
    tenant.groups().some(({ id = '' }) => levelOf(id) === level && membersOf(id).includes(user));

  /** Where they stand in the eyes of riskyUsers now; a deleted user may do so for a while. */
  function standing(id: string): Standing | undefined {
    const { level, state } = risks.get(id) ?? { level: 'none', state: 'none' };
    const isFiltered = !tenant.rejectRiskFilter && state !== 'atRisk' && state !== 'confirmedCompromised';
    return isFiltered ? undefined : standingOf(level, state, false);
  }

  function deleteUser(id: string, riskEntry: 'deleted' | 'stale'): void {
    tenant.deleteUser(id, { riskEntry });
    if (riskEntry === 'deleted') risks.delete(id);
  }

  function apply(change: Change): void {
    const { what } = change;
    const id = 'who' in change ? (ids[change.who % Math.max(1, ids.length)] ?? '') : '';
    if (what === 'revoke tokens') tenant.revokeTokens();
    else if (what === 'withdraw consent') withdraw(change.which);
    else if (what === 'grant consents') grantAll();
    else if (what === 'newcomer') addPerson(change.level, change.state, 'own');
    else if (what === 'add group') addGroup(change.level, change.kind);
    else if (what === 'delete group') deleteGroup(change.level);
    else if (what === 'add list') lists.addList(change.level, change.kind);
    else if (what === 'delete list') lists.deleteList(change.level);
    else if (what === 'rename list') lists.renameList(change.level);
    else if (!tenant.user(id)) return;
    else if (what === 'risk') setRisk(id, change.level, change.state);
    else if (what === 'dismiss') setRisk(id, 'none', 'dismissed');
    else if (what === 'confirm') setRisk(id, 'high', 'confirmedCompromised');
    else if (what === 'delete') deleteUser(id, change.as);
    else if (what === 'rename') lists.setUpn(id, change.upn);
    else if (what === 'add entry') lists.addEntry(id, change.level, change.entry);
    else if (what === 'remove entry') lists.removeEntries(id, change.level);
    else if (what === 'add member') inGroup(change.level, (group) => tenant.addMember(group, id));
    else if (what === 'remove member') inGroup(change.level, (group) => tenant.removeMember(group, id));
  }

  function inGroup(level: RiskLevel, act: (group: string) => void): void {
    const group = ours(level);
    if (group) act(group);
  }

  function deleteGroup(level: RiskLevel): void {
    noteLevels();
    inGroup(level, tenant.deleteGroup);
    groupDeleted = true;
  }

  function withdraw(which: number): void {
    tenant.permissions = permissions.filter((_, index) => index !== which);
    if (which >= permissions.length) cloudflare.permission = 'read';
  }

  /** Of a token that was issued before it knows nothing. */
  function grantAll(): void {
    tenant.permissions = permissions;
    cloudflare.permission = 'edit';
  }

  function noteLevels(): void {
    for (const { id = '', displayName } of tenant.groups()) {
      const level = RISK_LEVELS.find((one) => isNamed(displayName, one));
      if (level) levels.set(id, level);
    }
  }

  /** The level that a group is or was kept for. */
  function levelOf(groupId: string): RiskLevel | undefined {
    noteLevels();
    return pins.size > 0 ? RISK_LEVELS.find((level) => pins.get(level) === groupId) : levels.get(groupId);
  }

  const env: Record<string, unknown> = {
    ...{ AZURE_AD_TENANT_ID: tenant.ids.tenantId, AZURE_AD_CLIENT_ID: tenant.ids.clientId },
    ...{ AZURE_AD_CLIENT_SECRET: tenant.ids.clientSecret, DESTINATIONS: destinations },
    CLOUDFLARE_ZERO_TRUST_ACCOUNT_ID: has.lists ? cloudflare.accountId : '',
    ...{ CLOUDFLARE_ZERO_TRUST_API_TOKEN: has.lists ? cloudflare.token : '', MAX_REMOVALS: history.maxRemovals },
  };

  function fill(): void {
    for (const level of RISK_LEVELS) {
      for (const kind of history.groups[level]) addGroup(level, kind);
      for (const kind of history.lists[level]) lists.addList(level, kind);
      if (history.pins) pins.set(level, addGroup(level, 'older'));
    }
    if (history.pins) misplace(history.pins);
    for (const { level, state, upn } of history.people) addPerson(level, state, upn);
    for (const [index, { in: where, entries, exempt: isExempt, deleted }] of history.people.entries()) {
      const id = ids[index] ?? '';
      if (isExempt) exempt.add(id);
      for (const level of where) {
        inGroup(level, (group) => tenant.addMember(group, id));
        for (const entry of entries) lists.addEntry(id, level, entry);
      }
      if (deleted !== 'no') deleteUser(id, deleted);
    }
    env['EXEMPT_USER_IDS'] = [...exempt].join(',').toUpperCase();
    env['GROUP_IDS'] = [...pins].map(([level, id]) => `${level}=${id}`).join(',');
    env['HEARTBEAT_URL'] = history.heartbeat && HEARTBEAT_URL;
    if (!history.provisioning) return;
    permissions = [...permissions, 'Synchronization.ReadWrite.All'];
    grantAll();
    const { servicePrincipalId, unassigned } = tenant.addProvisioning({ delayMs: history.provisioning.callMs });
    env['SCIM_SERVICE_PRINCIPAL_ID'] = servicePrincipalId;
    for (const level of RISK_LEVELS)
      if (!history.provisioning.assigned.includes(level)) unassigned.add(ours(level) ?? '');
  }

  function misplace(how: Pins): void {
    const [high = '', medium = '', low = ''] = RISK_LEVELS.map((level) => pins.get(level));
    if (how === 'two exchanged') pins.set('high', medium).set('medium', high);
    if (how === 'high misnamed') tenant.changeGroup(high, { displayName: 'All Company' });
    if (how === 'low misnamed') pins.set('low', addGroup('low', 'fit', 'Sales'));
    if (how === 'medium dynamic') tenant.changeGroup(medium, PROPERTIES.dynamic);
    if (how === 'high gone') tenant.deleteGroup(high);
    for (const id of [high, medium, low])
      if (how === 'none shown' || (how === 'low not shown' && id === low)) tenant.hiddenGroups.add(id);
  }

  /** The levels of which Entra surely knows a group; of the others it may still not know any. */
  function levelsOfOldGroups(): unknown[] {
    const isOld = ({ createdDateTime: made }: Group) => Date.parse(made ?? '') <= clock.now() - YOUNG_GROUP_MS;
    return tenant.groups().flatMap((one) => (isOld(one) ? levelOf(one.id ?? '') : []));
  }

  const nextMinute = () => clock.advance(60_000 - (clock.now() % 60_000));
  /** Until no group is young any more, if a warm isolate could mistake a deletion for lag. */
  const settle = () => clock.advance(groupDeleted || ids.some((id) => !tenant.user(id)) ? YOUNG_GROUP_MS : 0);

  /** Until everything can be done again. */
  async function calm(): Promise<void> {
    grantAll();
    await settle();
    await nextMinute();
  }

  /** One run, now, in an isolate that remembers this. */
  async function runOnce(cache: Cache, more: Record<string, unknown> = {}) {
    runs += 1;
    const texts: string[] = [];
    const log = (text: string) => texts.push(text);
    const settings = { ...env, ...more };
    const isDry = settings['DRY_RUN'] === 'true';
    const isolate = isolates.get(cache) ?? { shown: new Set(), told: new Set() };
    isolates.set(cache, isolate);
    const toldBefore = new Set(isolate.told);
    const old = pins.size > 0 ? [...RISK_LEVELS] : levelsOfOldGroups();
    const watch = witness(bothAs(`run ${runs}`, tenant, has.lists ? cloudflare : undefined), {
      ...{ levelOf, isNamed, exempt, pins: [...pins.values()], maxRemovals: Number(settings['MAX_REMOVALS']) },
      ...{ now: clock.now, isolate },
    });
    const desk = heartbeatDesk(history.heartbeat, clock, watch.fetch);
    const io = { fetch: desk.fetch, now: clock.now, sleep: clock.sleep, random: latency };
    const deadline = clock.now() + DEADLINE_MS;
    const going = () => run(settings, EVERY_MINUTE, io, { log, warn: log, error: log }, cache);
    const error: unknown = await clock.run(() => going().catch((thrown: unknown) => thrown));
    const late = clock.now() > deadline;
    const lines: Record<string, unknown>[] = texts.map((text) => JSON.parse(text));
    for (const secret of [...watch.tokens, ...lists.addresses()]) secrets.add(secret);
    const everything = [...texts, String(error)].join('\n').toLowerCase();
    const leaks = [...secrets].filter((secret) => everything.includes(secret.toLowerCase()));
    const bugs = lines.filter(({ event }) => event === 'unexpected' || event === 'settings');
    const known = [...old, ...levelsOfOldGroups()];
    const early = lines.filter(({ event, level }) => event === 'users-gone' && !known.includes(level));
    return {
      ...{ ok: error === undefined, lines, unsure: watch.unsure(), toldBefore },
      wrong: [
        ...watch.wrong,
        ...desk.wrong(error === undefined && settings['HEARTBEAT_URL'] !== undefined && !isDry),
        ...(isDry ? [] : [...audit(lines, 'groups', watch.groups()), ...audit(lines, 'lists', watch.lists())]),
        ...leaks.map((secret) => `I10: ${secret}`),
        ...bugs.map((line) => `unexpected: ${JSON.stringify(line)}`),
        ...early.map((line) => `users gone by the word of a young group: ${JSON.stringify(line)}`),
        ...(late ? ['I7: the run ended after its deadline'] : []),
      ],
    };
  }

  fill();
  return {
    ...{ tenant, cloudflare, lists, has, clock, ids, exempt, env, random },
    ...{ use, members, isCovered, standing, apply, runOnce, calm },
    failing: () => befall(tenant, cloudflare, random, history.failing),
    ...{ nextMinute, settle },
  };
}

/** "LEVEL USER" of each who was added or removed, as the log tells it. */
export const told = (lines: Lines, field: 'added' | 'removed', of: 'groups' | 'lists'): string[] =>
  lines
    .flatMap((one) => (one['destination'] === of ? idsIn(one, field).map((id) => `${one['level']} ${id}`) : []))
    .sort();

export const idsIn = (line: Lines[number], field: string): string[] => (Array.isArray(line[field]) ? line[field] : []);

/** Where the log of a run that was not dry differs from what was done. */
const audit = (lines: Lines, of: 'groups' | 'lists', { open, ...done }: Done): string[] =>
  (['added', 'removed'] as const).flatMap((field) => {
    const logged = told(lines, field, of);
    const untrue = logged.filter((one) => !done[field].includes(one)).map((one) => `the log: ${one} was not ${field}`);
    const unsaid = done[field].filter((one) => !logged.includes(one) && !open.includes(one));
    return [...untrue, ...unsaid.map((one) => `the log: ${one} was ${field}, and is not told: ${of}`)];
  });
