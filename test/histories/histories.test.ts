/** Random histories: whole runs in a world where anything may go wrong, judged after every request. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cache } from '../../src/context';
import { RISK_LEVELS, type RiskLevel } from '../../src/plan';
import { failWholly, lieOnce } from './failures';
import { type History, history, type Step } from './history';
import type { Standing } from './reading';
import { noteBroken } from './rules';
import { createWorld, type HistoryWorld, idsIn, type Run, told } from './world';

declare const __HISTORIES__: number | undefined;

const HISTORIES = typeof __HISTORIES__ === 'undefined' ? 300 : __HISTORIES__;
/** The same histories in every `npm test`, so that it tells of the change under test; others in `npm run test:long`. */
const SEED = HISTORIES > 300 ? {} : { seed: 20_260_504 };

function holds(name: string, share: number, property: (one: History, world: HistoryWorld) => Promise<void>): void {
  const numRuns = Math.ceil(HISTORIES * share);
  const timeout = 30_000 + numRuns * 1_000;
  const holdsOf = fc.asyncProperty(history, (one) => property(one, createWorld(one)));
  it(name, { timeout }, () => fc.assert(holdsOf, { numRuns, ...SEED }));
}

/**
 * Where the witness judges instead: the stand-ins count a Retry-After that was lost with its answer, and take what the
 * next step reads for a repetition of what the last one gave up.
 */
const TOLD_BY_WITNESS = /^came back before Retry-After was over: |^asked again at once .*: GET /;

/** What is wrong at no time, whoever else is at work. */
function expectNothingWrong({ tenant, cloudflare }: HistoryWorld, ...runs: Run[]): void {
  const violations = [...tenant.violations, ...cloudflare.violations].filter((one) => !TOLD_BY_WITNESS.test(one));
  expect([...runs.flatMap(({ wrong }) => wrong), ...violations]).toEqual([]);
  expect(tenant.maxInFlight).toBeLessThanOrEqual(6);
}

/** Alone in the world: whoever is in a group or list is followed through the run, by what is true. */
function follow(world: HistoryWorld, lied: boolean) {
  const { tenant, exempt, lists, members, standing, isCovered } = world;
  const whoIsWhere = () => new Map(RISK_LEVELS.map((level) => [level, members(level)]));
  let held = whoIsWhere();
  let entries = lists.entries();
  const wrong: string[] = [];
  const released = new Set<string>();

  function check(): void {
    const now = whoIsWhere();
    for (const [level, users] of now) {
      const before = held.get(level) ?? [];
      const added = users.filter((id) => !before.includes(id) && (standing(id) !== level || exempt.has(id)));
      wrong.push(...added.map((id) => `${id} was added to ${level}`));
      for (const id of before) if (!users.includes(id)) judge(id, level);
    }
    held = now;
    wrong.push(...lists.wrongIn(entries, lied));
    entries = lists.entries();
  }

  function judge(id: string, level: RiskLevel): void {
    const present = tenant.user(id) && standing(id);
    if (present === undefined) released.add(id);
    noteBroken(wrong, `${id} was removed from ${level}`, [
      [exempt.has(id), 'I5: they are exempt'],
      [present === 'doubt', 'I3: they are in doubt'],
      [present && present !== 'doubt' && !isCovered(present, id), `I4: they are not in ${present}`],
    ]);
  }

  return { check, wrong, released };
}

/** Whoever was added by the word of Graph, who did not do it, may be removed elsewhere. */
function isDeceived(wrong: string, deceived: ReadonlySet<string>): boolean {
  const [, user] = /^(\S+) was removed .* I4: /.exec(wrong) ?? [];
  return [...deceived].some((one) => one.startsWith('add') && one.endsWith(String(user)));
}

/** Members that are not users. */
const otherMembers = ({ tenant }: HistoryWorld): Record<string, string[]> =>
  Object.fromEntries(tenant.groups().map(({ id = '' }) => [id, tenant.otherMembers(id)]));

/** I1: a few clean runs bring each destination into sync, the first of them perhaps to learn of a consent; I2: the last only reads. */
async function expectConvergence(world: HistoryWorld, cache: Cache): Promise<void> {
  const { tenant, cloudflare, env, has, lists } = world;
  env['MAX_REMOVALS'] = 1_000;
  await world.calm();
  const expectGroups = groupsAfter(world);
  const runs: Run[] = [];
  // Each address that Cloudflare refuses costs others a run or two, by chance many.
  const most = Math.max(4, has.lists ? 20 * cloudflare.refusedValues.size : 0);
  for (let count = 0; count < most; count += 1) {
    await world.nextMinute();
    for (const service of [tenant, cloudflare]) service.forgetRequests();
    runs.push(await world.runOnce(cache));
    await world.settle();
  }
  expectNothingWrong(world, ...runs);
  const groupsAreFine = expectGroups();
  if (has.lists) expect(lists.amiss()).toEqual([]);
  const hopeless = has.lists ? lists.hopeless() : [];
  if (hopeless.length === 0) expectReadsBut(world);
  expect(runs.at(-1)?.ok).toBe(groupsAreFine && hopeless.length === 0);
}

/** What the groups will hold; what it gives checks that, and tells whether that is all that should be. */
function groupsAfter({ has, ids, tenant, exempt, standing, members, use }: HistoryWorld): () => boolean {
  if (!has.groups) return () => true;
  const levels = RISK_LEVELS.filter((level) => use(level) !== 'none');
  // Whoever should move to a level that cannot be used, or is not known, stays where they are.
  const isPlaced = (present: Standing | undefined) =>
    present === undefined || levels.some((one) => one === present && use(one) === 'all');
  const stays = (id: string, level: RiskLevel) => exempt.has(id) || !isPlaced(standing(id)) || use(level) === 'adds';
  const kept = new Map(levels.map((level) => [level, members(level).filter((id) => stays(id, level))]));
  return () => {
    let held = 0;
    for (const level of levels) {
      const due = ids.filter((id) => standing(id) === level && !exempt.has(id) && tenant.user(id));
      const here = new Set([...due, ...(kept.get(level) ?? [])]);
      held += [...here].filter((id) => ![level, 'doubt'].includes(standing(id) ?? '') && !exempt.has(id)).length;
      expect({ level, members: members(level) }).toEqual({ level, members: [...here].sort() });
    }
    return levels.length === RISK_LEVELS.length && held === 0;
  };
}

/** Reads only, but for trying again the users whom Entra no longer knows. */
function expectReadsBut({ tenant, cloudflare }: HistoryWorld): void {
  for (const { method, path, body } of writesTo(tenant, cloudflare)) {
    const text = JSON.stringify(body);
    const bound = [...text.matchAll(/directoryObjects\/([\w-]+)/g)];
    const isGone = bound.length > 0 && bound.every(([, id = '']) => !tenant.user(id)) && !text.includes('DELETE');
    if (!isGone) expect(`${method} ${path}`).toBe('a read');
  }
}

const writesTo = (...services: Pick<HistoryWorld['tenant'], 'requests'>[]) =>
  services.flatMap(({ requests }) => requests).filter(({ method, path }) => method !== 'GET' && path !== '/token');

const namedIn = ({ lines }: Run, event: string): string[] =>
  lines.flatMap((line) => (line['event'] === event ? idsIn(line, 'ids') : []));

/** "DESTINATION LEVEL" of each line that says so. */
const saying = (text: RegExp, { lines }: Run): string[] => {
  const found = lines.filter(({ message }) => text.test(String(message)));
  return found.map(({ destination, level }) => `${destination} ${level}`).sort();
};

/** I11: after a run that says that all is well, everyone is where they should be, but for what Graph denied. */
function expectHonest(world: HistoryWorld, run: Run, deceived: ReadonlySet<string>): void {
  const { ids, tenant, has, lists, exempt, members, isCovered, standing, env } = world;
  expect(namedIn(run, 'users-gone').filter((id) => !run.unsure.has(id))).toEqual([]);
  if (!run.ok) return;
  const held = env['MAX_REMOVALS'] === 0;
  // Once deceived it can be, but not twice with the same.
  const unknowable = new Set([...deceived].filter((one) => !run.toldBefore.has(one)).map((one) => one.split(' ')[2]));
  const isSure = (id: string) => !exempt.has(id) && !run.unsure.has(id) && !unknowable.has(id) && tenant.user(id);
  const isJudged = (id: string) =>
    has.groups && isSure(id) && standing(id) !== 'doubt' && (standing(id) !== undefined || !held);
  const isAmiss = (id: string) => (level: RiskLevel) =>
    level === standing(id) ? !isCovered(level, id) : members(level).includes(id);
  const wrong = ids.filter(isJudged).flatMap((id) => RISK_LEVELS.filter(isAmiss(id)).map((level) => `${id}: ${level}`));
  expect(wrong).toEqual([]);
  if (has.lists) expect([...lists.amiss(held), ...lists.hopeless()]).toEqual([]);
}

async function begin({ apply, nextMinute }: HistoryWorld, { changes }: Pick<Step, 'changes'>): Promise<void> {
  for (const change of changes) apply(change);
  await nextMinute();
}

describe('random histories', () => {
  holds('alone in the world: I3, I4, I5, I8, I10 after every request, then I1 and I2', 0.4, async (one, world) => {
    let cache: Cache = {};
    let check = () => {};
    for (const service of [world.tenant, world.cloudflare]) service.after(() => check());
    for (const step of one.steps) {
      await begin(world, step);
      if (step.cold) cache = {};
      const { check: checkNow, wrong, released } = follow(world, step.lie !== undefined);
      check = checkNow;
      const others = otherMembers(world);
      const truth = lieOnce(world.tenant, step);
      const failing = world.failing();
      const run = await world.runOnce(cache);
      failing.end();
      truth();
      check();
      check = () => {};
      expectNothingWrong(world, run);
      expect(wrong.filter((why) => !isDeceived(why, failing.deceived))).toEqual([]);
      expect(released.size).toBeLessThanOrEqual(one.maxRemovals);
      expect(otherMembers(world)).toMatchObject(others);
      if (!step.lie) expectHonest(world, run, failing.deceived);
    }
    await expectConvergence(world, cache);
  });

  holds('I9: the plan of a dry run is what the real run carries out from the same state', 0.15, async (one, world) => {
    const { tenant, cloudflare, lists } = world;
    tenant.lag = { groupListedAfterMs: 0, groupReachableAfterMs: 0, membersVisibleAfterMs: 0 };
    for (const step of one.steps) {
      await begin(world, step);
      cloudflare.refusedValues.clear();
      await world.calm();
      const state = () =>
        JSON.stringify([tenant.groups(), RISK_LEVELS.map(world.members), cloudflare.lists(), lists.entries()]);
      const before = state();
      for (const service of [tenant, cloudflare]) service.forgetRequests();
      const dry = await world.runOnce({}, { DRY_RUN: 'true' });
      expect(writesTo(tenant, cloudflare)).toEqual([]);
      expect(state()).toBe(before);
      await world.nextMinute();
      const real = await world.runOnce({});
      expectNothingWrong(world, dry, real);
      // In a group so young a deleted user may as well be one whom Entra does not know yet.
      const early = namedIn(real, 'add-failed').filter((id) => !tenant.user(id));
      const gone = [...namedIn(real, 'users-gone'), ...early];
      expect(gone.filter((id) => tenant.user(id))).toEqual([]);
      const isDone = (entry: string) => !gone.includes(entry.split(' ')[1] ?? '');
      expect(told(real.lines, 'added', 'groups')).toEqual(told(dry.lines, 'added', 'groups').filter(isDone));
      expect(told(real.lines, 'removed', 'groups')).toEqual(told(dry.lines, 'removed', 'groups'));
      expect(told(real.lines, 'added', 'lists')).toEqual(told(dry.lines, 'added', 'lists'));
      // By an entry of others somebody may turn out to stand less surely than the plan took it for.
      expect(told(dry.lines, 'removed', 'lists')).toEqual(expect.arrayContaining(told(real.lines, 'removed', 'lists')));
      if (real.ok && world.has.lists) expect(lists.amiss(one.maxRemovals === 0)).toEqual([]);
      expect(saying(/^Created the/, real)).toEqual(saying(/would create/, dry));
      expect(real.ok).toBe(dry.ok && early.length === 0);
    }
  });

  holds('I12: while everything of one destination fails, the other comes into sync', 0.1, async (one) => {
    const world = createWorld({ ...one, destinations: 'groups,lists' });
    const { tenant, cloudflare, env, lists } = world;
    await begin(world, { changes: one.steps.flatMap(({ changes }) => changes) });
    await world.calm();
    env['MAX_REMOVALS'] = 1_000;
    cloudflare.refusedValues.clear();
    const failing = one.seed % 2 === 0 ? 'groups' : 'lists';
    failWholly(tenant, cloudflare, failing, one.seed >> 1);
    const expectGroups = groupsAfter(world);
    const cache: Cache = {};
    for (let count = 0; count < 2; count += 1) {
      await world.nextMinute();
      const run = await world.runOnce(cache);
      expectNothingWrong(world, run);
      expect(run.ok).toBe(false);
    }
    if (failing === 'lists') expectGroups();
    else expect(lists.amiss()).toEqual([]);
  });

  holds('while others edit between any two requests: I4 as a rule, I5, I8, I10, then I1', 0.2, async (one, world) => {
    const cache: Cache = {};
    const edits = [...one.edits];
    let editing = true;
    const edit = () => {
      const next = editing && world.random() < 0.5 ? edits.shift() : undefined;
      if (next) world.apply(next);
    };
    for (const service of [world.tenant, world.cloudflare]) service.before(edit);
    // Whoever takes an entry over after it was read cannot be known.
    world.cloudflare.foreignEntriesStay = false;
    const failing = world.failing();
    for (const step of one.steps) {
      await begin(world, step);
      const truth = lieOnce(world.tenant, step);
      expectNothingWrong(world, await world.runOnce(step.cold ? {} : cache));
      truth();
    }
    failing.end();
    editing = false;
    world.cloudflare.foreignEntriesStay = true;
    await expectConvergence(world, cache);
  });

  holds('two runs side by side: I4 as a rule, I5, I8, I10, then I1', 0.15, async (one, world) => {
    const memories: [Cache, Cache] = [{}, {}];
    const failing = world.failing();
    for (const step of one.steps) {
      await begin(world, step);
      const later = () => world.clock.sleep(Math.floor(world.random() * 20_000)).then(() => world.runOnce(memories[1]));
      const runs = await world.clock.run(() => Promise.all([world.runOnce(memories[0]), later()]));
      expectNothingWrong(world, ...runs);
    }
    failing.end();
    await expectConvergence(world, memories[0]);
  });
});
