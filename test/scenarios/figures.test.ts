/** What a run costs, by counting: requests, and round trips one after another. */
import { expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import { freePlan, json } from '../tenant/faults';
import { longestChain } from '../tools/chain';
import { addGroups, addRisky, ON, scene, settled, writes } from './scene';

it.each([
  { groups: 'found', cache: 'warm', requests: 5, trips: 2 },
  { groups: 'found', cache: 'cold', requests: 6, trips: 3 },
  { groups: 'pinned', cache: 'warm', requests: 4, trips: 1 },
  // One of them is the check of the names.
  { groups: 'pinned', cache: 'cold', requests: 6, trips: 2 },
])('I2 idempotent: $requests requests in $trips round trips, no write: $groups and $cache', async (wanted) => {
  const { groups, cache, requests, trips } = wanted;
  const { tenant, run, env } = scene({ latencyMs: 50 });
  const { pin } = addGroups(tenant);
  if (groups === 'pinned') env['GROUP_IDS'] = pin;
  for (const level of RISK_LEVELS) addRisky(tenant, level, 100);
  await run();
  tenant.forgetRequests();
  const ended = cache === 'warm' ? await run() : await run({ cache: {} });
  const message = 'In sync, nothing to do. At risk: 100 high, 100 medium, 100 low.';
  expect(ended.lines).toMatchObject([{ severity: 'log', message, added: 0, removed: 0, requests }]);
  expect([ended.requests, longestChain(tenant.requests), writes(tenant)]).toEqual([requests, trips, []]);
});

it('a refused request is not tried again: at most its batch and the reading that would settle it', async () => {
  const { tenant, run } = scene();
  addRisky(tenant, 'high', 300);
  const plan = freePlan(tenant.fetch, 12);
  const { ok, events, text } = await run({ fetch: plan.fetch });
  expect([ok, events.at(-1), text]).toEqual([false, 'add-failed', expect.stringContaining('Free plan allows 50')]);
  expect(plan.refused()).toBeLessThanOrEqual(2);
});

it('I7 bounded: a page may have more entries than a call takes arguments', async () => {
  const { tenant, runInSync } = await settled();
  const device = { '@odata.type': '#microsoft.graph.device' };
  const value = Array.from({ length: 150_000 }, (_, index) => ({ ...device, id: `x-${index}` }));
  tenant.fault({ on: ON.members, give: json({ value }) });
  await runInSync();
});
