/** A history's tenant, what happens in it, and what is true in it, kept apart from what the tenant answers. */
import type { Group } from '@microsoft/microsoft-graph-types';
import { RISK_LEVELS, type RiskLevel } from '../src/plan';
import { type Memory, run } from '../src/run';
import { EVERY_MINUTE, NAMES, seeded } from './harness';
import type { Change, GroupKind, History, Word } from './history';
import { isFit, isNamed, PROPERTIES } from './history-groups';
import { HEARTBEAT_URL, heartbeatDesk } from './history-heartbeat';
import { befall } from './history-troubles';
import { type Standing, standingOf, witness } from './history-witness';
import { fakeClock } from './tenant/clock';
import { createTenant } from './tenant/tenant';

/** How a run ended, and what of it broke a rule whatever else happened in the tenant. */
export interface Run {
  ok: boolean;
  lines: Record<string, unknown>[];
  wrong: string[];
  /** Who was answered 400 or 404 when he was to join or leave. */
  unsure: ReadonlySet<string>;
}

export type HistoryWorld = ReturnType<typeof createWorld>;

const DEADLINE_MILLISECONDS = 50_000;
const YOUNG_GROUP_MILLISECONDS = 600_000;

export function createWorld(history: History) {
  const clock = fakeClock();
  const random = seeded(history.seed);
  const latency = seeded(history.seed + 1);
  const latencyMs = () => Math.floor(latency() * history.latencyMs);
  const tenant = createTenant({ clock, random, latencyMs });
  const { lagMs: lag, pages: pageSizes, filterRefused: rejectRiskFilter, bulkAddForbidden } = history;
  Object.assign(tenant, { lag, pageSizes, rejectRiskFilter, bulkAddForbidden });
  const ids: string[] = [];
  const secrets = new Set([tenant.ids.clientSecret, HEARTBEAT_URL]);
  const risks = new Map<string, { level: Word; state: Word }>();
  const exempt = new Set<string>();
  const levels = new Map<string, RiskLevel>();
  const pins = new Map<RiskLevel, string>();
  let runs = 0;
  let groupDeleted = false;

  function addPerson(level: Word, state: Word): string {
    const id = tenant.addUser();
    ids.push(id);
    setRisk(id, level, state);
    for (const secret of Object.values(tenant.user(id) ?? {})) if (secret !== id) secrets.add(String(secret));
    return id;
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

  /** The group that is kept for the level: the pinned one, or the oldest fit one of the name. */
  function ours(level: RiskLevel): string | undefined {
    const pin = pins.get(level);
    const named = tenant.groups().filter((group) => (pin ? group.id === pin : isFit(group, level)));
    const age = ({ createdDateTime = '', id = '' }: Group) => `${createdDateTime} ${id}`;
    return named.sort((a, b) => (age(a) < age(b) ? -1 : 1))[0]?.id;
  }

  function hasUnfit(level: RiskLevel): boolean {
    return pins.has(level) || (!ours(level) && tenant.groups().some((group) => isNamed(group, level)));
  }

  function members(level: RiskLevel): string[] {
    const group = ours(level);
    return group ? tenant.members(group) : [];
  }

  /** Also by a second group of the name, which a creation makes that happened although Graph said 503. */
  function isCovered(level: RiskLevel, user: string): boolean {
    const groups = tenant.groups().flatMap(({ id = '' }) => (levelOf(id) === level ? id : []));
    return groups.some((id) => tenant.members(id).includes(user));
  }

  /** Where he stands in the eyes of riskyUsers now. */
  function standing(id: string): Standing | undefined {
    const { level, state } = risks.get(id) ?? {};
    const filtered = !tenant.rejectRiskFilter && state !== 'atRisk' && state !== 'confirmedCompromised';
    return filtered || !tenant.user(id) ? undefined : standingOf(level, state, false);
  }

  function apply(change: Change): void {
    const id = 'who' in change ? (ids[change.who % Math.max(1, ids.length)] ?? '') : '';
    const group = 'level' in change ? ours(RISK_LEVELS.find((one) => one === change.level) ?? 'low') : '';
    if (change.what === 'revoke tokens') tenant.revokeTokens();
    else if (change.what === 'allow single adds only') tenant.bulkAddForbidden = true;
    else if (change.what === 'newcomer') addPerson(change.level, change.state);
    else if (change.what === 'add group') addGroup(change.level, change.kind);
    else if (change.what === 'delete group') {
      noteLevels();
      if (group) tenant.deleteGroup(group);
      groupDeleted = true;
    } else if (tenant.user(id)) {
      if (change.what === 'risk') setRisk(id, change.level, change.state);
      else if (change.what === 'dismiss') setRisk(id, 'none', 'dismissed');
      else if (change.what === 'confirm') setRisk(id, 'high', 'confirmedCompromised');
      else if (change.what === 'delete') tenant.deleteUser(id, { riskEntry: change.entry });
      else if (change.what === 'add member' && group) tenant.addMember(group, id);
      else if (change.what === 'remove member' && group) tenant.removeMember(group, id);
    }
  }

  function noteLevels(): void {
    for (const level of RISK_LEVELS)
      for (const group of tenant.groups()) if (isNamed(group, level)) levels.set(group.id ?? '', level);
  }

  /** The level that a group is or was kept for. */
  function levelOf(groupId: string): RiskLevel | undefined {
    noteLevels();
    return pins.size > 0 ? RISK_LEVELS.find((level) => pins.get(level) === groupId) : levels.get(groupId);
  }

  const env: Record<string, unknown> = {
    AZURE_AD_TENANT_ID: tenant.ids.tenantId,
    AZURE_AD_CLIENT_ID: tenant.ids.clientId,
    AZURE_AD_CLIENT_SECRET: tenant.ids.clientSecret,
    MAX_REMOVALS: history.maxRemovals,
  };

  function fill(): void {
    for (const level of RISK_LEVELS) {
      for (const kind of history.groups[level]) addGroup(level, kind);
      if (history.pinned) pins.set(level, addGroup(level, 'fit', `Pinned ${level}`));
    }
    for (const { level, state, in: groups, exempt: isExempt, deleted } of history.people) {
      const id = addPerson(level, state);
      if (isExempt) exempt.add(id);
      for (const one of groups) {
        const group = ours(one);
        if (group) tenant.addMember(group, id);
      }
      if (deleted !== 'no') tenant.deleteUser(id, { riskEntry: deleted === 'marked' ? 'deleted' : 'stale' });
    }
    env['EXEMPT_USER_IDS'] = [...exempt].join(',').toUpperCase();
    env['GROUP_IDS'] = [...pins].map(([level, id]) => `${level}=${id}`).join(',');
    env['HEARTBEAT_URL'] = history.heartbeat && HEARTBEAT_URL;
    if (history.provisioning) addProvisioning(history.provisioning);
  }

  function addProvisioning({ callMs, assigned }: NonNullable<History['provisioning']>): void {
    tenant.permissions = [...tenant.permissions, 'Synchronization.ReadWrite.All'];
    const { servicePrincipalId, unassigned } = tenant.addProvisioning({ delayMs: callMs });
    env['SCIM_SERVICE_PRINCIPAL_ID'] = servicePrincipalId;
    for (const level of RISK_LEVELS) if (!assigned.includes(level)) unassigned.add(ours(level) ?? '');
  }

  /** One run, now, in an isolate that remembers this. */
  async function runOnce(memory: Memory, more: Record<string, unknown> = {}): Promise<Run> {
    runs += 1;
    const lines: Record<string, unknown>[] = [];
    const texts: string[] = [];
    const log = (text: string) => {
      texts.push(text);
      lines.push(JSON.parse(text));
    };
    const settings = { ...env, ...more };
    const watch = witness(tenant.client(`run ${runs}`), {
      ...{ levelOf, exempt, pinned: history.pinned, maxRemovals: Number(settings['MAX_REMOVALS']) },
      now: clock.now,
    });
    const desk = heartbeatDesk(history.heartbeat, clock, watch.fetch);
    const io = { fetch: desk.fetch, now: clock.now, sleep: clock.sleep, random: latency };
    let error: unknown;
    const start = clock.now();
    await clock.run(async () => {
      try {
        await run(settings, EVERY_MINUTE, io, { log, warn: log, error: log }, memory);
      } catch (thrown) {
        error = thrown;
      }
    });
    const late = clock.now() - start > DEADLINE_MILLISECONDS;
    const everything = [...texts, String(error)].join('\n');
    for (const token of watch.tokens) secrets.add(token);
    const leaks = [...secrets]
      .filter((secret) => everything.includes(secret))
      .map((secret) => `I10: ${secret}`);
    const audit = (field: 'added' | 'removed', done: readonly string[]) =>
      isDry(settings) || told(lines, field).join() === done.join()
        ? []
        : [`the log: ${field} is not ${done}`];
    const bugs = lines.filter(({ trouble }) => trouble === 'unexpected' || trouble === 'settings');
    return {
      ok: error === undefined,
      ...{ lines, unsure: watch.unsure },
      wrong: [
        ...watch.wrong,
        ...desk.wrong(error === undefined && settings['HEARTBEAT_URL'] !== undefined && !isDry(settings)),
        ...audit('added', watch.joined),
        ...audit('removed', watch.left),
        ...leaks,
        ...bugs.map((line) => `unexpected: ${JSON.stringify(line)}`),
        ...(late ? ['I7: the run ended after its deadline'] : []),
      ],
    };
  }

  fill();
  return {
    ...{ tenant, clock, ids, exempt, env, random },
    ...{ ours, hasUnfit, members, isCovered, standing, apply, runOnce },
    trouble: () => befall(tenant, random, history.trouble),
    nextMinute: () => clock.advance(60_000 - (clock.now() % 60_000)),
    /** Until no group is young any more whose deletion a warm isolate could mistake for lag. */
    settle: () => clock.advance(groupDeleted ? YOUNG_GROUP_MILLISECONDS : 0),
  };
}

const isDry = (settings: Record<string, unknown>) => settings['DRY_RUN'] === 'true';

/** "LEVEL USER" of each who was added or removed, as the log tells it. */
export function told(lines: Run['lines'], field: 'added' | 'removed'): string[] {
  return lines
    .flatMap(({ level, [field]: ids }) => (Array.isArray(ids) ? ids.map((id) => `${level} ${id}`) : []))
    .sort();
}
