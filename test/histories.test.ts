/** Random histories: whole runs in a tenant where anything may go wrong, judged after every request. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RISK_LEVELS } from '../src/plan';
import type { Memory } from '../src/run';
import { type History, history } from './history';
import { lieOnce } from './history-troubles';
import { createWorld, type HistoryWorld, type Run, told } from './history-world';

declare const __HISTORIES__: number | undefined;

const HISTORIES = typeof __HISTORIES__ === 'undefined' ? 300 : __HISTORIES__;
const MILLISECONDS_PER_HISTORY = 1_000;

/** The same histories in every `npm test`, so that it tells of the change under test; others in `npm run test:long`. */
const SEED = HISTORIES > 300 ? {} : { seed: 20_260_504 };

function holds(name: string, share: number, property: (history: History) => Promise<void>): void {
  const numRuns = Math.ceil(HISTORIES * share);
  const timeout = 30_000 + numRuns * MILLISECONDS_PER_HISTORY;
  it(name, { timeout }, () => fc.assert(fc.asyncProperty(history, property), { numRuns, ...SEED }));
}

/**
 * Where the witness judges instead: the tenant takes requests to one address for the same one whatever their bodies
 * (two single adds of a batch, the creations of two groups, two offers), and counts a Retry-After that was lost with the answer.
 */
const TOLD_BY_WITNESS =
  /^came back before Retry-After was over: (POST \/groups$|(POST|DELETE) \/groups\/[^/]+\/members\/|POST .*\/provisionOnDemand$)/;

/** What is wrong at no time, whoever else is at work. */
function expectNothingWrong({ tenant }: HistoryWorld, ...runs: Run[]): void {
  const violations = tenant.violations.filter((violation) => !TOLD_BY_WITNESS.test(violation));
  expect([...runs.flatMap(({ wrong }) => wrong), ...violations]).toEqual([]);
  expect(tenant.maxInFlight).toBeLessThanOrEqual(6);
}

/** Alone in the tenant: whoever is in a group is followed through the run, by what is true. Gives how many departed. */
function follow(world: HistoryWorld): { check(): void; wrong: string[]; departed: Set<string> } {
  const { exempt, members, standing, isCovered } = world;
  const held = new Map(RISK_LEVELS.map((level) => [level, new Set(members(level))]));
  const wrong: string[] = [];
  const departed = new Set<string>();

  function check(): void {
    const now = new Map(RISK_LEVELS.map((level) => [level, new Set(members(level))]));
    for (const [level, before] of held) {
      const here = now.get(level) ?? new Set();
      for (const id of here)
        if (!before.has(id) && (standing(id) !== level || exempt.has(id)))
          wrong.push(`${id} joined ${level}`);
      for (const id of before) {
        if (here.has(id)) continue;
        const present = standing(id);
        if (present === undefined) departed.add(id);
        if (exempt.has(id)) wrong.push(`I5: ${id} left ${level}, although exempt`);
        else if (present === 'doubt') wrong.push(`I3: ${id} left ${level}, although in doubt`);
        else if (present !== undefined && !isCovered(present, id))
          wrong.push(`I4: ${id} left ${level}, and is not in ${present}`);
      }
      held.set(level, here);
    }
  }

  return { check, wrong, departed };
}

/** Members that are not users, in all groups there are. */
function otherMembers({ tenant }: HistoryWorld): Record<string, string[]> {
  return Object.fromEntries(tenant.groups().map(({ id = '' }) => [id, tenant.otherMembers(id)]));
}

/** I1: two clean runs bring everything into step; I2: a third finds nothing to do. */
async function expectConvergence(world: HistoryWorld, memory: Memory): Promise<void> {
  const { tenant, env, exempt, standing, members, ours, hasUnfit } = world;
  env['MAX_REMOVALS'] = 1_000;
  await world.settle();
  await world.nextMinute();
  const usable = RISK_LEVELS.filter((level) => ours(level) !== undefined || !hasUnfit(level));
  // Whoever should move to a level that has no usable group stays where he is.
  const stays = (id: string) => {
    const present = standing(id);
    const unplaceable = present === 'doubt' || (present !== undefined && !usable.includes(present));
    return exempt.has(id) || unplaceable;
  };
  const kept = new Map(RISK_LEVELS.map((level) => [level, members(level).filter(stays)]));
  const runs: Run[] = [];
  for (let count = 0; count < 3; count += 1) {
    await world.nextMinute();
    tenant.forgetRequests();
    runs.push(await world.runOnce(memory));
  }
  expectNothingWrong(world, ...runs);
  for (const level of usable) {
    const due = world.ids.filter((id) => standing(id) === level && !exempt.has(id));
    expect({ level, members: members(level) }).toEqual({
      level,
      members: [...due, ...(kept.get(level) ?? [])].sort(),
    });
  }
  expectReadsBut(world);
  expect(runs[2]?.ok).toBe(usable.length === RISK_LEVELS.length);
}

/** Reads only, but for trying again the users whom Entra no longer knows. */
function expectReadsBut({ tenant }: HistoryWorld): void {
  const writes = tenant.requests.filter(({ method, path }) => method !== 'GET' && path !== '/token');
  for (const { method, path, body } of writes) {
    const bound = [...JSON.stringify(body).matchAll(/directoryObjects\/([\w-]+)/g)].map(([, id = '']) => id);
    const gone = bound.length > 0 && bound.every((id) => !tenant.user(id));
    if (!gone || JSON.stringify(body).includes('DELETE')) expect(`${method} ${path}`).toBe('a read');
  }
}

const namedIn = ({ lines }: Run, trouble: string): string[] =>
  lines.flatMap((line) => (line['trouble'] === trouble && Array.isArray(line['ids']) ? line['ids'] : []));

/** I11: after a run that says that all is well, everyone is where he should be, but for what Graph denied. */
function expectHonest({ ids, exempt, members, standing, env }: HistoryWorld, run: Run): void {
  expect(namedIn(run, 'users-gone').filter((id) => !run.unsure.has(id))).toEqual([]);
  if (!run.ok) return;
  const held = env['MAX_REMOVALS'] === 0;
  const sure = ids.filter((id) => !exempt.has(id) && !run.unsure.has(id) && standing(id) !== 'doubt');
  const wrong = sure.flatMap((id) => {
    const present = standing(id);
    if (present === undefined && held) return [];
    return RISK_LEVELS.filter((level) => members(level).includes(id) !== (level === present)).map(
      (level) =>
        `${id}, at risk: ${present}, ${members(level).includes(id) ? 'still in' : 'not in'} ${level}`,
    );
  });
  expect(wrong).toEqual([]);
}

describe('random histories', () => {
  holds('alone in the tenant: I3, I4, I5, I8, I10 after every request, then I1 and I2', 0.4, async (one) => {
    const world = createWorld(one);
    let memory: Memory = {};
    let check = () => {};
    world.tenant.after(() => check());
    for (const step of one.steps) {
      for (const change of step.changes) world.apply(change);
      if (step.cold) memory = {};
      await world.nextMinute();
      const followed = follow(world);
      check = followed.check;
      const others = otherMembers(world);
      const truth = lieOnce(world.tenant, step);
      const peace = world.trouble();
      const run = await world.runOnce(memory);
      peace();
      truth();
      check();
      check = () => {};
      expectNothingWrong(world, run);
      expect(followed.wrong).toEqual([]);
      expect(followed.departed.size).toBeLessThanOrEqual(one.maxRemovals);
      expect(otherMembers(world)).toMatchObject(others);
      if (!step.lie) expectHonest(world, run);
    }
    await expectConvergence(world, memory);
  });

  holds(
    'I9: the plan of a dry run is what the real run carries out from the same state',
    0.2,
    async (one) => {
      const world = createWorld(one);
      const { tenant } = world;
      for (const { changes } of one.steps) {
        for (const change of changes) world.apply(change);
        await world.settle();
        await world.nextMinute();
        const state = () => JSON.stringify([tenant.groups(), RISK_LEVELS.map(world.members)]);
        const before = state();
        tenant.forgetRequests();
        const dry = await world.runOnce({}, { DRY_RUN: 'true' });
        const sent = tenant.requests.filter(({ method, path }) => method !== 'GET' && path !== '/token');
        expect(sent).toEqual([]);
        expect(state()).toBe(before);
        await world.nextMinute();
        const real = await world.runOnce({});
        expectNothingWrong(world, dry, real);
        const gone = namedIn(real, 'users-gone');
        expect(gone.filter((id) => tenant.user(id))).toEqual([]);
        expect(told(real.lines, 'added')).toEqual(
          told(dry.lines, 'added').filter((entry) => !gone.includes(entry.split(' ')[1] ?? '')),
        );
        expect(told(real.lines, 'removed')).toEqual(told(dry.lines, 'removed'));
        const levels = (run: Run, test: RegExp) =>
          run.lines.flatMap(({ level, message }) => (test.test(String(message)) ? [level] : []));
        expect(levels(real, /^Created the group/)).toEqual(levels(dry, /would create the group/));
        expect(real.ok).toBe(dry.ok);
      }
    },
  );

  holds(
    'while others edit between any two requests: I4 as a rule, I5, I8, I10, then I1',
    0.2,
    async (one) => {
      const world = createWorld(one);
      const memory: Memory = {};
      const edits = [...one.edits];
      let editing = true;
      world.tenant.before(() => {
        const edit = editing && world.random() < 0.5 ? edits.shift() : undefined;
        if (edit) world.apply(edit);
      });
      const peace = world.trouble();
      for (const step of one.steps) {
        for (const change of step.changes) world.apply(change);
        await world.nextMinute();
        const truth = lieOnce(world.tenant, step);
        expectNothingWrong(world, await world.runOnce(step.cold ? {} : memory));
        truth();
      }
      peace();
      editing = false;
      await expectConvergence(world, memory);
    },
  );

  holds('two runs side by side: I4 as a rule, I5, I8, I10, then I1', 0.2, async (one) => {
    const world = createWorld(one);
    const memories: [Memory, Memory] = [{}, {}];
    const peace = world.trouble();
    for (const step of one.steps) {
      for (const change of step.changes) world.apply(change);
      await world.nextMinute();
      const later = async (memory: Memory) => {
        await world.clock.sleep(Math.floor(world.random() * 20_000));
        return world.runOnce(memory);
      };
      const [first, second] = memories;
      const runs = await world.clock.run(() => Promise.all([world.runOnce(first), later(second)]));
      expectNothingWrong(world, ...runs);
    }
    peace();
    await expectConvergence(world, memories[0]);
  });
});
