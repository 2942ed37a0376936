/** What a run costs, by counting: requests, and round trips one after another. */
import { describe, expect, it } from 'vitest';
import { longestChain } from './chain';
import { addGroups, addRisky, NAMES, scene } from './harness';
import { freePlan } from './tenant/faults';

describe('a run with nothing to do', () => {
  it.each([
    { groups: 'found', memory: 'warm', requests: 5, trips: 2 },
    { groups: 'found', memory: 'cold', requests: 6, trips: 3 },
    { groups: 'pinned', memory: 'warm', requests: 4, trips: 1 },
    { groups: 'pinned', memory: 'cold', requests: 5, trips: 2 },
  ])(
    'takes $requests requests in $trips round trips, $groups and $memory',
    async ({ groups, memory, requests, trips }) => {
      const here = scene({ latencyMs: 50 });
      const { pin } = addGroups(here.tenant);
      if (groups === 'pinned') here.env['GROUP_IDS'] = pin;
      for (const level of ['high', 'medium', 'low'] as const) addRisky(here.tenant, level, 100);
      await here.run();
      here.tenant.forgetRequests();
      const ended = memory === 'warm' ? await here.run() : await here.coldRun();
      expect(ended.ok).toBe(true);
      expect(ended.requests).toBe(requests);
      expect(longestChain(here.tenant.requests)).toBe(trips);
      expect(here.tenant.requests.every(({ method, path }) => method === 'GET' || path === '/token')).toBe(
        true,
      );
      expect(ended.lines).toHaveLength(1);
    },
  );
});

it('looks for the groups it has just made while it fills them', async () => {
  const { tenant, run, expectInStep } = scene({ latencyMs: 50 });
  for (const level of ['high', 'medium', 'low'] as const) addRisky(tenant, level, 1);
  const ended = await run();
  expect(ended.ok).toBe(true);
  expectInStep();
  // Sign-in, lookup, three creations at once, and one addition after another.
  expect(longestChain(tenant.requests)).toBe(6);
});

it('brings 400 departures into 50 requests', async () => {
  const { tenant, run, expectInStep, env } = scene();
  env['MAX_REMOVALS'] = 400;
  addRisky(tenant, 'low', 450);
  await run();
  for (const id of tenant.atRisk('low').slice(0, 400)) tenant.dismiss(id);
  const ended = await run();
  expect(ended.ok).toBe(true);
  expectInStep();
  expect(ended.requests).toBeLessThanOrEqual(50);
});

it('fills the groups with 1,300 users in 90 requests', async () => {
  const { tenant, run, expectInStep } = scene();
  addRisky(tenant, 'high', 100);
  addRisky(tenant, 'medium', 400);
  addRisky(tenant, 'low', 800);
  const ended = await run();
  expect(ended.ok).toBe(true);
  expectInStep();
  expect(ended.requests).toBeLessThanOrEqual(90);
});

it('asks for one token when several reads start together', async () => {
  const { tenant, run, env } = scene({ latencyMs: 50 });
  env['GROUP_IDS'] = addGroups(tenant).pin;
  await run();
  expect(tenant.requests.filter(({ path }) => path === '/token')).toHaveLength(1);
});

describe('the Free plan', () => {
  it('converges for 1,300 users over some runs of 50 requests, high first', async () => {
    const { tenant, run, expectInStep, clock } = scene();
    addRisky(tenant, 'low', 1_000);
    addRisky(tenant, 'high', 300);
    const plan = freePlan((input, init) => tenant.fetch(input, init));
    const runs: boolean[] = [];
    for (let count = 0; count < 6 && !runs.at(-1); count += 1) {
      plan.newInvocation();
      const ended = await run({ fetch: plan.fetch });
      runs.push(ended.ok);
      if (count === 0) expect(tenant.members(NAMES.high)).toEqual(tenant.atRisk('high'));
      if (ended.ok) continue;
      expect(ended.troubles).toContain('out-of-time');
      expect(ended.lines.find(({ trouble }) => trouble === 'out-of-time')?.message).toMatch(
        /Workers Free plan allows 50/,
      );
    }
    expect(runs.at(-1)).toBe(true);
    expect(runs.length).toBeLessThanOrEqual(4);
    expectInStep();
    expect(clock.pending()).toBe(0);
  });

  it('does not try a refused request again', async () => {
    const { tenant, run } = scene();
    addRisky(tenant, 'high', 300);
    const plan = freePlan((input, init) => tenant.fetch(input, init), 12);
    await run({ fetch: plan.fetch });
    // One for the joins, one for the waiting until the new groups are listed.
    expect(plan.refused()).toBeLessThanOrEqual(2);
  });
});
