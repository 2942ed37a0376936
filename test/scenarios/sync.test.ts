/** The main job: the groups hold who is at risk, and nothing else is touched. */
import { expect, it } from 'vitest';
import { RISK_LEVELS } from '../../src/plan';
import { altered } from '../tenant/list-faults';
import { addRisky, moving, ON, scene, writes } from './scene';

it('I1 converges: ids are compared in lower case, and users of agents are users', async () => {
  const { tenant, run, runInSync } = scene();
  addRisky(tenant, 'high', 2);
  await run();
  tenant.fault({ on: ON.riskyUsers, give: altered(({ id }) => ({ id: String(id).toUpperCase() })) });
  tenant.fault({ on: ON.members, give: altered(() => ({ '@odata.type': '#microsoft.graph.agentUser' })) });
  tenant.forgetRequests();
  await runInSync();
  expect(writes(tenant)).toEqual([]);
});

it('I4 never uncovered: every add of every level is sent before any removal, high first', async () => {
  const { tenant, run, ids } = await moving();
  await run();
  const order = tenant.requests.flatMap(({ batch = [] }) =>
    batch.map(({ method, path }) => `${method} ${RISK_LEVELS.find((level) => path.includes(ids[level]))}`),
  );
  const adds = ['POST high', 'POST high', 'POST medium', 'POST low'];
  expect(order).toEqual([...adds, 'DELETE high', 'DELETE medium', 'DELETE low', 'DELETE low']);
});
